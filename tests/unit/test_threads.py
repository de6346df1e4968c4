"""Test that work is done in threads, and also where no threads, or only some, can be started."""

from __future__ import annotations

import errno
import importlib.abc
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from cloche.builtin.packers import tar_gz
from cloche.discovery.probe import probe_executables
from cloche.fs.threads import map_in_threads
from cloche.store.worker_threads import as_completed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[0, 1, 9])
def limited(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Limit the threads that can be started, as `ulimit -u` does for users; return the limit."""
    left = [request.param]
    start = threading.Thread.start

    def limited_start(thread: threading.Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited_start)
    assert isinstance(request.param, int)
    return request.param


@pytest.mark.usefixtures("limited")
def test_results_are_in_the_order_of_the_items() -> None:
    assert [*map_in_threads(str, range(50), 4)] == [str(number) for number in range(50)]
    assert [*map_in_threads(str, [], 4)] == []


@pytest.mark.usefixtures("limited")
def test_an_error_ends_the_iteration_after_the_results_before_it() -> None:
    found = []

    with pytest.raises(ZeroDivisionError):
        found.extend(map_in_threads(lambda number: 1 // (3 - number), range(50), 4))
    for result in map_in_threads(str, range(50), 4):
        found.append(result)
        break

    assert found[-1] == "0"


def test_no_module_is_needed_that_reads_more_files_than_may_be_open() -> None:
    program = (
        "import sys; from cloche.fs.threads import map_in_threads;"
        "print(*map_in_threads(str, range(9), 4)); assert 'concurrent' not in sys.modules and 'logging' not in sys.modules"
    )

    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [str(number) for number in range(9)]


def test_work_is_done_if_too_many_files_are_open_for_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "threading":
                raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.delitem(sys.modules, "threading")
    monkeypatch.setattr(sys, "meta_path", [Full()])

    assert [*map_in_threads(str, range(3), 4)] == ["0", "1", "2"]


def test_several_items_are_worked_on_at_the_same_time() -> None:
    barrier = threading.Barrier(3, timeout=60)

    assert [*map_in_threads(lambda _: barrier.wait() >= 0, range(3), 3)] == [True] * 3


@pytest.mark.usefixtures("limited")
def test_an_archive_has_the_same_bytes() -> None:
    chunks = [bytes([number]) * 300_000 for number in range(20)]

    assert b"".join(tar_gz.compressed(chunks)) == b"".join(tar_gz.compressed([b"".join(chunks)]))


@pytest.mark.usefixtures("limited")
def test_interpreters_are_probed() -> None:
    results = probe_executables([sys.executable] * 3, {})

    assert [result.interpreter is not None for result in results] == [True] * 3


@pytest.mark.usefixtures("limited")
def test_work_for_a_lock_is_done() -> None:
    """The items may themselves be results."""
    stopped = threading.Event()

    def numbers() -> Iterator[int]:
        yield from (result for _, result in as_completed(int, [str(number) for number in range(9)], stopped))

    assert sorted(result for _, result in as_completed(lambda number: -number, numbers(), stopped)) == [*range(-8, 1)]
