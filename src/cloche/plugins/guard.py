"""The border to plugins: where they come from, and how a failure of theirs is told from a failure of cloche.

A warm run loads this module, and none of those that find and load plugins.
"""

from __future__ import annotations

import sys

from cloche.errors import ClocheError, PluginError, reason_of
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from cloche.model.interpreter import Host, Interpreter
    from cloche.plugins.hookspecs import Activator, Creator, Seeder

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

    def name_apart_from(self, other: Source) -> str:
        """Return the name for `--no-plugin` that leaves out this plugin and not the other."""
        return self.name if self.name != other.name else self.distribution


def blocked_names(host: Host, names: Iterable[str] = ()) -> frozenset[str]:
    """Return the names of plugins to leave out: `names`, and those in `CLOCHE_DISABLE_PLUGINS`; `*` stands for all."""
    variable = host.environ.get("CLOCHE_DISABLE_PLUGINS", "")
    listed = [name.strip() for name in variable.replace("\n", ",").split(",")]
    return frozenset(name for name in (*listed, *names) if name)


def load_object(reference: str) -> Any:
    """Import `"package.module:attribute"` and return it.

    :raises Exception: whatever the import raises, or AttributeError.
    """
    module, _, attribute = reference.partition(":")
    __import__(module)
    found: Any = sys.modules[module]
    for name in attribute.split(".") if attribute else ():
        found = getattr(found, name)
    return found


def call_component(call: Callable[[], T], kind: str, name: str, source: object) -> T:
    """Call into a component of a plugin. What it raises, other than an error of ours, is reported as the plugin's.

    Only a signal from the user ends the run: `SystemExit` and crashes of compiled code become a `PluginError` too.

    :param source: the plugin, for people.
    :raises PluginError: the component failed.
    """
    try:
        return call()
    except (ClocheError, KeyboardInterrupt):
        raise
    except OSError as error:
        where = f" (`{error.filename}`)" if error.filename else ""
        raise ClocheError(f"{kind} `{name}` of plugin {source} failed: {reason_of(error)}{where}") from error
    except BaseException as error:
        raise PluginError(
            f"{kind} `{name}` of plugin {source} failed: {describe_exception(error)}",
            hint="`--traceback` shows where; `--no-plugin` leaves the plugin out",
        ) from error


def refusal_of(
    item: Creator | Seeder | Activator, interpreter: Interpreter, kind: str, name: str, source: object
) -> str | None:
    """Return why a component does not support an interpreter; None if it does.

    :raises PluginError: it fails, or returns something other than a sentence.
    """
    return call_component(lambda: check_refusal(item.refusal(interpreter)), kind, name, source)


def check_refusal(refusal: object) -> str | None:
    """Return what a `refusal` method returned.

    :raises TypeError: it is neither a sentence nor None.
    """
    if refusal is None or (isinstance(refusal, str) and refusal.strip()):
        return refusal
    raise TypeError(f"`refusal` returned {refusal!r}: expected a sentence or None")


def omission_warning(activator: str, source: object, error: ClocheError) -> str:
    """Return the warning for an activator that failed and that the user did not ask for."""
    why = describe_exception(error.__cause__) if error.__cause__ else error.message
    return f"activator `{activator}` of plugin {source} was left out: {why}"


def describe_exception(error: BaseException) -> str:
    """Return an exception as one line for people. Its own `__str__` may fail."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
