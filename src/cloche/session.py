"""The state of one run: the host, the store, the plugins, the caches, and what the run has to report.

`cloche.lifecycle` works with it: `cached_blueprints` and `resolving` read and write the plan cache that it opens.
"""

from __future__ import annotations

import os
import sys

from cloche.model.interpreter import Host
from cloche.model.value import TYPE_CHECKING
from cloche.plugins import observe, take_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloche.discovery.cache import ProbeCache
    from cloche.model.aliases import Access, LinkMode, ReportProgress
    from cloche.model.environment import Environment
    from cloche.model.plan import Result
    from cloche.planning.plan_cache import PlanCache
    from cloche.plugins import Observed
    from cloche.plugins.registry import Registry
    from cloche.store import Store


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

            self._registry = load_plugins(sys.path, self._blocklist, self._replacements)
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

    def link_mode(self, requested: LinkMode, sources: Iterable[str]) -> LinkMode:
        """Return the link mode to use: no hard links to a read-only store, no symbolic links to a temporary one.

        :param sources: the directories whose files are installed.
        """
        if requested == "symlink" and not all(map(self.store.is_persistent_path, sources)):
            self.warn(["the seeds are copied: links would point to a cache that this run removes"])
            return "copy"
        if requested in ("auto", "hardlink") and self.store.access == "read-only":
            if requested == "hardlink":
                self.warn(["the seeds are copied: hard links would modify files in the read-only cache"])
            return "clone"
        return requested

    def notify_created(self, result: Result) -> None:
        """Call the hook `cloche_created`, and turn its failures into warnings."""
        for warning, error in self.registry.notify_created(result):
            self.warn([warning])
            self.plugin_errors.append(error)

    def notify_moved(self, environment: Environment, old: str) -> None:
        """Call the hook `cloche_moved`, and turn its failures into warnings."""
        for warning, error in self.registry.notify_moved(environment, old):
            self.warn([warning])
            self.plugin_errors.append(error)
