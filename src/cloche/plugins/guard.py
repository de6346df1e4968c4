"""The border to plugins: where they come from, which are left out, what they name, and whose failure a failed call is.

A warm run loads this module, and none of what finds and loads plugins.
"""

from __future__ import annotations

import sys

from cloche.errors import ClocheError, PluginError, reason_of
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from cloche.model.interpreter import Host

    T = TypeVar("T")


@value
class Source:
    """Where a plugin comes from."""

    name: str
    """Name of the entry point."""
    implementation: str
    """`"package.module"` or `"package.module:attribute"`."""
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"`{self.name}` of {self.distribution} {self.version}".rstrip()

    def told_from(self, other: Source) -> str:
        """Return the name that leaves out this one and not the other."""
        return self.name if self.name != other.name else self.distribution


@value
class Giver:
    """A plugin that gives objects where others name them, and what it answered: each run has to ask it again."""

    source: Source
    hooks: tuple[str, ...]
    """Those that it implements, sorted."""
    answer: tuple[tuple[str, ...], ...]
    """What `cloche.plugins.shortcut.answer_of` makes of everything that it gives."""


@value
class Listener:
    """A plugin that wants to be told when an environment is made."""

    source: Source
    arguments: tuple[str, ...] | None
    """Those of the hook that its function takes; None where pluggy alone can call it."""


def blocked(host: Host, words: Iterable[str] = ()) -> frozenset[str]:
    """Return the names of plugins to leave out, of `--no-plugin` and `CLOCHE_DISABLE_PLUGINS`; `*` is every one."""
    variable = host.environ.get("CLOCHE_DISABLE_PLUGINS", "")
    names = [name.strip() for name in variable.replace("\n", ",").split(",")]
    return frozenset(name for name in (*names, *words) if name)


def resolve(reference: str) -> Any:
    """Import `"package.module:attribute"` and return it.

    :raises Exception: whatever the import raises, or AttributeError.
    """
    module, _, attribute = reference.partition(":")
    __import__(module)
    found: Any = sys.modules[module]
    for name in attribute.split(".") if attribute else ():
        found = getattr(found, name)
    return found


def guarded(call: Callable[[], T], kind: str, name: str, source: object) -> T:
    """Call into what a plugin gives; what it raises other than our own errors is told to be the plugin's.

    `source` is the plugin, for people. Nothing that it raises ends the run, `SystemExit` and what a crash in compiled code
    becomes included; only the user does that, by a signal.

    :raises PluginError: it raised something.
    """
    try:
        return call()
    except (ClocheError, KeyboardInterrupt):
        raise
    except OSError as error:
        where = f" (`{error.filename}`)" if error.filename else ""
        raise ClocheError(f"{kind} `{name}` of plugin {source} cannot be asked: {reason_of(error)}{where}") from error
    except BaseException as error:
        raise PluginError(
            f"{kind} `{name}` of plugin {source} failed: {cause(error)}",
            hint="`--traceback` shows where; do without the plugin with `--no-plugin`, or tell its author",
        ) from error


def failure(source: Source, error: BaseException) -> str:
    """Return what is said of a plugin that failed when it was told of an environment."""
    return f"plugin {source} failed after the environment was made: {cause(error)}"


def omission(activator: str, source: object, error: ClocheError) -> str:
    """Return what is said of an activator that failed and that nobody asked for: the environment is made without it."""
    why = cause(error.__cause__) if error.__cause__ else error.message
    return f"activator `{activator}` (plugin {source}) was left out: {why}"


def cause(error: BaseException) -> str:
    """Return an exception as one line for people; it may be one that fails to describe itself."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
