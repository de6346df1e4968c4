"""Defer the signals that ask a program to stop while something must not be interrupted."""

from __future__ import annotations

from cloche.cpython import signal
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class DeferredSignals:
    """Defer the signals that ask a program to stop until what must not be left half done is done; a context.

    They arrive at its end, as if they had been sent then. Masking them is enough in a program with one thread. With more
    threads the system delivers a signal to another one, and Python still runs its handler in the main thread; so the
    handlers are replaced by one that only notes what came. A program that is started inside would never receive these
    signals.

    Entering it twice is the same as once.
    """

    def __init__(self) -> None:
        self._came: list[int] = []
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
                signal.signal(number, self._note)
        except ValueError:  # not the main thread, the only one that handlers run in
            self._handlers.clear()
        except BaseException:  # a signal had come already, and nothing has begun
            self.__exit__()
            raise

    def _note(self, number: int, _: FrameType | None) -> None:
        self._came.append(number)

    def __exit__(self, *_: object) -> None:
        before, self._before = self._before, None
        if MASKS and before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)  # what arrives now is still only noted
        try:
            for number, handler in list(self._handlers.items()):
                signal.signal(number, handler)
                del self._handlers[number]
        finally:
            if self._handlers:  # a signal arrived meanwhile; restore the rest all the same
                self.__exit__()
        while self._came:
            signal.raise_signal(self._came.pop(0))


class DeliveredSignals:
    """Deliver, for what takes long, the signals that a `DeferredSignals` around it defers; a context."""

    def __init__(self, around: DeferredSignals) -> None:
        self._around = around

    def __enter__(self) -> None:
        self._around.__exit__()

    def __exit__(self, *_: object) -> None:
        self._around.__enter__()


MASKS = hasattr(signal, "pthread_sigmask")

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a program to stop."""
