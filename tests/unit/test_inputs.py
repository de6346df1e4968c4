"""Test that the inputs of a decision are recorded, and that every change to them is detected."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.fs.inputs import UNRECORDED, Inputs
from cloche.fs.signatures import are_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with a file and a subdirectory."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "inside").write_text("text")
    return tmp_path


def edit_keeping_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_text("".join(reversed(path.read_text())))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "an edited file": lambda tree: (tree / "file").write_text("longer text"),
    "an edit that keeps size and time": lambda tree: edit_keeping_size_and_time(tree / "file"),
    "a removed file": lambda tree: (tree / "file").unlink(),
    "a retreed file": lambda tree: (tree / "directory" / "inside").replace(tree / "file"),
    "a file that appears": lambda tree: (tree / "absent").write_text(""),
    "a new name in a directory": lambda tree: (tree / "directory" / "more").write_text(""),
    "a removed directory": lambda tree: (tree / "directory" / "inside").unlink() or (tree / "directory").rmdir(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_detected(tree: Path, change: Callable[[Path], object]) -> None:
    inputs = Inputs()
    for name in ("file", "directory", "absent"):
        inputs.path(str(tree / name))
    assert are_unchanged(inputs.recorded, {})

    change(tree)

    assert not are_unchanged(inputs.recorded, {})


def test_entries_include_the_files_of_a_directory(tree: Path) -> None:
    names, entries = Inputs(), Inputs()
    names.path(str(tree / "directory"))
    entries.entries(str(tree / "directory"))

    (tree / "directory" / "inside").write_text("longer text")

    assert are_unchanged(names.recorded, {})
    assert not are_unchanged(entries.recorded, {})


def test_a_change_during_the_run_is_detected(tree: Path) -> None:
    inputs = Inputs()
    inputs.path(str(tree / "file"))
    (tree / "file").write_text("changed while it was being read")
    inputs.path(str(tree / "file"))

    assert not are_unchanged(inputs.recorded, {})


def test_set_and_unset_variables_are_inputs() -> None:
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


def test_a_path_that_cannot_be_inspected_counts_as_missing() -> None:
    inputs = Inputs()
    inputs.path("/nul\0byte")
    inputs.entries("/no/such/directory")

    assert are_unchanged(inputs.recorded, {})


def test_unrecorded_discards_all_inputs(tree: Path) -> None:
    UNRECORDED.path(str(tree / "file"))
    UNRECORDED.entries(str(tree))
    UNRECORDED.variables({"LD_X": "1"}, ("LD_",))

    assert UNRECORDED.variable({"HOME": "/home"}, "HOME") == "/home"
    assert UNRECORDED.recorded == ()
