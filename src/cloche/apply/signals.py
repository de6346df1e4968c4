"""Defer the signals that ask a program to stop, during critical steps."""

from __future__ import annotations

from cloche.cpython import signal
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class DeferredSignals:
    """A context manager that defers the signals that ask a program to stop.

    They are delivered when the context ends. Masking them is enough in a program with one thread. With several threads, the
    system delivers a signal to another thread, and Python still runs its handler in the main thread. So the handlers are
    replaced by one that only records the signal. Do not start programs inside: they would never receive these signals.

    Entering the context twice has the same effect as entering it once.
    """

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
        self._before: set[int] | None = None

    def __enter__(self) -> None:
        if self._before is not None:
            return
        handlers = [(number, handler) for number in STOPPING if callable(handler := signal.getsignal(number))]
        try:
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if MASKS else set()
            if MASKS:
                signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
            for number, handler in handlers:
                self._handlers[number] = handler
                signal.signal(number, self._record)
        except ValueError:  # only the main thread may set handlers
            self._handlers.clear()
        except BaseException:  # a signal arrived before all handlers were replaced
            self.__exit__()
            raise

    def _record(self, number: int, _: FrameType | None) -> None:
        self._pending.append(number)

    def __exit__(self, *_: object) -> None:
        before, self._before = self._before, None
        if MASKS and before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)  # signals that arrive now are still only recorded
        try:
            for number, handler in list(self._handlers.items()):
                signal.signal(number, handler)
                del self._handlers[number]
        finally:
            if self._handlers:  # a signal interrupted the loop; restore the rest anyway
                self.__exit__()
        while self._pending:
            signal.raise_signal(self._pending.pop(0))


class DeliveredSignals:
    """A context manager for long operations that delivers the signals that an outer `DeferredSignals` defers."""

    def __init__(self, outer: DeferredSignals) -> None:
        self._outer = outer

    def __enter__(self) -> None:
        self._outer.__exit__()

    def __exit__(self, *_: object) -> None:
        self._outer.__enter__()


MASKS = hasattr(signal, "pthread_sigmask")

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a program to stop."""
