"""Whoever waits for a lock is told who has it, and nobody who has not is ever named."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.apply import hold
from cloche.fs.lock_owner import UNKNOWN, author, sign, withdraw
from tests.tools import missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SIGNING = """
import sys, time
from cloche.fs.lock_owner import sign
assert sign(sys.argv[1]) is not None
print("signed", flush=True)
time.sleep(60)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has left a note."""
    command = [sys.executable, "-c", SIGNING, str(tmp_path / "note"), "two\nlines \x1b[31m`"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"signed\n"
        yield process
        process.kill()


def test_who_lives_is_named_in_one_line_with_the_command(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    told = author(str(tmp_path / "note"))

    assert told.startswith(f"process {process.pid} (`")
    assert told.isprintable()
    assert "two lines" in told


def test_who_was_killed_is_never_named(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert (tmp_path / "note").exists()
    assert author(str(tmp_path / "note")) == UNKNOWN


def test_a_note_of_one_that_was_killed_makes_room_for_another(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    path = str(tmp_path / "note")

    descriptor = sign(path)

    assert author(path).startswith(f"process {os.getpid()} ")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    withdraw(path, descriptor)
    assert not os.path.lexists(path)
    assert author(path) == UNKNOWN


def plant_link(path: Path) -> None:
    (path.parent / "victim").write_text("12 x\n")
    path.symlink_to(path.parent / "victim")


OTHER_THINGS: dict[str, Callable[[Path], object]] = {
    "a link": plant_link,
    "a FIFO": os.mkfifo,
    "a directory": os.mkdir,
    "no number": lambda path: path.write_text("twelve x\n"),
    "half a note": lambda path: path.write_text("12 cloche"),
    "nothing": lambda path: path.write_text(""),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe 1\n"),
}


@pytest.mark.parametrize("kind", OTHER_THINGS)
def test_something_else_in_its_place_names_nobody_even_if_somebody_has_it_locked(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "note"
    OTHER_THINGS[kind](path)
    locked = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.flock(locked, fcntl.LOCK_EX)

    assert author(str(path)) == UNKNOWN
    os.close(locked)


def test_a_link_in_its_place_is_not_written_through(tmp_path: Path) -> None:
    plant_link(tmp_path / "note")

    withdraw(str(tmp_path / "note"), sign(str(tmp_path / "note")))

    assert (tmp_path / "victim").read_text() == "12 x\n"


@pytest.mark.parametrize("place", ["occupied/note", "nowhere/note"])
def test_where_no_note_can_be_left_nobody_is_stopped(place: str, tmp_path: Path) -> None:
    (tmp_path / "occupied" / "note").mkdir(parents=True)

    withdraw(str(tmp_path / place), sign(str(tmp_path / place)))

    assert author(str(tmp_path / place)) == UNKNOWN


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for notes, which is not there yet."""
    monkeypatch.setattr(hold, "NOTES", str(tmp_path / "notes-{}"))
    return tmp_path / f"notes-{os.geteuid()}"


def test_a_directory_that_is_held_has_its_note_elsewhere_and_only_meanwhile(tmp_path: Path, notes: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with hold.TreeLock(str(target)):
        assert hold.holder(str(target)).startswith(f"process {os.getpid()} ")
        assert os.listdir(target) == []
        assert stat.S_IMODE(notes.stat().st_mode) == 0o700
    assert os.listdir(notes) == []
    assert hold.holder(str(target)) == UNKNOWN


def test_notes_that_killed_runs_left_are_removed_by_the_next_run_and_others_stay(
    process: subprocess.Popen[bytes], tmp_path: Path, notes: Path
) -> None:
    notes.mkdir(mode=0o700)
    (notes / "left").write_text("12 cloche\n")
    (notes / "begun").write_text("")
    os.rename(tmp_path / "note", notes / "living")
    for old in ("left", "living"):
        os.utime(notes / old, (0, 0))
    with hold.TreeLock(str(tmp_path)):
        assert len(os.listdir(notes)) == 3
        assert author(str(notes / "living")).startswith(f"process {process.pid} ")
    assert sorted(os.listdir(notes)) == ["begun", "living"]


def test_a_directory_for_notes_of_somebody_else_is_left_alone(tmp_path: Path, notes: Path) -> None:
    if os.geteuid() != 0:
        missing("only the superuser can give a directory away")
    notes.mkdir(mode=0o700)
    os.chown(notes, 65534, 65534)
    with hold.TreeLock(str(tmp_path)):
        assert os.listdir(notes) == []


def test_what_is_not_there_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "PATIENCE", 0.0)
    with hold.TreeLock(str(tmp_path / "gone")):
        pass


def test_a_directory_for_notes_that_others_may_use_is_left_alone(tmp_path: Path, notes: Path) -> None:
    notes.mkdir()
    notes.chmod(0o777)
    (notes / "theirs").write_text("x")
    with hold.TreeLock(str(tmp_path)):
        assert hold.holder(str(tmp_path)) == UNKNOWN
    assert os.listdir(notes) == ["theirs"]
