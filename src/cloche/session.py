"""The state of one run: the host, the store, the plugins, and what the run has to report.

A session also returns blueprints. They come from the plan cache if everything that they depend on is unchanged; otherwise
the session searches for the interpreter, resolves the spec, and stores the result.
"""

from __future__ import annotations

import os
import sys

from cloche.fs.inputs import UNRECORDED, Inputs
from cloche.model.interpreter import Host
from cloche.model.plan import EnvironmentSpec, Result
from cloche.model.value import TYPE_CHECKING, replace
from cloche.plugins import LazyFinder, observe, take_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Literal, TypeAlias

    from cloche.discovery import FoundInterpreter, InterpreterListing
    from cloche.discovery.cache import ProbeCache
    from cloche.fs.inputs import Recorded
    from cloche.model.aliases import Access, Compile, LinkMode, ReportProgress, StartupRule
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Blueprint, ChosenComponent, Target, Wanted
    from cloche.model.runtime import Runtime
    from cloche.planning.plan_cache import CachedPlan, PlanCache
    from cloche.plugins import Observed
    from cloche.plugins.hookspecs import Finder
    from cloche.plugins.registry import Registry
    from cloche.store import Store
    from cloche.store.seeds import SeedStore

    Check: TypeAlias = Literal["checked", "unchecked"]
    Entry: TypeAlias = tuple[Blueprint, CachedPlan, Recorded]
    """An entry of the plan cache with its inputs, after the blueprint to use."""

    Reuse: TypeAlias = Literal["decided", "any"]
    """Which cached blueprints are reused: only those whose files are all fixed by hashes, or also those whose files a server
    chose."""


def current_host(environ: Mapping[str, str] | None = None) -> Host:
    """Return the machine, the user and the current directory as they are now; `environ` replaces `os.environ`."""
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = ""
    return Host(
        environ=dict(os.environ) if environ is None else environ,
        cwd=cwd,
        platform=sys.platform,
        os_name=os.name,
        executable=sys.executable,
    )


