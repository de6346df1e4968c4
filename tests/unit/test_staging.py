"""Test that staging directories are removed, also if the run is interrupted or a worker thread still writes to them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from cloche.store import Store
from cloche.store.staging import scratch_directory, staging_directory
from cloche.store.worker_threads import Stopped, as_completed, in_threads, raise_if_stopped
from cloche.testing import fake_host

if TYPE_CHECKING:
    from pathlib import Path

WAIT = 10.0
"""Seconds after which a test fails that waits for another thread."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(fake_host(cwd=str(tmp_path)), str(tmp_path / "store"))


def test_a_staging_directory_is_private_and_removed_at_the_end(tmp_path: Path) -> None:
    listed: set[str] = set()

    def work() -> None:
        with staging_directory(listed, str(tmp_path), prefix="spam.") as path:
            assert listed == {path}
            assert os.stat(path).st_mode & 0o777 == 0o700
            os.mkdir(os.path.join(path, "nested"))
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert listed == set()
    assert os.listdir(tmp_path) == []


def test_a_published_directory_stays(tmp_path: Path) -> None:
    listed: set[str] = set()
    with staging_directory(listed, str(tmp_path)) as path:
        os.rename(path, tmp_path / "published")
    assert listed == set()
    assert os.listdir(tmp_path) == ["published"]


def test_a_directory_that_cannot_be_created_is_not_listed(tmp_path: Path) -> None:
    listed: set[str] = set()
    with pytest.raises(FileNotFoundError), staging_directory(listed, str(tmp_path / "nothing")):
        pass
    assert listed == set()


def test_scratch_directories_are_among_the_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_directory(set(), "cloche-spam-") as path:
        assert os.path.dirname(path) == str(tmp_path)
        assert os.path.basename(path).startswith("cloche-spam-")


def test_closing_the_store_removes_what_a_thread_still_writes_to(store: Store, tmp_path: Path) -> None:
    """The thread gets an error, even if it writes on while its directory is being removed."""
    writing, closed = threading.Event(), threading.Event()
    failures: list[OSError] = []

    def write() -> None:
        with staging_directory(store.staging, str(tmp_path)) as path:
            try:
                for number in range(1_000_000):
                    with open(os.path.join(path, str(number)), "w"):
                        writing.set()
            except OSError as error:
                failures.append(error)
            assert closed.wait(WAIT)

    thread = threading.Thread(target=write)
    thread.start()
    assert writing.wait(WAIT)
    store.close()
    left = [name for name in os.listdir(tmp_path) if name != "store"]
    closed.set()
    thread.join(WAIT)

    assert left == []
    assert len(failures) == 1
    assert store.staging == set()


def test_an_interrupt_while_the_store_is_closed_does_not_stop_that(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spam.new"
    path.mkdir()
    store.staging.add(str(path))
    original, calls = os.rename, []

    def interrupted(source: str, target: str) -> None:
        calls.append(source)
        if len(calls) == 1:
            raise KeyboardInterrupt
        original(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.close()
    assert os.listdir(tmp_path) == ["store"]


def test_threads_whose_work_is_not_needed_stop_soon_and_stage_nothing_more(tmp_path: Path) -> None:
    ended: list[int] = []
    begun, failing = threading.Barrier(2, timeout=WAIT), threading.Event()

    def work(item: int) -> None:
        begun.wait()
        if item == 0:
            raise KeyError(item)
        try:
            while True:
                raise_if_stopped()
        except Stopped:
            with pytest.raises(Stopped), staging_directory(set(), str(tmp_path)):
                pass
            ended.append(item)
            raise

    with pytest.raises(KeyError):
        in_threads(work, [0, 1], failing, threads=2)
    assert ended == [1]
    assert os.listdir(tmp_path) == []


def test_closing_the_results_early_ends_the_work() -> None:
    stopped, ended = threading.Event(), threading.Event()

    def work(item: int) -> int:
        try:
            while item:
                raise_if_stopped()
        except Stopped:
            ended.set()
            raise
        return item

    completed = as_completed(work, [0, 1], stopped)
    assert next(completed) == (0, 0)
    completed.close()
    assert stopped.is_set()
    assert ended.wait(WAIT)


def test_the_main_thread_is_never_stopped() -> None:
    raise_if_stopped()
