"""Worker threads: call a function for many items at the same time, and stop all calls after the first failure."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import closing
from operator import length_hint
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    Item = TypeVar("Item")
    Outcome = TypeVar("Outcome")

REPORT_INTERVAL = 0.1
"""Seconds between two calls of `report`."""

STOP_TIMEOUT = 0.5
"""Seconds to wait for other threads after a failure."""

CURRENT = threading.local()
"""`stopped` is the event that ends the work of a worker thread."""


class Stopped(Exception):
    """The work of this thread is no longer needed, because of a failure in another thread or an interrupt."""


def raise_if_stopped() -> None:
    """Raise an exception in a worker thread whose work is no longer needed; called often during long work.

    :raises Stopped: the work of this thread is no longer needed.
    """
    stopped: threading.Event | None = getattr(CURRENT, "stopped", None)
    if stopped is not None and stopped.is_set():
        raise Stopped


def in_threads(
    function: Callable[[Item], Outcome],
    items: Iterable[Item],
    stopped: threading.Event,
    threads: int = 4,
    report: Callable[[], object] = int,
) -> list[Outcome]:
    """Call a function for each item, in several threads; return the results in the order of the items.

    The parameters and the errors are those of `as_completed`.
    """
    numbered = list(enumerate(items))
    with closing(as_completed(lambda entry: function(entry[1]), numbered, stopped, threads, report)) as completed:
        results = {number: outcome for (number, _), outcome in completed}
    return [results[number] for number, _ in numbered]


def as_completed(
    function: Callable[[Item], Outcome],
    items: Iterable[Item],
    stopped: threading.Event,
    threads: int = 4,
    report: Callable[[], object] = int,
) -> Generator[tuple[Item, Outcome], None, None]:
    """Call a function for each item, in several threads; yield each item and its result as soon as it is available.

    After the first exception, or if the iterator is closed early, as when the user interrupts the run, the event is set, and
    the exception is raised without waiting long for the other threads, which may wait for a server. They end at their next
    call of `raise_if_stopped`; they are daemons, and end with the process at the latest.

    If another thread sets the event, the iteration ends when the calls that have begun are done.

    :param items: the threads take the next one when they need it, so the items may themselves be results as they complete.
    :param report: called several times a second.
    """
    taking = threading.Lock()
    remaining = iter(items)
    done: queue.SimpleQueue[tuple[Item, Outcome] | BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        CURRENT.stopped = stopped
        try:
            while not stopped.is_set():
                try:
                    with taking:
                        item = next(remaining)
                except StopIteration:
                    return
                done.put((item, function(item)))
        except Stopped:
            pass  # the thread that set the event has the reason
        except BaseException as error:
            done.put(error)
        finally:
            done.put(None)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, length_hint(items, threads)))]
    running = 0
    try:
        for worker in workers:
            try:
                worker.start()
            except RuntimeError:  # no more threads can be started, so those that run do the work
                break
            running += 1
        if workers and not running:
            previous = getattr(CURRENT, "stopped", None)
            work()
            CURRENT.stopped = previous
            running = 1
        while running:
            try:
                outcome = done.get(timeout=REPORT_INTERVAL)
            except queue.Empty:
                report()
                continue
            if outcome is None:
                running -= 1
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                yield outcome
    except BaseException:
        stopped.set()
        deadline = time.monotonic() + STOP_TIMEOUT
        for worker in workers:
            if worker.ident is not None:
                worker.join(max(deadline - time.monotonic(), 0))
        raise