class Session:
    """The state of one run: the host, and the store and the plugins, which are loaded when they are first needed.

    It is a context manager that closes the store.
    """

    def __init__(
        self,
        host: Host,
        *,
        cache: str | None = None,
        access: Access = "read-write",
        blocklist: frozenset[str] = frozenset(),
        replacements: Mapping[str, str] | None = None,
    ) -> None:
        self.host = host
        self._cache = cache
        self._access: Access = access
        self._blocklist = blocklist
        self._replacements = replacements
        self._store: Store | None = None
        self._registry: Registry | None = None
        self._plugin_inputs = Inputs()
        self._has_created_hooks = False
        self.is_cached = False
        """Whether the blueprint was found in the plan cache."""
        self.activators: tuple[ChosenComponent, ...] = ()
        """The activators of the environment that was created."""
        self.warnings: list[str] = []
        self._failures: list[BaseException] = []
        self._slow_calls: list[str] = []
        self._observed_before: Observed | None = None
        self.plugin_errors: list[BaseException] = []
        """The failures of plugins that were only reported as warnings."""
        self.progress: ReportProgress = lambda text, /, **amounts: None
        self.notify: Callable[[str], object] = str
        """Called with what a run is going to do that users should see, wherever its output goes."""
        self.announce: Callable[[Iterable[str]], object] = self.warn
        """Called with messages that users must see before the environment is changed."""
        self.found: FoundInterpreter | None = None
        """The result of the search; None if the interpreter was known without one."""

    def __enter__(self) -> Session:
        self._observed_before = self.observe_plugins()
        return self

    def observe_plugins(self) -> Observed | None:
        """Keep what plugins do in this thread, which works for the session; return where it was kept before."""
        return observe((self._failures, self._slow_calls))

    def collect_plugin_problems(self) -> None:
        """Warn about slow plugins, and keep the failures that did not stop the run."""
        self.warn(take_all(self._slow_calls))
        known = set(map(repr, self.plugin_errors))
        self.plugin_errors += {
            repr(error): error for error in take_all(self._failures) if repr(error) not in known
        }.values()

    def __exit__(self, *_: object) -> None:
        observe(self._observed_before)
        if self._store is not None:
            self._store.close()

    def warn(self, texts: Iterable[str]) -> None:
        """Add warnings to show at the end of the run, each once."""
        self.warnings += (text for text in texts if text not in self.warnings)

    @property
    def store(self) -> Store:
        """The store.

        :raises ClocheError: the cache directory that the user chose cannot be used.
        """
        if self._store is None:
            from cloche.store import Store

            self._store = Store.open(self.host, self._cache, self._access)
            self.warnings += self._store.warnings
            self._store.warnings = self.warnings  # later warnings of the store are shown with the others
            self._store.progress = self.progress
            self._store.notify = self.notify
        return self._store

    @property
    def seed_store(self) -> SeedStore:
        """The interface of the store for seeders."""
        from cloche.store.seeds import SeedStore

        return SeedStore(self.store)

    def _seed_store_for(self, target: Target | None) -> SeedStore:
        """Return the interface of the store for an environment that may exist: what it keeps needs no image."""
        if target is None or target.existing != "keep" or not os.path.isdir(target.destination):
            return self.seed_store
        from cloche.planning.installed_seeds import is_kept
        from cloche.planning.layout import layout_of
        from cloche.planning.plan_at import environment_at
        from cloche.store.seeds import SeedStore

        def stays(name: str, version: str, wanted: Wanted, interpreter: Interpreter) -> bool:
            environment = environment_at(target.destination, target, interpreter, layout_of(interpreter), self.host)
            return is_kept(target.destination, name, version, wanted, environment)

        return SeedStore(self.store, stays)

    def runtime_image(self, runtime: Runtime, interpreter: Interpreter, policy: Compile) -> Image:
        """Return the image of an interpreter's runtime, compiled to bytecode according to the policy.

        :raises ClocheError: a file of the interpreter cannot be read or edited, or the image cannot be created.
        """
        from cloche.store.runtimes import find_or_build_runtime

        return find_or_build_runtime(runtime, interpreter, self.store, policy)

    @property
    def probes(self) -> ProbeCache:
        """The results of probing interpreters on earlier runs."""
        from cloche.discovery.cache import ProbeCache

        if self.store.is_persistent:
            cache = ProbeCache(self.store.writable_directory("interpreters"), environ=self.host.environ)
        else:
            directories = self.store.readable_directories("interpreters")
            cache = ProbeCache(directories[0] if directories else None, writable=False, environ=self.host.environ)
        cache.progress = self.progress
        return cache

    @property
    def registry(self) -> Registry:
        """The components of all plugins; loading it imports every plugin."""
        if self._registry is None:
            from cloche.plugins.registry import load_plugins

            self._registry = load_plugins(sys.path, self._blocklist, self._replacements, self._plugin_inputs)
            self.warn(self._registry.warnings)
            self.plugin_errors += (report.error for report in self._registry.reports if report.error is not None)
        return self._registry

    @property
    def plan_cache(self) -> PlanCache:
        """Blueprints of earlier runs."""
        from cloche.planning.plan_cache import PlanCache

        context = (self.store.root, *sorted(self._blocklist), repr(self._replacements))
        if self.store.is_persistent:
            return PlanCache(self.store.writable_directory("plans"), True, context)
        directories = self.store.readable_directories("plans")
        return PlanCache(directories[0] if directories else "", False, context)

    def find(self, spec: EnvironmentSpec) -> FoundInterpreter:
        """Return the interpreter for a spec.

        :raises InterpreterNotFound: no interpreter matches.
        """
        pythons, because = self._requested_pythons(spec, UNRECORDED)
        return self._search(spec, pythons, because, self.registry.finders(spec.no_finders), UNRECORDED)

    def list_interpreters(self, spec: EnvironmentSpec, text: str | None) -> InterpreterListing:
        """Return all interpreters on the machine, and the one that is used for `text`, or by default for the spec.

        :raises UsageError: `text` is not a valid Python request.
        """
        from cloche.discovery import list_interpreters

        pythons, because = ((), "") if text else self._requested_pythons(spec, UNRECORDED)
        finders, first = self.registry.finders(spec.no_finders), spec.try_first_with
        listing = list_interpreters(text, self.host, finders, self.probes, first, otherwise=pythons, because=because)
        self.warn(listing.found.warnings if listing.found else ())
        return listing

    def _requested_pythons(self, spec: EnvironmentSpec, inputs: Inputs) -> tuple[tuple[str, ...], str]:
        """Return the Python requests to search for, and the project file that they come from; empty if the user made them."""
        if spec.pythons or spec.consult == "nothing":
            return spec.pythons, ""
        from cloche.discovery.project import find_project_request

        warnings: list[str] = []
        request = find_project_request(self.host, warnings, inputs)
        self.warn(warnings)
        return request

    def _search(
        self,
        spec: EnvironmentSpec,
        pythons: tuple[str, ...],
        because: str,
        finders: Iterable[Finder],
        inputs: Inputs,
    ) -> FoundInterpreter:
        """Return the first interpreter that one of the finders finds for these Python requests.

        :param because: the project file that they come from; empty if the user made them.
        :raises InterpreterNotFound: no interpreter matches.
        """
        from cloche.discovery import find_interpreter

        first, probes = spec.try_first_with, self.probes
        found = find_interpreter(
            pythons, self.host, finders, probes, try_first_with=first, because=because, inputs=inputs
        )
        self.found = found
        self.warn(found.warnings)
        return found

    def blueprint(
        self,
        spec: EnvironmentSpec,
        target: Target | None = None,
        *,
        reuse: Reuse = "decided",
        images: Check = "checked",
    ) -> Blueprint:
        """Return the blueprint for a spec, from the plan cache if its inputs are unchanged.

        :param target: where the environment is going to be; seeds that are already installed there need no images.
        :param reuse: whether a cached blueprint is also returned if a server chose some of its files.
        :param images: whether it is also returned if the store has lost some of its images.
        :raises ClocheError: any refusal.
        """
        from cloche.planning.plan_cache import consults_project

        entry = self._valid_entry(spec, reuse, images)
        if entry is None and consults_project(spec):
            entry = self._entry_of_other_directory(spec, reuse, images)
        if entry is None:
            return self.resolve(spec, target)
        blueprint, cached, _ = entry
        self._has_created_hooks = cached.has_created_hooks
        self.is_cached = True
        return blueprint

    def _valid_entry(self, spec: EnvironmentSpec, reuse: Reuse, images: Check) -> Entry | None:
        """Return the entry of the plan cache for a spec, and its blueprint if that is still valid."""
        from cloche.planning.plan_cache import are_intact

        found = self.plan_cache.find(spec, self.host)
        if found is None:
            return None
        cached, recorded = found
        if cached.blueprint.server_choices and reuse == "decided":
            return None
        if images == "checked" and not are_intact(cached.blueprint.all_images):
            return None
        blueprint = self._revalidate(spec, cached)
        return None if blueprint is None else (blueprint, cached, recorded)

    def _entry_of_other_directory(self, spec: EnvironmentSpec, reuse: Reuse, images: Check) -> Entry | None:
        """Return the entry of a project that requests the same Python, and store it for this directory, too."""
        inputs = Inputs()
        pythons, because = self._requested_pythons(spec, inputs)
        entry = self._valid_entry(replace(spec, pythons=pythons, consult="nothing"), reuse, images)
        if entry is None:
            return None
        blueprint, cached, recorded = entry
        if not self.warnings:  # those about the project are only known if its files are read
            stored = replace(cached, blueprint=replace(cached.blueprint, chosen_because=because))
            self.plan_cache.store(spec, self.host, stored, (*inputs.recorded, *recorded))
        return replace(blueprint, chosen_because=because), cached, recorded

    def resolve(self, spec: EnvironmentSpec, target: Target | None = None) -> Blueprint:
        """Resolve a spec, and store the blueprint in the plan cache if all of its inputs are known."""
        from cloche.planning.resolve import resolve

        self.is_cached = False
        project = Inputs()
        inputs = self.store.inputs = Inputs(self.host.cwd)
        pythons, because = self._requested_pythons(spec, project)
        found = self._search(spec, pythons, because, self.registry.finders(spec.no_finders), inputs)
        blueprint = resolve(
            spec, found.interpreter, because, self.registry, self._seed_store_for(target), inputs, self.runtime_image
        )
        self._has_created_hooks = self.registry.has_created_hooks
        will_repeat = set(self.warnings) <= set(found.warnings)  # the search runs every time and warns again
        reusable = all(image.root for image in blueprint.images)  # a run that installs them compiles the rest
        if will_repeat and reusable and not inputs.undeclared:
            self._store_plan(spec, pythons, blueprint, inputs, project)
        return blueprint

    def _store_plan(
        self, spec: EnvironmentSpec, pythons: tuple[str, ...], blueprint: Blueprint, inputs: Inputs, project: Inputs
    ) -> None:
        """Store a blueprint in the plan cache, with the inputs that it depends on.

        :param project: the files of the project that may request a Python.
        """
        from cloche.planning.plan_cache import CachedPlan, consults_project

        registry = self.registry
        inputs.update(self._plugin_inputs)
        for path in imported_files():
            inputs.path(path)
        if inputs.server_choices:  # the settings that name the server may contain relative paths
            inputs.current_directory()
        cached = CachedPlan(
            blueprint=blueprint,
            specs=pythons,
            finders=tuple((finder.name, finder.reference, str(finder.source)) for finder in registry.all("finder")),
            offers=registry.offers if registry.has_objects else None,
            has_created_hooks=registry.has_created_hooks,
        )
        if consults_project(spec):
            of_request = replace(cached, blueprint=replace(blueprint, chosen_because=""))
            request = replace(spec, pythons=pythons, consult="nothing")
            self.plan_cache.store(request, self.host, of_request, inputs.recorded)
            inputs.update(project)
        self.plan_cache.store(spec, self.host, cached, inputs.recorded)

    def _revalidate(self, spec: EnvironmentSpec, cached: CachedPlan) -> Blueprint | None:
        """Return the blueprint of a cached plan if plugins and the search still give the same results; otherwise None."""
        blueprint = cached.blueprint
        if cached.offers is not None:
            if self.registry.offers != cached.offers:
                return None
            from cloche.planning.resolve import choose_activators

            activators = choose_activators(spec, blueprint.interpreter, self.registry, UNRECORDED)
            blueprint = replace(blueprint, activators=activators)
        if cached.specs or spec.try_first_with:
            from cloche.errors import InterpreterNotFound

            try:
                found = self._search(spec, cached.specs, "", self._cached_finders(spec, cached), UNRECORDED)
            except InterpreterNotFound:
                return None  # resolving the spec reports it
            if found.interpreter != blueprint.interpreter:
                return None
        return blueprint

    def _cached_finders(self, spec: EnvironmentSpec, cached: CachedPlan) -> Iterable[Finder]:
        """Return the finders, without loading every plugin if no plugin offers objects."""
        if cached.offers is not None:
            return self.registry.finders(spec.no_finders)
        return [LazyFinder(*finder) for finder in cached.finders if finder[0] not in spec.no_finders]

    def images_for(
        self, wanted: Wanted, interpreter: Interpreter, rule: StartupRule = ("list", ())
    ) -> tuple[Image, ...]:
        """Return the images of seeds, for an environment that already exists.

        :param rule: what happens to those with startup code.
        :raises SeedError: a seed cannot be found, or the rule refuses it.
        """
        from cloche.planning.resolve import choose_images

        spec = EnvironmentSpec(wanted=wanted, startup_code=rule[0], startup_packages=rule[1])
        _, images = choose_images(spec, interpreter, self.registry, self.seed_store, UNRECORDED)
        return images

    def link_mode(self, requested: LinkMode, images: Iterable[Image] = ()) -> LinkMode:
        """Return the link mode to use: no hard links to a read-only store, no symbolic links to a temporary one."""
        if requested == "symlink" and not all(
            self.store.is_persistent_path(image.root) for image in images if image.root
        ):
            self.warn(["the seeds are copied: links would point to a cache that this run removes"])
            return "copy"
        if requested in ("auto", "hardlink") and self.store.access == "read-only":
            if requested == "hardlink":
                self.warn(["the seeds are copied: hard links would modify files in the read-only cache"])
            return "clone"
        return requested

    def notify_created(self, result: Result) -> None:
        """Call the hook `cloche_created`, and turn its failures into warnings."""
        if self._has_created_hooks:
            for warning, error in self.registry.notify_created(result):
                self.warn([warning])
                self.plugin_errors.append(error)

    def notify_moved(self, environment: Environment, old: str) -> None:
        """Call the hook `cloche_moved`, and turn its failures into warnings."""
        for warning, error in self.registry.notify_moved(environment, old):
            self.warn([warning])
            self.plugin_errors.append(error)


def imported_files() -> Iterator[str]:
    """Yield the files of all imported modules that are not in the standard library: of cloche, plugins and their imports."""
    standard = os.path.dirname(os.__file__) + os.sep
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and (not path.startswith(standard) or "site-packages" in path):
            yield path
