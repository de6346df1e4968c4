"""Inputs are recorded by whoever reads them, and a recorded input that changes in any way is noticed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.fs.inputs import UNRECORDED, Inputs, are_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A file, and a directory with one."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "inside").write_text("text")
    return tmp_path


def edit_keeping_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_text("".join(reversed(path.read_text())))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "an edited file": lambda place: (place / "file").write_text("longer text"),
    "an edit that keeps size and time": lambda place: edit_keeping_size_and_time(place / "file"),
    "a removed file": lambda place: (place / "file").unlink(),
    "a replaced file": lambda place: (place / "directory" / "inside").replace(place / "file"),
    "a file that appears": lambda place: (place / "absent").write_text(""),
    "a new name in a directory": lambda place: (place / "directory" / "more").write_text(""),
    "a removed directory": lambda place: (place / "directory" / "inside").unlink() or (place / "directory").rmdir(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_path_is_noticed(place: Path, change: Callable[[Path], object]) -> None:
    inputs = Inputs()
    for name in ("file", "directory", "absent"):
        inputs.path(str(place / name))
    assert are_unchanged(inputs.recorded, {})

    change(place)

    assert not are_unchanged(inputs.recorded, {})


def test_entries_include_the_files_of_a_directory(place: Path) -> None:
    names, entries = Inputs(), Inputs()
    names.path(str(place / "directory"))
    entries.entries(str(place / "directory"))

    (place / "directory" / "inside").write_text("longer text")

    assert are_unchanged(names.recorded, {})
    assert not are_unchanged(entries.recorded, {})


def test_the_first_signature_counts(place: Path) -> None:
    inputs = Inputs()
    inputs.path(str(place / "file"))
    (place / "file").write_text("changed while it was read")
    inputs.path(str(place / "file"))

    assert not are_unchanged(inputs.recorded, {})


def test_variables_are_inputs_whether_or_not_they_are_set() -> None:
    inputs = Inputs()
    environ = {"LD_LIBRARY_PATH": "/lib", "HOME": "/home"}

    assert inputs.variable(environ, "HOME") == "/home"
    assert inputs.variable(environ, "PYENV_ROOT") == ""
    inputs.variables(environ, ("LD_", "DYLD_"))

    assert are_unchanged(inputs.recorded, {**environ, "PATH": "/bin"})
    for other in (
        {**environ, "HOME": "/elsewhere"},
        {**environ, "PYENV_ROOT": "/pyenv"},
        {**environ, "DYLD_LIBRARY_PATH": "/lib"},
        {"HOME": "/home"},
    ):
        assert not are_unchanged(inputs.recorded, other)


def test_a_path_that_cannot_be_looked_at_is_like_one_that_does_not_exist() -> None:
    inputs = Inputs()
    inputs.path("/nul\0byte")
    inputs.entries("/no/such/directory")

    assert are_unchanged(inputs.recorded, {})


def test_decisions_that_are_not_kept_record_nothing(place: Path) -> None:
    UNRECORDED.path(str(place / "file"))
    UNRECORDED.entries(str(place))
    UNRECORDED.variables({"LD_X": "1"}, ("LD_",))

    assert UNRECORDED.variable({"HOME": "/home"}, "HOME") == "/home"
    assert UNRECORDED.recorded == ()
