"""Plugins: the hooks, how plugins are found and loaded, and what they offer.

This module guards the calls into plugins. A failure is reported as the plugin's, with the names of the plugin and its
distribution. A run with a cached plan loads this module, but not those that find and load plugins.
"""

from __future__ import annotations

import sys
from time import perf_counter

from cloche.cpython import thread_local
from cloche.errors import ClocheError, PluginError, encoding_error, reason_of
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias, TypeVar

    from cloche.model.candidate import Candidate
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.spec import InterpreterSpec
    from cloche.plugins.hookspecs import Activator, Creator, Seeder

    T = TypeVar("T")

    Observed: TypeAlias = tuple[list[BaseException], list[str]]
    """Failures of plugins that did not stop the run, and descriptions of slow calls into plugins."""


class Source(Value):
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
        """Return the name with which `--no-plugin` leaves out this plugin but not the other."""
        return self.name if self.name != other.name else self.distribution


BUILT_IN = Source("builtin", "cloche.builtin.plugin", "cloche", "")
"""The plugin that is part of cloche. It is listed here instead of being searched for, so that it works in a zip archive."""


def is_built_in(source: object) -> bool:
    """Return whether a plugin is part of cloche: it is not reported as slow, cannot be left out, and its components win.

    :param source: its `Source`, or that as text.
    """
    return str(source) == str(BUILT_IN)


class LazyFinder:
    """A finder and the plugin that it comes from. It is loaded when it is asked, so that a failure is that of one finder."""

    def __init__(self, name: str, item: object, source: str = "") -> None:
        """Describe a finder.

        :param item: the finder, or `"package.module:attribute"`.
        :param source: the plugin, for messages.
        """
        self.name, self.item, self.source = name, item, source

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        """Return what the finder returns.

        :raises Exception: whatever it raises.
        """
        found: Iterator[Candidate] = self._load().candidates(spec, host)
        return found

    def searches_on(self, platform: str) -> bool:
        """Return whether the finder finds anything on a system (`sys.platform`); also if it cannot be loaded."""
        try:
            return getattr(self._load(), "platform", platform) == platform
        except Exception:  # the search has reported it
            return True

    def _load(self) -> Any:
        return load_object(self.item) if isinstance(self.item, str) else self.item


def blocked_names(host: Host, names: Iterable[str] = ()) -> frozenset[str]:
    """Return the names of plugins to leave out: `names` and those in `CLOCHE_DISABLE_PLUGINS`; `*` means all."""
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


SLOW = 1.0
"""Seconds after which a call into a plugin is reported as slow."""

MAX_OBSERVED = 100
"""How many failures and slow calls are kept, so that a session of many environments does not accumulate them."""

_thread = thread_local()
"""Its attribute `observed` has the lists of the session that this thread works for; None outside of sessions."""


def observe(observed: Observed | None) -> Observed | None:
    """Keep what plugins do in this thread from now on in these lists; return those before."""
    before: Observed | None = getattr(_thread, "observed", None)
    _thread.observed = observed
    return before


def record_failure(error: BaseException) -> None:
    """Keep a failure that is only reported as a warning."""
    observed: Observed | None = getattr(_thread, "observed", None)
    if observed is not None and len(observed[0]) < MAX_OBSERVED:
        observed[0].append(error)


def record_duration(started: float, what: str, source: object) -> None:
    """Keep the description of a call into a plugin if it was slow, unless the plugin is built in.

    :param started: when it began, by `time.perf_counter`.
    :param what: "`cloche_created`", "activator `wave`", "the import".
    """
    record_seconds(perf_counter() - started, what, source)


def record_seconds(seconds: float, what: str, source: object) -> None:
    """Keep the description of calls into a plugin if they took long, unless the plugin is built in."""
    observed: Observed | None = getattr(_thread, "observed", None)
    if seconds > SLOW and observed is not None and len(observed[1]) < MAX_OBSERVED and not is_built_in(source):
        observed[1].append(f"{what} of plugin {source} took {seconds:.1f} s")


def take_all(observed: list[T]) -> list[T]:
    """Return what is in one of these lists, and empty it."""
    taken = observed[:]
    del observed[:]
    return taken


def call_component(call: Callable[[], T], kind: str, name: str, source: object) -> T:
    """Call a component of a plugin and return the result.

    Errors of cloche itself and Ctrl-C pass through. Everything else that the component raises, including `SystemExit` and
    exceptions of compiled code, is reported as a failure of the plugin.

    :param source: the plugin, for messages.
    :raises PluginError: the component failed.
    :raises ClocheError: a system call of the component failed, or the component raised this error.
    """
    started = perf_counter()
    try:
        result = call()
        if kind not in ("seeder", "packer"):  # these may download, or compress much data
            record_duration(started, f"{kind} `{name}`", source)
        return result
    except (ClocheError, KeyboardInterrupt):
        raise
    except OSError as error:
        where = f" (`{error.filename}`)" if error.filename else ""
        raise ClocheError(f"{kind} `{name}` of plugin {source} failed: {reason_of(error)}{where}") from error
    except BaseException as error:
        if isinstance(error, MemoryError) and is_built_in(source):
            raise
        if isinstance(error, UnicodeEncodeError) and error.encoding != "utf-8":
            raise encoding_error(error) from error
        raise PluginError(
            f"{kind} `{name}` of plugin {source} failed: {describe_exception(error)}",
            hint="`--traceback` shows where"
            + ("; `--no-plugin` leaves the plugin out" if not is_built_in(source) else ""),
        ) from error


def refusal_of(
    item: Creator | Seeder | Activator, interpreter: Interpreter, kind: str, name: str, source: object
) -> str | None:
    """Return why a component does not support an interpreter; None if it does.

    :raises PluginError: the component fails, or returns something other than a sentence or None.
    """
    return call_component(lambda: check_refusal(item.refusal(interpreter)), kind, name, source)


def check_refusal(refusal: object) -> str | None:
    """Return the result of a method `refusal`.

    :raises TypeError: the result is neither a sentence nor None.
    """
    if refusal is None or (isinstance(refusal, str) and refusal.strip()):
        return refusal
    raise TypeError(f"`refusal` returned {refusal!r}: expected a sentence or None")


def as_tuple(result: Iterable[T], method: str, expected: str) -> tuple[T, ...]:
    """Return what a method of a component returned as a tuple.

    :param expected: what it should have returned, for display: "a list of `cloche.Image`".
    :raises TypeError: the result is not iterable, or is a string.
    """
    if isinstance(result, (str, bytes)) or not hasattr(result, "__iter__"):
        raise TypeError(f"`{method}` returned {result!r}: expected {expected}")
    return tuple(result)


def omission_warning(activator: str, source: object, error: ClocheError) -> str:
    """Return the warning about an activator that failed and was not chosen by the user."""
    record_failure(error.__cause__ or error)
    reason = describe_exception(error.__cause__) if error.__cause__ else error.message
    return f"activator `{activator}` of plugin {source} was left out: {reason}"


def describe_exception(error: BaseException) -> str:
    """Return a description of an exception on one line, for display."""
    try:
        text = " ".join(str(error).split())
    except KeyboardInterrupt:
        raise
    except BaseException:  # its own `__str__` failed
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
