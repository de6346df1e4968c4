"""Hook calls through pluggy: one call per hook, with pluggy's ordering and wrappers across plugins.

Each implementation of a hook is wrapped by a guard. If it fails, the failure is recorded, its result is left out, and the
call continues with the other plugins. This is the only module that uses pluggy.
"""

from __future__ import annotations

from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING

import pluggy

from cloche.plugins import hookspecs, load_object, record_duration
from cloche.plugins.similar_names import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from typing import Any

    from cloche.plugins import Source

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("cloche_"))

NOTIFICATION_HOOKS = ("cloche_created", "cloche_moved")
"""The hooks whose implementations return nothing."""

MAX_ITEMS = 1000
"""The maximum number of components that one hook may return, so that an endless generator does not hang every run."""


class Hooks:
    """The hooks of some plugins."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._sources: dict[int, list[Source]] = {}
        """The entry points of each plugin, in order of precedence, by the `id` of the plugin."""
        self._owners: dict[int, tuple[object, Source]] = {}
        """Each component that a hook returned, with its plugin, by the `id` of the component."""
        self.failures: dict[Source, BaseException] = {}
        """The first failure of each plugin in `call`."""
        self.seconds: dict[Source, float] = {}
        """How long the import and the hooks of each plugin took."""

    def register(self, source: Source) -> tuple[str, ...]:
        """Import and register a plugin; return the names of the hooks that it implements, sorted.

        Register plugins in reverse order, because pluggy first calls the one that was registered last. A plugin with several
        entry points is registered once, and belongs to the first of them.

        :raises Exception: whatever its import raises.
        :raises TypeError: it implements a hook that does not exist, or uses an argument that the hook does not have.
        :raises ImportError: it was written for another version of the plugin interface.
        """
        started = perf_counter()
        try:
            plugin = load_object(source.implementation)
        finally:
            self._record(started, "the import", source)
        version = getattr(plugin, "cloche_api_version", 1)
        if version != hookspecs.API_VERSION:
            expected = hookspecs.API_VERSION
            raise ImportError(f"it needs version {version!r} of the plugin interface, but this is version {expected}")
        sources = self._sources.setdefault(id(plugin), [])
        sources.insert(0, source)
        if not self._manager.is_registered(plugin):
            try:
                self._manager.register(plugin, name=str(source))
                self._refuse_unknown_hooks(plugin)
            except BaseException as error:
                if self._manager.has_plugin(str(source)):
                    self._manager.unregister(name=str(source))
                if isinstance(error, pluggy.PluginValidationError):
                    problem = unknown_argument(plugin) or str(error.args[-1]).strip().splitlines()[-1]
                    raise TypeError(problem) from error
                raise
            for caller in self._manager.get_hookcallers(plugin) or ():
                for implementation in caller.get_hookimpls():
                    if implementation.plugin is plugin:
                        self._guard(implementation, caller.name, sources)
        return tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))

    def _record(self, started: float, what: str, source: Source) -> None:
        """Record how long a call into a plugin took; see `record_duration`."""
        self.seconds[source] = self.seconds.get(source, 0.0) + perf_counter() - started
        record_duration(started, what, source)

    def _refuse_unknown_hooks(self, plugin: object) -> None:
        """Refuse a plugin with a hook that does not exist, or one that would not be called.

        :raises TypeError: the plugin implements such a hook, without pluggy's option `optionalhook`, or has a function with
            the name of a hook and without the decorator.
        """
        for hook in HOOKS:
            function = getattr(plugin, hook, None)
            if callable(function) and not hasattr(function, f"{hookspecs.PROJECT}_impl"):
                raise TypeError(f"`{hook}` is not marked with `@cloche.hookimpl`")
        for caller in self._manager.get_hookcallers(plugin) or ():
            if caller.has_spec() or all(implementation.optionalhook for implementation in caller.get_hookimpls()):
                continue
            raise TypeError(f"unknown hook `{caller.name}`{suggestion(caller.name, HOOKS)}")

    def call(self, hook: str, **arguments: object) -> list[Any]:
        """Call a hook and return the results of all plugins, in pluggy's order; failures are added to `failures`."""
        results: list[Any] = getattr(self._manager.hook, hook)(**arguments)
        return results

    def entry_points(self, source: Source) -> list[Source]:
        """Return all entry points of the plugin that this one refers to."""
        return next((sources for sources in self._sources.values() if source in sources), [source])

    def collect(self, hook: str) -> list[tuple[object, Source]]:
        """Call a hook that returns components; return each component once, with its plugin."""
        seen: set[int] = set()
        found: list[tuple[object, Source]] = []
        for result in self.call(hook):
            for item in result:
                if id(item) not in seen:
                    seen.add(id(item))
                    found.append(self._owners[id(item)])
        return found

    def implements(self, hook: str) -> bool:
        """Return whether any plugin implements a hook."""
        return bool(getattr(self._manager.hook, hook).get_hookimpls())

    def _guard(self, implementation: pluggy.HookImpl, hook: str, sources: list[Source]) -> None:
        """Wrap one implementation of a hook in a guard, which records failures."""
        function: Callable[..., Any] = implementation.function

        def guarded(*positional: object, **named: object) -> list[object] | None:
            started = perf_counter()
            try:
                result = function(*positional, **named)
                return None if result is None or hook in NOTIFICATION_HOOKS else self._claim(result, hook, sources[0])
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.failures.setdefault(sources[0], error)
                return None
            finally:
                self._record(started, f"`{hook}`", sources[0])

        def guarded_wrapper(*positional: object, **named: object) -> Generator[None, Any, object]:
            generator: Generator[None, object, object] | None = None
            try:
                generator = function(*positional, **named)
                next(generator)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.failures.setdefault(sources[0], error)
                generator = None
            result = yield
            if generator is None:
                return result
            before = result.get_result() if implementation.hookwrapper else result
            try:
                after = finish_wrapper(generator, result)
                if implementation.hookwrapper:
                    after = result.get_result()
                return after if hook in NOTIFICATION_HOOKS else self._claim_all(after, hook, sources[0])
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.failures.setdefault(sources[0], error)
            if implementation.hookwrapper:
                result.force_result(before)
            return before

        wraps = implementation.wrapper or implementation.hookwrapper
        setattr(implementation, "function", guarded_wrapper if wraps else guarded)

    def _claim(self, result: object, hook: str, source: Source) -> list[object]:
        """Return the components that a hook returned as a list, and record the plugin that they come from.

        :raises TypeError: the result is not iterable, or has too many items.
        """
        if isinstance(result, (str, bytes)) or not hasattr(result, "__iter__"):
            kind = hook.removeprefix("cloche_")
            raise TypeError(f"`{hook}` returned {result!r}: expected a list of {kind}")
        items = list(islice(result, MAX_ITEMS + 1))
        if len(items) > MAX_ITEMS:
            raise TypeError(f"`{hook}` returned more than {MAX_ITEMS} items")
        for item in items:
            self._owners.setdefault(id(item), (item, source))
        return items

    def _claim_all(self, results: object, hook: str, source: Source) -> list[list[object]]:
        """Return the results of all plugins as a hook wrapper returned them.

        :raises TypeError: they are not a list of lists.
        """
        if not isinstance(results, list):
            raise TypeError(f"the wrapper of `{hook}` returned {results!r}: expected the list of results")
        return [self._claim(result, hook, source) for result in results]


