"""Test that only one process at a time owns a lock, and that a killed process releases it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.errors import ClocheError
from cloche.fs import locks, try_lock_directory
from cloche.fs.locks import DirectoryLock, FileLock, ReplacedMeanwhile, identity_of

if TYPE_CHECKING:
    from pathlib import Path

OWNER = """
import sys, time
from cloche.fs import locks
with getattr(locks, sys.argv[1])(*sys.argv[2:3], *map(float, sys.argv[3:])) as state:
    print(state if isinstance(state, str) else "locked", flush=True)
    time.sleep(60)
"""


class LockOwner:
    """A context manager for another process that owns a lock and is killed at the end."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-c", OWNER, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def __enter__(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"locked\n"

    def __exit__(self, *_: object) -> None:
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


# Directories


def test_a_directory_is_locked_by_one_process_at_a_time(tmp_path: Path) -> None:
    with LockOwner("DirectoryLock", tmp_path):
        assert try_lock_directory(str(tmp_path)) == (None, "busy")
    descriptor, state = try_lock_directory(str(tmp_path))  # the owner was killed
    assert state == "locked"
    assert descriptor is not None
    os.close(descriptor)


@pytest.mark.parametrize("there", [True, False])
def test_a_directory_that_was_replaced_is_not_locked(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "env"
    path.mkdir()
    expected = identity_of(str(path))
    with DirectoryLock(str(path), expected):
        (path / "file").touch()
    path.rename(tmp_path / "old")
    if there:
        path.mkdir()
    with pytest.raises(ReplacedMeanwhile), DirectoryLock(str(path), expected):
        pass
    assert there is (try_lock_directory(str(path))[1] == "locked")
    assert identity_of(str(tmp_path / "nothing")) is None


def test_a_link_locks_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    with DirectoryLock(str(tmp_path / "link")):
        assert try_lock_directory(str(tmp_path / "target")) == (None, "busy")


def test_waiting_too_long_for_a_directory_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", 0.05)
    with LockOwner("DirectoryLock", tmp_path), pytest.raises(ClocheError) as raised, DirectoryLock(str(tmp_path)):
        pass
    assert str(raised.value.message).startswith(f"another process has been changing `{tmp_path}` for more than")


def test_a_lock_on_a_directory_leaves_nothing_in_it_or_beside_it(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    with DirectoryLock(str(tmp_path / "env")):
        assert os.listdir(tmp_path) == ["env"]
        assert os.listdir(tmp_path / "env") == []


def test_a_directory_can_be_locked_again_after_it_was_unlocked(tmp_path: Path) -> None:
    with DirectoryLock(str(tmp_path)):
        assert try_lock_directory(str(tmp_path)) == (None, "busy")
    with DirectoryLock(str(tmp_path)):
        assert try_lock_directory(str(tmp_path)) == (None, "busy")


def test_locking_a_missing_directory_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "sleep", lambda _: pytest.fail("it waits"))
    with DirectoryLock(str(tmp_path / "gone")):
        assert not (tmp_path / "gone").exists()


def test_a_directory_that_is_replaced_while_it_is_being_locked_counts_as_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "env"
    target.mkdir()
    flock = fcntl.flock

    def replace_first(descriptor: int, how: int) -> None:
        target.rename(tmp_path / "swept")
        target.mkdir()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", replace_first)
    assert try_lock_directory(str(target)) == (None, "busy")


# Files


def test_a_lock_file_is_locked_by_one_process_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    with LockOwner("FileLock", path, 5), FileLock(path, 0.1) as state:
        assert state == "busy"
    with FileLock(path, 5) as state:
        assert state == "locked"  # the owner was killed


def test_an_impossible_lock_file_is_reported_as_unsupported(tmp_path: Path) -> None:
    with FileLock(str(tmp_path / "no" / "such" / "directory"), 5) as state:
        assert state == "unsupported"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "FIFO", "directory"])
def test_links_and_special_files_are_not_used_as_lock_files(tmp_path: Path, kind: str) -> None:
    victim, path = tmp_path / "victim", tmp_path / "a.lock"
    victim.write_text("precious")
    match kind:
        case "symbolic link":
            path.symlink_to(victim)
        case "hard link":
            path.hardlink_to(victim)
        case "FIFO":
            os.mkfifo(path)
        case _:
            path.mkdir()
    with FileLock(str(path), 5) as state:
        assert state == "unsupported"
    assert victim.read_text() == "precious"
