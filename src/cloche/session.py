"""One run of cloche from a request to a result: what the Python interface and the command line share."""

from __future__ import annotations

import sys

from cloche.apply.driver import carry_out
from cloche.apply.file_list import DamagedImage
from cloche.errors import ClocheError
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.plan_at import place
from cloche.store.check import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloche.discovery import Found, Survey
    from cloche.discovery.cache import ProbeCache
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Host
    from cloche.model.operations import LinkMode
    from cloche.model.plan import Blueprint, ChosenComponent, Plan, Result
    from cloche.model.request import Request
    from cloche.planning.plan_cache import CachedPlan, PlanCache
    from cloche.plugins.guard import Listener
    from cloche.plugins.hookspecs import Finder
    from cloche.plugins.registry import Registry
    from cloche.store import Access, Store
    from cloche.store.seeds import SeedStore


class Session:
    """What a run knows of the world: host, store and plugins, each looked up when it is first needed; a context."""

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
        self._listeners: tuple[Listener, ...] = ()
        self.activators: tuple[ChosenComponent, ...] = ()
        """Those that wrote scripts into the environment that was created, or tried to."""
        self.warnings: list[str] = []
        self.progress: Callable[[str], object] = str
        """Is told what takes long while it is done (`downloading pip`), for people who wait."""
        self.found: Found | None = None
        """What the search found; None for the running Python where it was known without one."""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()

    def warn(self, texts: Iterable[str]) -> None:
        """Have something told at the end, once, however often it was met."""
        self.warnings += (text for text in texts if text not in self.warnings)

    @property
    def store(self) -> Store:
        """:raises ClocheError: the cache directory that was asked for cannot be used."""
        if self._store is None:
            from cloche.store import Store

            self._store = Store.open(self.host, self._cache, self._access)
            self.warnings += self._store.warnings
            self._store.warnings = self.warnings  # what it has to say later is said with the rest
            self._store.progress = self.progress
        return self._store

    @property
    def seed_store(self) -> SeedStore:
        """The store as seeders see it."""
        from cloche.store.seeds import SeedStore

        return SeedStore(self.store)

    @property
    def probes(self) -> ProbeCache:
        """What interpreters answered before."""
        from cloche.discovery.cache import ProbeCache

        if self.store.lasts:
            cache = ProbeCache(self.store.room("interpreters"))
        else:
            places = self.store.places("interpreters")
            cache = ProbeCache(places[0] if places else None, writable=False)
        cache.progress = self.progress
        return cache

    @property
    def registry(self) -> Registry:
        """:raises PluginError: two plugins are in conflict."""
        if self._registry is None:
            from cloche.plugins.registry import load

            self._registry = load(sys.path, self._blocklist, self._replacements)
            self.warnings += self._registry.complaints()
        return self._registry

    def survey(self) -> Registry:
        """Return everything about plugins, those in conflict with each other too."""
        from cloche.plugins.registry import survey

        return survey(sys.path, self._blocklist, self._replacements)

    @property
    def memory(self) -> PlanCache:
        """Blueprints of earlier runs."""
        from cloche.planning.plan_cache import PlanCache

        context = (self.store.root, *sorted(self._blocklist), repr(self._replacements))
        if self.store.lasts:
            return PlanCache(self.store.room("plans"), True, context)
        places = self.store.places("plans")
        return PlanCache(places[0] if places else "", False, context)

    def find(self, request: Request) -> Found:
        """Return the interpreter for a request; `because` says what decided on it if the user did not.

        :raises InterpreterNotFound: there is none.
        """
        specs, because = self._asked(request)
        return self._search(request, specs, because, self.registry.finders())

    def pythons(self, request: Request, spec: str | None) -> Survey:
        """Look at every interpreter there is, and at which is taken for a spec, or for the request if there is none.

        :raises UsageError: what is asked for makes no sense.
        """
        from cloche.discovery import survey

        specs, because = ((), "") if spec else self._asked(request)
        finders, first = self.registry.finders(), request.try_first_with
        looked = survey(spec, self.host, finders, self.probes, first, otherwise=specs, because=because)
        self.warn(looked.found.warnings if looked.found else ())
        return looked

    def _asked(self, request: Request) -> tuple[tuple[str, ...], str]:
        """Return which Pythons to look for, and which file says so if the user did not."""
        if request.pythons or request.consult == "nothing":
            return request.pythons, ""
        from cloche.discovery.project import asked_by_project

        passed_over: list[str] = []
        asked = asked_by_project(self.host, passed_over)
        self.warn(passed_over)
        return asked

    def _search(self, request: Request, specs: tuple[str, ...], because: str, finders: Iterable[Finder]) -> Found:
        from cloche.discovery import find

        first = request.try_first_with
        self.found = find(specs, self.host, finders, self.probes, try_first_with=first, because=because)
        self.warn(self.found.warnings)
        return replace(self.found, because=because)

    def blueprint(self, request: Request) -> Blueprint:
        """Return the blueprint for a request, from memory if the same Python is found and nothing else has changed.

        :raises ClocheError: any refusal.
        """
        memory = self.memory
        if (remembered := memory.recall(request, self.host)) and (blueprint := self._still_so(request, remembered)):
            self._listeners = remembered.listeners
            return blueprint
        return self._decide(request, memory)

    def _decide(self, request: Request, memory: PlanCache) -> Blueprint:
        from cloche.planning.resolve import draw

        specs, because = self._asked(request)
        found = self._search(request, specs, because, self.registry.finders())
        blueprint = draw(request, found.interpreter, because, self.registry, self.seed_store)
        self._listeners = self.registry.listeners
        if set(self.warnings) <= set(found.warnings):  # what the search has to say it says every time
            self._remember(request, memory, blueprint, specs)
        return blueprint

    def _remember(self, request: Request, memory: PlanCache, blueprint: Blueprint, specs: tuple[str, ...]) -> None:
        """Keep what was decided, and in the place of objects whom to ask for them."""
        from cloche.planning.plan_cache import CachedPlan, witnesses

        chosen = {one.name: one for one in blueprint.activators}
        activators = [
            *(self.registry.all("activator") if request.activators is None else ()),
            *(self.registry.find("activator", name) for name in chosen),
        ]
        finders = self.registry.all("finder")
        needed = [*activators, *(finders if specs or request.try_first_with else ())]
        if blueprint.notes:  # what was left out may be mended where it stands, which no witness sees
            return
        named = (replace(one, item=one.item if isinstance(one.item, str) else None) for one in chosen.values())
        decided = CachedPlan(
            replace(blueprint, activators=tuple(named)),
            specs,
            tuple((one.name, one.reference) for one in finders),
            self.registry.listeners,
            self.registry.givers(one.source for one in needed if not one.reference),
            {one.name: one.name not in chosen for one in activators if not one.reference},
        )
        packages = [report.source.implementation.partition(".")[0] for report in self.registry.reports]
        packages = [package.partition(":")[0] for package in packages]
        seen = [*witnesses(request, blueprint, self.host, packages), *self.store.places("wheels")]
        memory.remember(request, self.host, decided, seen)

    def _still_so(self, request: Request, remembered: CachedPlan) -> Blueprint | None:
        """Return what was remembered, with the objects that plugins give, if all that is asked each time is as it was."""
        blueprint, objects = remembered.blueprint, {}
        if remembered.givers:
            from cloche.plugins.shortcut import ask_again

            given = ask_again(remembered.givers, remembered.refused, blueprint.interpreter)
            if given is None:
                return None
            objects = given
        if not self._still_found(request, remembered, objects):
            return None
        if not remembered.refused:
            return blueprint
        activators = (replace(one, item=one.item or objects["activator", one.name]) for one in blueprint.activators)
        return replace(blueprint, activators=tuple(activators))

    def _still_found(self, request: Request, remembered: CachedPlan, objects: Mapping[tuple[str, str], Finder]) -> bool:
        """Return whether the search for what was remembered would find the same again; it costs little when it does."""
        if not remembered.specs and not request.try_first_with:
            return True  # the running Python, which is a witness
        from cloche.errors import InterpreterNotFound
        from cloche.plugins.guard import resolve

        finders = (
            resolve(reference) if reference else objects["finder", name] for name, reference in remembered.finders
        )
        try:
            found = self._search(request, remembered.specs, "", finders)
        except InterpreterNotFound:
            return False
        return found.interpreter == remembered.blueprint.interpreter

    def plan(self, request: Request) -> Plan:
        """Decide everything, write nothing at or near the destination.

        :raises ClocheError: any refusal.
        """
        return place(self.blueprint(request), request, self.host)

    def link_mode(self, asked: LinkMode, images: Iterable[Image] = ()) -> LinkMode:
        """Return how seeds are laid down: a store that is not to be written to must not be linked to either."""
        if asked == "symlink" and not all(self.store.keeps(image.root) for image in images):
            self.warnings.append("the seeds were copied: links would point into a cache that this run removes")
            return "copy"
        if asked in ("auto", "hardlink") and self.store.access == "read-only":
            if asked == "hardlink":
                self.warnings.append("the seeds were copied: a link to a file in the read-only cache would change it")
            return "clone"
        return asked

    def create(self, request: Request) -> Result:
        """Make an environment.

        :raises ClocheError: any refusal or failure; the destination is then as it was.
        """
        blueprint = self.blueprint(request)
        request = replace(request, link_mode=self.link_mode(request.link_mode, blueprint.images))
        try:
            result = carry_out(lambda: place(blueprint, request, self.host), request.destination)
        except (ClocheError, OSError) as error:
            if not isinstance(error, DamagedImage) and not any(map(check, blueprint.images)):
                raise
            blueprint = self._decide(request, self.memory)  # an image was harmed, or gave way to another meanwhile
            result = carry_out(lambda: place(blueprint, request, self.host), request.destination)
        self.activators = blueprint.activators
        self.store.note_laid(result.plan.images)
        self.warn(self._tell(result))
        return replace(result, warnings=tuple(self.warnings))

    def _tell(self, result: Result) -> list[str]:
        """Tell plugins that an environment is in place; return what went wrong, a line each."""
        if not self._listeners:
            return []
        if self._registry is None:
            from cloche.plugins.shortcut import tell

            if (told := tell(self._listeners, result)) is not None:
                return told
        return self.registry.created(result)
