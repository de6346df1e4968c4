"""Worker threads: call a function for many items at the same time, and stop all calls after the first failure."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Item = TypeVar("Item")
    Outcome = TypeVar("Outcome")

REPORT_INTERVAL = 0.1
"""Seconds between two calls of `report`."""

GRACE = 0.5
"""Seconds to wait for other threads after a failure."""


def in_threads(
    function: Callable[[Item], Outcome],
    items: Sequence[Item],
    stopped: threading.Event,
    threads: int = 4,
    report: Callable[[], object] = int,
) -> list[Outcome]:
    """Call a function for each item, in several threads; return the results in the order of the items.

    After the first exception, or if the user interrupts the run, the event is set, and the exception is raised without
    waiting long for the other threads, which may wait for a server. They are daemons, and end with the process at the
    latest.

    :param report: called several times a second.
    """
    waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Outcome] | BaseException] = queue.SimpleQueue()
    for numbered in enumerate(items):
        waiting.put(numbered)

    def work() -> None:
        while not stopped.is_set():
            try:
                number, item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, function(item)))
            except BaseException as error:
                done.put(error)

    results: dict[int, Outcome] = {}
    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(items)))]
    try:
        for worker in workers:
            worker.start()
        while len(results) < len(items):
            try:
                outcome = done.get(timeout=REPORT_INTERVAL)
            except queue.Empty:
                report()
                continue
            if isinstance(outcome, BaseException):
                raise outcome
            results[outcome[0]] = outcome[1]
    finally:
        stopped.set()
        deadline = time.monotonic() + GRACE
        for worker in workers:
            if worker.ident is not None:
                worker.join(max(deadline - time.monotonic(), 0))
    return [results[number] for number in range(len(items))]
