"""Calls hooks through pluggy, as its users know it: one call per hook, with ordering and wrappers across plugins.

Around each implementation stands a guard. A plugin that fails is noted, and its answer left out; the call goes on with
the others. Nothing but this module uses pluggy.
"""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

import pluggy

from cloche.plugins import hookspecs
from cloche.plugins.guard import load_object

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from typing import Any

    from cloche.plugins.guard import Source

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("cloche_"))

NOTIFICATION_HOOK = "cloche_created"
"""The one hook whose implementations return nothing."""

MAX_ITEMS = 1000
"""Components that one plugin may offer of a kind. A generator without an end must not hang every run."""


class Hooks:
    """The hooks of some plugins."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._sources: dict[int, list[Source]] = {}
        """By the identity of a plugin, the entry points that lead to it, the first of them first."""
        self._owners: dict[int, tuple[object, Source]] = {}
        self.failures: dict[Source, BaseException] = {}
        """The first failure of each plugin that failed in `call`."""

    def register(self, source: Source) -> tuple[str, ...]:
        """Import a plugin and register it; return the names of the hooks that it implements, sorted.

        Register the last plugin first: pluggy calls the one that was registered last first. A plugin that a later entry
        point leads to as well is registered once, and belongs to the first.

        :raises Exception: whatever its import raises.
        :raises TypeError: it implements a hook that does not exist, or with arguments that the hook does not have.
        :raises ImportError: it is written for another version of the plugin interface.
        """
        plugin = load_object(source.implementation)
        version = getattr(plugin, "cloche_api_version", 1)
        if version != hookspecs.API_VERSION:
            expected = hookspecs.API_VERSION
            raise ImportError(f"it needs version {version!r} of the plugin interface, and this is version {expected}")
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
                    raise TypeError(str(error.args[-1]).strip().splitlines()[-1]) from error
                raise
            for caller in self._manager.get_hookcallers(plugin) or ():
                for implementation in caller.get_hookimpls():
                    if implementation.plugin is plugin:
                        self._guard(implementation, caller.name, sources)
        return tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))

    def _refuse_unknown_hooks(self, plugin: object) -> None:
        """:raises TypeError: a function is marked as the implementation of a hook that does not exist."""
        for caller in self._manager.get_hookcallers(plugin) or ():
            if caller.has_spec() or all(one.optionalhook for one in caller.get_hookimpls()):
                continue
            near = get_close_matches(caller.name, HOOKS, 1)
            raise TypeError(f"unknown hook `{caller.name}`" + (f"; did you mean `{near[0]}`?" if near else ""))

    def call(self, hook: str, **arguments: object) -> list[Any]:
        """Call a hook in all plugins and return their answers, in pluggy's order; `failures` has those that failed."""
        answers: list[Any] = getattr(self._manager.hook, hook)(**arguments)
        return answers

    def entry_points(self, source: Source) -> list[Source]:
        """Return all entry points that lead to the plugin of one of them."""
        return next((sources for sources in self._sources.values() if source in sources), [source])

    def collect(self, hook: str) -> list[tuple[object, Source]]:
        """Call a hook that returns lists of components; return every component once, with the plugin it comes from."""
        seen: set[int] = set()
        found: list[tuple[object, Source]] = []
        for answer in self.call(hook):
            for item in answer:
                if id(item) not in seen:
                    seen.add(id(item))
                    found.append(self._owners[id(item)])
        return found

    def implements(self, hook: str) -> bool:
        """Return whether any plugin implements a hook."""
        return bool(getattr(self._manager.hook, hook).get_hookimpls())

    def _guard(self, implementation: pluggy.HookImpl, hook: str, sources: list[Source]) -> None:
        """Put a guard around one implementation of a hook."""
        function: Callable[..., Any] = implementation.function

        def guarded(*positional: object, **named: object) -> list[object] | None:
            try:
                answer = function(*positional, **named)
                return None if answer is None or hook == NOTIFICATION_HOOK else self._claim(answer, hook, sources[0])
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.failures.setdefault(sources[0], error)
                return None

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
                return after if hook == NOTIFICATION_HOOK else self._claim_all(after, hook, sources[0])
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.failures.setdefault(sources[0], error)
            if implementation.hookwrapper:
                result.force_result(before)
            return before

        wraps = implementation.wrapper or implementation.hookwrapper
        setattr(implementation, "function", guarded_wrapper if wraps else guarded)

    def _claim(self, answer: object, hook: str, source: Source) -> list[object]:
        """Return the items of an answer as a list, and note where they come from.

        :raises TypeError: it is not a list.
        """
        if isinstance(answer, (str, bytes)) or not hasattr(answer, "__iter__"):
            kind = hook.removeprefix("cloche_")
            raise TypeError(f"`{hook}` returned {answer!r}: expected a list of {kind}")
        items = list(islice(answer, MAX_ITEMS + 1))
        if len(items) > MAX_ITEMS:
            raise TypeError(f"`{hook}` returned more than {MAX_ITEMS} items")
        for item in items:
            self._owners.setdefault(id(item), (item, source))
        return items

    def _claim_all(self, answers: object, hook: str, source: Source) -> list[list[object]]:
        """Return what a wrapper made of the answers of all plugins, as lists.

        :raises TypeError: it is not a list of lists.
        """
        if not isinstance(answers, list):
            raise TypeError(f"the wrapper of `{hook}` returned {answers!r}: expected the list of answers")
        return [self._claim(answer, hook, source) for answer in answers]


def finish_wrapper(generator: Generator[None, object, object], result: object) -> object:
    """Hand the result of a call to the second part of a hook wrapper; return what the wrapper returns.

    :raises RuntimeError: it has more than one `yield`.
    """
    try:
        generator.send(result)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a hook wrapper has more than one `yield`")


def register_all(hooks: Hooks, sources: Iterable[Source]) -> dict[Source, tuple[str, ...] | BaseException]:
    """Register plugins so that the first of `sources` is called first.

    Return for each the hooks that it implements, or why it could not be registered.
    """
    outcome: dict[Source, tuple[str, ...] | BaseException] = {}
    for source in reversed([*sources]):
        try:
            outcome[source] = hooks.register(source)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            outcome[source] = error
    return outcome
