"""Call a function for many items, in as many threads as can be started."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    Item = TypeVar("Item")
    Outcome = TypeVar("Outcome")


def map_in_threads(function: Callable[[Item], Outcome], items: Sequence[Item], threads: int) -> Iterator[Outcome]:
    """Yield the result for each item, in order; several are computed at the same time.

    If the user may not start more threads, those that run do the work, or else this one.

    :param threads: the maximum number of threads.
    :raises Exception: whatever the function raises; the items that nothing has begun with are left out.
    """
    try:
        # Not `concurrent.futures`, which imports `logging` and more: a caller may have no more open files left for that.
        from threading import Condition, Thread
    except OSError:  # too many files are open to read the module
        yield from map(function, items)
        return
    waiting = [*enumerate(items)][::-1]
    results: dict[int, Outcome] = {}
    errors: dict[int, BaseException] = {}
    changed = Condition()

    def work() -> None:
        while True:
            try:
                number, item = waiting.pop()
            except IndexError:
                return
            try:
                results[number] = function(item)
            except BaseException as error:
                waiting.clear()
                errors[number] = error
            with changed:
                changed.notify()

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
        for number in range(len(items)):
            with changed:
                while number not in results and number not in errors:
                    changed.wait()
            if number in errors:
                raise errors[number]
            yield results.pop(number)
    finally:
        waiting.clear()
        for thread in started:
            thread.join()