def unknown_argument(plugin: object) -> str:
    """Return what is wrong with the arguments of a plugin's hooks; empty if nothing is."""
    from inspect import signature

    for name in dir(plugin):
        function = getattr(plugin, name, None)
        options = getattr(function, f"{hookspecs.PROJECT}_impl", None)
        if not isinstance(options, dict) or not callable(function):
            continue
        hook = options.get("specname") or name
        known = signature(getattr(hookspecs, hook)).parameters if hook in HOOKS else {}
        for parameter in signature(function).parameters.values() if hook in HOOKS else ():
            if parameter.name not in known and parameter.default is parameter.empty:
                arguments = ", ".join(f"`{argument}`" for argument in known)
                others = f"; its arguments are {arguments}" if known else "; it has none"
                similar = suggestion(parameter.name, known) or others
                return f"`{hook}` has no argument `{parameter.name}`{similar}"
    return ""


def finish_wrapper(generator: Generator[None, object, object], result: object) -> object:
    """Send the result of a call to a hook wrapper after its `yield`; return what the wrapper returns.

    :raises RuntimeError: the wrapper has more than one `yield`.
    """
    try:
        generator.send(result)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a hook wrapper has more than one `yield`")


def register_all(hooks: Hooks, sources: Iterable[Source]) -> dict[Source, tuple[str, ...] | BaseException]:
    """Register plugins so that the first of `sources` is called first.

    Return the hooks that each plugin implements, or the exception that it failed with.
    """
    outcomes: dict[Source, tuple[str, ...] | BaseException] = {}
    for source in reversed([*sources]):
        try:
            outcomes[source] = hooks.register(source)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            outcomes[source] = error
    return outcomes
