"""One run of cloche from a request to a result: what the Python interface and the command line share."""

from __future__ import annotations

import os
import sys
from time import perf_counter

from cloche.apply import DestinationChanged, apply
from cloche.apply.file_list import DamagedImage
from cloche.apply.staging import recover_destination
from cloche.errors import ClocheError, DestinationError
from cloche.fs.inputs import UNRECORDED, Inputs
from cloche.fs.locks import DirectoryLock
from cloche.model.plan import Result
from cloche.model.request import EnvironmentSpec
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.plan_at import plan_at
from cloche.plugins.guard import load_object
from cloche.store.check import check_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cloche.discovery import FoundInterpreter, InterpreterListing
    from cloche.discovery.cache import ProbeCache
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.operations import LinkMode
    from cloche.model.plan import Blueprint, ChosenComponent, Plan
    from cloche.model.request import Request, Target, Wanted
    from cloche.planning.plan_cache import CachedPlan, PlanCache
    from cloche.plugins.hookspecs import Finder
    from cloche.plugins.registry import Registry
    from cloche.store import Access, Store
    from cloche.store.seeds import SeedStore


class Session:
    """The state of one run: host, store and plugins, each looked up when it is first needed. A context manager."""

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
        self._listens = False
        self.activators: tuple[ChosenComponent, ...] = ()
        """The activators that were asked for the scripts of the environment that was created."""
        self.warnings: list[str] = []
        self.plugin_errors: list[BaseException] = []
        """What plugins failed with, where that is only a warning."""
        self.progress: Callable[[str], object] = str
        """Called with what is being done (`downloading pip`) when that may take seconds."""
        self.found: FoundInterpreter | None = None
        """What the search found; None for the running Python where it was known without one."""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()

    def warn(self, texts: Iterable[str]) -> None:
        """Add warnings, each once; they are shown at the end of the run."""
        self.warnings += (text for text in texts if text not in self.warnings)

    @property
    def store(self) -> Store:
        """:raises ClocheError: the cache directory that was asked for cannot be used."""
        if self._store is None:
            from cloche.store import Store

            self._store = Store.open(self.host, self._cache, self._access)
            self.warnings += self._store.warnings
            self._store.warnings = self.warnings  # later warnings of the store are shown with the others
            self._store.progress = self.progress
        return self._store

    @property
    def seed_store(self) -> SeedStore:
        """The store as seeders see it."""
        from cloche.store.seeds import SeedStore

        return SeedStore(self.store)

    @property
    def probes(self) -> ProbeCache:
        """What interpreters answered on earlier runs."""
        from cloche.discovery.cache import ProbeCache

        if self.store.is_persistent:
            cache = ProbeCache(self.store.writable_directory("interpreters"), environ=self.host.environ)
        else:
            places = self.store.readable_directories("interpreters")
            cache = ProbeCache(places[0] if places else None, writable=False, environ=self.host.environ)
        cache.progress = self.progress
        return cache

    @property
    def registry(self) -> Registry:
        """Everything that plugins offer; loading it imports every plugin."""
        if self._registry is None:
            from cloche.plugins.registry import load_plugins

            self._registry = load_plugins(sys.path, self._blocklist, self._replacements, self._plugin_inputs)
            self.warn(self._registry.warnings)
        return self._registry

    @property
    def plan_cache(self) -> PlanCache:
        """Blueprints of earlier runs."""
        from cloche.planning.plan_cache import PlanCache

        context = (self.store.root, *sorted(self._blocklist), repr(self._replacements))
        if self.store.is_persistent:
            return PlanCache(self.store.writable_directory("plans"), True, context)
        places = self.store.readable_directories("plans")
        return PlanCache(places[0] if places else "", False, context)

    def find(self, spec: EnvironmentSpec) -> FoundInterpreter:
        """Return the interpreter for a spec; `because` says what chose it if the user did not.

        :raises InterpreterNotFound: there is none.
        """
        pythons, because = self._asked(spec, UNRECORDED)
        return self._search(spec, pythons, because, self.registry.finders(), UNRECORDED)

    def pythons(self, spec: EnvironmentSpec, text: str | None) -> InterpreterListing:
        """Look at every interpreter on the machine, and at which one is used for `text`, or for the spec without it.

        :raises UsageError: `text` is not a request for a Python.
        """
        from cloche.discovery import list_interpreters

        pythons, because = ((), "") if text else self._asked(spec, UNRECORDED)
        finders, first = self.registry.finders(), spec.try_first_with
        looked = list_interpreters(text, self.host, finders, self.probes, first, otherwise=pythons, because=because)
        self.warn(looked.found.warnings if looked.found else ())
        return looked

    def _asked(self, spec: EnvironmentSpec, inputs: Inputs) -> tuple[tuple[str, ...], str]:
        """Return which Pythons to search for, and which file says so if the user did not."""
        if spec.pythons or spec.consult == "nothing":
            return spec.pythons, ""
        from cloche.discovery.project import find_project_request

        warnings: list[str] = []
        asked = find_project_request(self.host, warnings, inputs)
        self.warn(warnings)
        return asked

    def _search(
        self,
        spec: EnvironmentSpec,
        pythons: tuple[str, ...],
        because: str,
        finders: Iterable[Finder],
        inputs: Inputs,
    ) -> FoundInterpreter:
        from cloche.discovery import find_interpreter

        first, probes = spec.try_first_with, self.probes
        found = find_interpreter(
            pythons, self.host, finders, probes, try_first_with=first, because=because, inputs=inputs
        )
        self.found = found
        self.warn(found.warnings)
        return replace(found, because=because)

    def blueprint(self, spec: EnvironmentSpec) -> Blueprint:
        """Return the blueprint for a spec: from the plan cache if everything that decided it is unchanged.

        :raises ClocheError: any refusal.
        """
        cached = self.plan_cache.find(spec, self.host)
        if cached is not None and (blueprint := self._still_valid(spec, cached)):
            self._listens = cached.listens
            return blueprint
        return self._resolve(spec)

    def _resolve(self, spec: EnvironmentSpec) -> Blueprint:
        """Resolve a spec, and store the blueprint in the plan cache if all of its inputs are known."""
        from cloche.planning.resolve import resolve

        inputs = self.store.inputs = Inputs()
        pythons, because = self._asked(spec, inputs)
        found = self._search(spec, pythons, because, self.registry.finders(), inputs)
        blueprint = resolve(spec, found.interpreter, because, self.registry, self.seed_store, inputs)
        self._listens = self.registry.listens
        repeated = set(self.warnings) <= set(found.warnings)  # the search, which runs every time, warns again
        compiled = all(image.bytecode == "complete" for image in blueprint.images)  # else the next run gets better ones
        if repeated and compiled and not inputs.undeclared:
            self._store_plan(spec, pythons, blueprint, inputs)
        return blueprint

    def _store_plan(
        self, spec: EnvironmentSpec, pythons: tuple[str, ...], blueprint: Blueprint, inputs: Inputs
    ) -> None:
        from cloche.planning.plan_cache import CachedPlan

        registry = self.registry
        inputs.update(self._plugin_inputs)
        for path in module_files():
            inputs.path(path)
        cached = CachedPlan(
            blueprint=blueprint,
            specs=pythons,
            finders=tuple((one.name, one.reference) for one in registry.all("finder")),
            offers=registry.offers if registry.has_objects else None,
            listens=registry.listens,
        )
        self.plan_cache.store(spec, self.host, cached, inputs.recorded)

    def _still_valid(self, spec: EnvironmentSpec, cached: CachedPlan) -> Blueprint | None:
        """Return the blueprint of a cached plan if what is asked on every run still gives the same; else None."""
        blueprint = cached.blueprint
        if cached.offers is not None:
            if self.registry.offers != cached.offers:
                return None
            from cloche.planning.resolve import choose_activators

            blueprint = replace(blueprint, activators=choose_activators(spec, self.registry))
        if cached.specs or spec.try_first_with:
            from cloche.errors import InterpreterNotFound

            try:
                found = self._search(spec, cached.specs, "", self._cached_finders(cached), UNRECORDED)
            except InterpreterNotFound:
                return None  # resolving reports it
            if found.interpreter != blueprint.interpreter:
                return None
        return blueprint

    def _cached_finders(self, cached: CachedPlan) -> Iterable[Finder]:
        """Return the finders; an ordinary run finds them without loading every plugin."""
        if cached.offers is not None:
            return self.registry.finders()
        return (load_object(reference) for _, reference in cached.finders)

    def plan(self, request: Request) -> Plan:
        """Decide everything, and write nothing at or near the destination.

        :raises ClocheError: any refusal.
        """
        return plan_at(self.blueprint(request.spec), request.target, self.host)

    def images_for(self, wanted: Wanted, interpreter: Interpreter) -> tuple[Image, ...]:
        """Return the images of what is wanted, for an environment that exists already.

        :raises SeedError: one cannot be found.
        """
        from cloche.planning.resolve import choose_images

        _, images = choose_images(
            EnvironmentSpec(wanted=wanted), interpreter, self.registry, self.seed_store, UNRECORDED
        )
        return images

    def link_mode(self, asked: LinkMode, images: Iterable[Image] = ()) -> LinkMode:
        """Return how to bring in the files of images: nothing may link into a store that is read-only or temporary."""
        if asked == "symlink" and not all(self.store.is_persistent_path(image.root) for image in images):
            self.warnings.append("the seeds were copied: links would point into a cache that this run removes")
            return "copy"
        if asked in ("auto", "hardlink") and self.store.access == "read-only":
            if asked == "hardlink":
                self.warnings.append("the seeds were copied: a link to a file in the read-only cache would change it")
            return "clone"
        return asked

    def create(self, request: Request) -> Result:
        """Create an environment.

        :raises ClocheError: any refusal or failure; the destination is as it was.
        """
        started = perf_counter()
        blueprint = self.blueprint(request.spec)
        target = replace(request.target, link_mode=self.link_mode(request.target.link_mode, blueprint.images))
        try:
            plan = self._plan_and_apply(blueprint, target)
        except (ClocheError, OSError) as error:
            if not isinstance(error, DamagedImage) and not any(map(check_image, blueprint.images)):
                raise
            blueprint = self._resolve(request.spec)  # an image was damaged or replaced meanwhile
            plan = self._plan_and_apply(blueprint, target)
        self.activators = blueprint.activators
        result = Result(environment=plan.environment, plan=plan, seconds=perf_counter() - started)
        self.store.mark_installed(plan.images)
        self._tell_created(result)
        return replace(result, warnings=tuple(self.warnings))

    def _plan_and_apply(self, blueprint: Blueprint, target: Target) -> Plan:
        """Plan for the destination and apply the plan. If the destination changes meanwhile, lock it and do both again."""
        try:
            plan = plan_at(blueprint, target, self.host)
        except DestinationError:
            if not recover_destination(os.path.realpath(target.destination)):
                raise
            plan = plan_at(blueprint, target, self.host)  # the refusal was about what a killed run had left half done
        if plan.strategy == "new":
            try:
                apply(plan.operations, plan.target, plan.strategy, link_mode=plan.link_mode)
            except DestinationChanged:
                pass  # another run was faster
            else:
                return plan
        with DirectoryLock(plan.target):
            recover_destination(plan.target)
            plan = plan_at(blueprint, target, self.host)
            try:
                apply(plan.operations, plan.target, plan.strategy, link_mode=plan.link_mode)
            except DestinationChanged:
                raise ClocheError(
                    f"`{plan.environment.location}` keeps changing while the environment is created",
                    hint="find out which other program writes there, and try again",
                ) from None
        return plan

    def _tell_created(self, result: Result) -> None:
        """Tell plugins that an environment is in place; a failure of theirs is a warning."""
        if self._listens:
            for warning, error in self.registry.tell_created(result):
                self.warn([warning])
                self.plugin_errors.append(error)


def module_files() -> Iterator[str]:
    """Yield the files of all imported modules that are not part of Python: cloche, plugins, and what these import."""
    standard = os.path.dirname(os.__file__) + os.sep
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and (not path.startswith(standard) or "site-packages" in path):
            yield path
