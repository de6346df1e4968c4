"""One run of cloche from a request to a result: what the Python interface and the command line share."""

from __future__ import annotations

import sys

from cloche.driver import carry_out
from cloche.planning import draw, place
from cloche.value import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.discovery.cache import ProbeCache
    from cloche.model import Blueprint, Host, Interpreter, Plan, Request, Result
    from cloche.plugins import Registry
    from cloche.store import Access, Store


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
        self.warnings: list[str] = []

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()

    @property
    def store(self) -> Store:
        """:raises ClocheError: the cache directory that was asked for cannot be used."""
        if self._store is None:
            from cloche.store import Store

            self._store = Store.open(self.host, self._cache, self._access)
            self.warnings += self._store.warnings
        return self._store

    @property
    def probes(self) -> ProbeCache:
        """What interpreters answered before."""
        from cloche.discovery.cache import ProbeCache

        if self.store.lasts:
            return ProbeCache(self.store.room("interpreters"))
        places = self.store.places("interpreters")
        return ProbeCache(places[0] if places else None, writable=False)

    @property
    def registry(self) -> Registry:
        """:raises PluginError: two plugins are in conflict."""
        if self._registry is None:
            from cloche.plugins import load

            self._registry = load(sys.path, self._blocklist, self._replacements)
            self.warnings += [
                f"plugin {report.source} was skipped: {report.reason}"
                for report in self._registry.reports
                if report.status == "failed"
            ]
        return self._registry

    def interpreter(self, request: Request) -> tuple[Interpreter, str]:
        """Return the interpreter for a request, and what decided on it if the user did not.

        :raises InterpreterNotFound: there is none.
        """
        from cloche.discovery import find
        from cloche.discovery.project import asked_by_project

        specs, because = request.pythons, ""
        if not specs and request.consult == "project":
            specs, because = asked_by_project(self.host)
        found = find(
            specs, self.host, self.registry.finders(), self.probes, try_first_with=request.try_first_with
        )
        return found.interpreter, because

    def blueprint(self, request: Request) -> Blueprint:
        interpreter, because = self.interpreter(request)
        return draw(request, interpreter, because, self.registry, self.store)

    def plan(self, request: Request) -> Plan:
        """Decide everything, write nothing at or near the destination.

        :raises ClocheError: any refusal.
        """
        return place(self.blueprint(request), request, self.host)

    def create(self, request: Request) -> Result:
        """Make an environment.

        :raises ClocheError: any refusal or failure; the destination is then as it was.
        """
        blueprint = self.blueprint(request)
        result = carry_out(lambda: place(blueprint, request, self.host))
        return replace(result, warnings=(*self.warnings, *self.registry.created(result)))
