"""The shortcut past pluggy: hooks are called by their names, in runs that remember what pluggy made of them.

It goes no further than where that is all that pluggy would do, and never decides anything: whoever takes it compares.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.plugins import hookspecs
from cloche.plugins.components import collect
from cloche.plugins.guard import failure, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Result
    from cloche.plugins.components import Component
    from cloche.plugins.guard import Giver, Listener


def ask_again(
    givers: Iterable[Giver], refused: Mapping[str, bool], interpreter: Interpreter
) -> dict[tuple[str, str], Any] | None:
    """Return what plugins give, by kind and name; None if they do not answer as they did.

    :param refused: activators that are given as objects, and whether they refused the interpreter.
    """
    objects: dict[tuple[str, str], Any] = {}
    try:
        for giver in givers:
            plugin = resolve(giver.source.implementation)
            if plain_hooks(plugin) != giver.hooks:
                return None
            given = list(collect(by_name(plugin, giver.hooks), giver.source))
            if answer_of(given) != giver.answer:
                return None
            objects.update(((one.kind, one.name), one.item) for one in given)
        for name, did in refused.items():
            refusal = objects["activator", name].refusal(interpreter)
            if not (isinstance(refusal, str) if did else refusal is None):
                return None
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None  # whoever decides anew comes upon it again, and knows how to tell
    return objects


def tell(listeners: Iterable[Listener], result: Result) -> list[str] | None:
    """Tell plugins that an environment is in place; return what went wrong, a line each.

    None if one of them has to be told through pluggy: then none has been told.
    """
    functions = []
    try:
        for listener in listeners:
            plugin: Any = resolve(listener.source.implementation)
            if listener.arguments is None or "cloche_created" not in plain_hooks(plugin):
                return None
            functions.append((listener, plugin.cloche_created))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None
    failures = []
    for listener, function in functions:
        try:
            function(*(result for _ in listener.arguments or ()))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failures.append(failure(listener.source, error))
    return failures


def answer_of(provided: Iterable[Component]) -> tuple[tuple[str, ...], ...]:
    """Return all about what a plugin gives that a choice can depend on, but for what the objects themselves answer."""
    return tuple(
        (one.kind, one.name, one.reference, one.replaces, *(option.name for option in one.options)) for one in provided
    )


def plain_hooks(plugin: object) -> tuple[str, ...]:
    """Return the hooks, sorted, that a plugin implements by a function of the hook's name which wraps no other."""
    found = []
    for name in vars(hookspecs):
        if name.startswith("cloche_"):
            mark = getattr(getattr(plugin, name, None), f"{hookspecs.PROJECT}_impl", None)
            if isinstance(mark, dict) and not (mark.get("wrapper") or mark.get("hookwrapper") or mark.get("specname")):
                found.append(name)
    return tuple(sorted(found))


def by_name(plugin: object, hooks: Iterable[str]) -> Callable[[str], list[object]]:
    """Return a caller of these plain hooks of a plugin; it returns what pluggy does, a list of what is not None."""

    def call(hook: str) -> list[object]:
        answer = getattr(plugin, hook)() if hook in hooks else None
        return [] if answer is None else [answer]

    return call
