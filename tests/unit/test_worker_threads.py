"""Test worker threads: results as they complete, and the end of all work after the first failure."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from cloche.store import worker_threads
from cloche.store.worker_threads import as_completed, in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT = 10.0
"""Seconds after which a test fails that waits for another thread."""


def test_results_are_in_the_order_of_the_items() -> None:
    second = threading.Event()

    def function(item: int) -> int:
        if item == 0:
            assert second.wait(WAIT)
        second.set()
        return item * 2

    assert in_threads(function, [0, 1, 2], threading.Event()) == [0, 2, 4]


def test_results_are_there_as_soon_as_they_complete() -> None:
    released = threading.Event()
    completed = as_completed(lambda item: item or released.wait(WAIT), [0, 1], threading.Event())

    assert next(completed) == (1, 1)
    released.set()
    assert list(completed) == [(0, True)]


def test_the_items_may_be_results_that_are_not_there_yet() -> None:
    used = threading.Event()

    def fetch(item: int) -> int:
        assert item == 0 or used.wait(WAIT), "the first item is used while the second one is fetched"
        return item

    def use(fetched: tuple[int, int]) -> int:
        used.set()
        return fetched[1] + 10

    stopped = threading.Event()
    assert sorted(made for _, made in as_completed(use, as_completed(fetch, [0, 1], stopped), stopped)) == [10, 11]


def test_a_failure_among_the_items_is_the_error_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not lost, even if it takes longer to arrive than the event that stops all threads."""
    monkeypatch.setattr(worker_threads, "STOP_TIMEOUT", WAIT)
    monkeypatch.setattr(worker_threads, "REPORT_INTERVAL", 0.01)
    stopped, began, waited = threading.Event(), threading.Event(), threading.Event()

    def fetch(item: int) -> int:
        if item:
            assert began.wait(WAIT)
            raise OSError("no space left")
        began.set()
        assert waited.wait(WAIT), "the run still waits for the failure after the event"
        return item

    def report() -> None:
        if stopped.is_set():
            waited.set()

    fetched = as_completed(fetch, [0, 1], stopped)
    with pytest.raises(OSError, match="no space left"):
        list(as_completed(lambda found: found, fetched, stopped, report=report))
    assert waited.is_set()


def test_a_failure_of_an_iterator_is_the_error_of_the_run() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        in_threads(int, items(), threading.Event())


def test_the_run_reports_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_threads, "REPORT_INTERVAL", 0.01)
    reported = threading.Event()

    assert in_threads(lambda _: reported.wait(WAIT), [0], threading.Event(), report=reported.set) == [True]
