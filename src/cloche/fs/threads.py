"""Call a function for many items, in as many threads as can be started."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import TypeVar

    Item = TypeVar("Item")
    Outcome = TypeVar("Outcome")


def map_in_threads(function: Callable[[Item], Outcome], items: Sequence[Item], threads: int) -> Iterator[Outcome]:
    """Yield the result for each item, in order; several are computed at the same time.

    If the user may not start more threads, those that run do the work, or else this one.

    :param threads: the maximum number of threads.
    :raises Exception: whatever the function raises; the items that nothing has begun with are left out.
    """
    from concurrent.futures import Future
    from threading import Thread

    futures: list[Future[Outcome]] = [Future() for _ in items]
    waiting = [*zip(futures, items, strict=True)][::-1]

    def work() -> None:
        while True:
            try:
                future, item = waiting.pop()
            except IndexError:
                return
            try:
                future.set_result(function(item))
            except BaseException as error:
                waiting.clear()
                future.set_exception(error)

    started = []
    try:
        for thread in [Thread(target=work) for _ in range(min(threads, len(items)))]:
            try:
                thread.start()
            except RuntimeError:
                break
            started.append(thread)
        if not started:
            work()
        for future in futures:
            yield future.result()
    finally:
        waiting.clear()
        for thread in started:
            thread.join()
