"""Test that `apply` performs all operations or none, with every strategy and after every failure."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.apply import DestinationChanged, apply, journal, leftovers, merge, rehearse
from cloche.apply.staging import recover_destination
from cloche.errors import ClocheError
from cloche.fs import try_lock_directory
from cloche.fs.locks import DirectoryLock
from cloche.model.operations import Link, MakeDir, Remove, Rewrite, Run, SetMode, Write
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloche.apply.journal import Action
    from cloche.model.aliases import Strategy
    from cloche.model.operations import Operation

STRATEGIES: list[Strategy] = ["new", "exchange", "merge", "merge-emptied"]

TREE: list[Operation] = [
    MakeDir("bin"),
    Write("bin/script", b"new\n", "yes"),
    Link("bin/python", "/usr/bin/python3"),
    Write("pyvenv.cfg", b"home = /usr/bin\n"),
]


def old_tree(target: Path) -> Path:
    """Create a directory tree with files, a link and various permissions."""
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "script").write_text("old\n")
    (target / "bin" / "script").chmod(0o700)
    (target / "bin" / "python").symlink_to("/old")
    (target / "data" / "deep").mkdir(parents=True)
    (target / "data" / "deep" / "file").write_text("precious\n")
    (target / "data" / "deep" / "file").chmod(0o666)
    (target / "data").chmod(0o777)
    return target


def prepare(tmp_path: Path, strategy: Strategy) -> Path:
    return tmp_path / "env" if strategy == "new" else old_tree(tmp_path / "env")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_operations_reach_the_target(tmp_path: Path, strategy: Strategy) -> None:
    target = prepare(tmp_path, strategy)
    apply(TREE, str(target), strategy)
    assert (target / "bin" / "script").read_text() == "new\n"
    assert (target / "bin" / "python").readlink() == type(target)("/usr/bin/python3")
    assert (target / "data").exists() is (strategy == "merge")
    assert os.listdir(tmp_path) == ["env"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_error_in_verify_rolls_everything_back(tmp_path: Path, strategy: Strategy) -> None:
    target = prepare(tmp_path, strategy)
    before = snapshot(tmp_path)

    def refuse() -> None:
        assert (target / "bin" / "script").read_text() == "new\n"
        raise ClocheError("it does not work")

    with pytest.raises(ClocheError, match="it does not work"):
        apply(TREE, str(target), strategy, refuse)
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(os.name == "nt", reason="directories cannot be locked there")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_another_run_cannot_lock_the_result_before_it_is_verified(tmp_path: Path, strategy: Strategy) -> None:
    target = prepare(tmp_path, strategy)

    def verify() -> None:
        assert try_lock_directory(str(target)) == (None, "busy")

    with DirectoryLock(str(target)):
        apply(TREE, str(target), strategy, verify)
    descriptor, state = try_lock_directory(str(target))
    assert state == "locked"
    assert descriptor is not None
    os.close(descriptor)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("function", [apply, rehearse])
def test_an_error_in_complete_leaves_nothing(tmp_path: Path, strategy: Strategy, function: Callable[..., None]) -> None:
    target = prepare(tmp_path, strategy)
    before = snapshot(tmp_path)

    def refuse(staged: str) -> list[Operation]:
        assert os.path.exists(os.path.join(staged, "bin", "script"))
        raise OSError(28, "No space left on device", "somewhere")

    with pytest.raises(ClocheError, match=r"cannot write `.*env`: no space left on device \(`somewhere`\)"):
        function(TREE, str(target), strategy, complete=refuse)
    assert snapshot(tmp_path) == before


def test_complete_sees_the_staged_tree_and_adds_to_it(tmp_path: Path) -> None:
    def complete(staged: str) -> list[Operation]:
        with open(os.path.join(staged, "bin", "script"), "rb") as file:
            content = file.read()
        return [Write("copy", content), SetMode("bin", 0o500), Remove("pyvenv.cfg")]

    apply(TREE, str(tmp_path / "env"), "new", complete=complete)
    assert (tmp_path / "env" / "copy").read_text() == "new\n"
    assert stat.S_IMODE((tmp_path / "env" / "bin").stat().st_mode) == 0o500
    assert not (tmp_path / "env" / "pyvenv.cfg").exists()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rehearsal_completes_the_tree_and_changes_nothing(tmp_path: Path, strategy: Strategy) -> None:
    target = prepare(tmp_path, strategy)
    before = snapshot(tmp_path)
    seen: list[str] = []

    def complete(staged: str) -> list[Operation]:
        seen.extend(os.listdir(os.path.join(staged, "bin")))
        return [Write("more", b"")]

    rehearse(TREE, str(target), strategy, complete)
    assert sorted(seen) == ["python", "script"]
    assert snapshot(tmp_path) == before


def test_a_directory_that_appeared_at_the_target_is_not_changed(tmp_path: Path) -> None:
    target = old_tree(tmp_path / "env")
    before = snapshot(tmp_path)
    with pytest.raises(DestinationChanged):
        apply(TREE, str(target), "new")
    assert snapshot(tmp_path) == before


# Moves


def test_a_directory_that_has_moved_is_removed_after_the_verification(tmp_path: Path) -> None:
    old = old_tree(tmp_path / "old")
    apply(TREE, str(tmp_path / "env"), "new", old.stat, moved_from=str(old))
    assert os.listdir(tmp_path) == ["env"]


def test_if_the_old_directory_cannot_be_removed_the_new_one_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = old_tree(tmp_path / "old")
    before = snapshot(tmp_path)
    rename = os.rename

    def refuse(source: str, destination: str) -> None:
        if source == str(old):
            raise PermissionError(13, "Permission denied", source)
        rename(source, destination)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(ClocheError, match="permission denied"):
        apply(TREE, str(tmp_path / "env"), "new", moved_from=str(old))
    assert snapshot(tmp_path) == before


def refuse_to_remove(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let removals of files with this name fail, as of a file that is immutable."""
    remove_file = leftovers.remove_file
    monkeypatch.setattr(leftovers, "remove_file", lambda file: os.path.basename(file[0]) != name and remove_file(file))
    monkeypatch.setattr("shutil.rmtree", lambda path, ignore_errors: None)


@pytest.mark.parametrize("strategy", ["new", "exchange"])
def test_what_cannot_be_removed_is_reported(
    strategy: Strategy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = old_tree(tmp_path / "old")
    target = old if strategy == "exchange" else tmp_path / "env"
    refuse_to_remove(monkeypatch, "script")

    [warning] = apply(TREE, str(target), strategy, moved_from="" if strategy == "exchange" else str(old))

    staging = str(tmp_path / ".old.cloche-0")
    assert warning == f"what was replaced could not be removed completely: the rest is in `{staging}`"
    assert [path.name for path in Path(staging).rglob("*") if path.is_file()] == ["script"]


# Removals and permissions in an existing directory


def edits(target: Path) -> list[Operation]:
    """Return operations that change the directory of `old_tree` in place."""
    return [
        Remove("bin/python"),
        Remove("absent"),
        MakeDir("bin"),
        Rewrite("bin/script", b"new\n", str(target / "bin" / "script")),
        SetMode("bin/script", 0o755),
        SetMode("data", 0o750),
        SetMode("data/deep/file", 0o644),
        SetMode(".", 0o711),
    ]


def is_edited(target: Path) -> bool:
    """Return whether all `edits` were performed."""
    modes = {
        path: stat.S_IMODE((target / path).stat().st_mode) for path in ("bin/script", "data", "data/deep/file", ".")
    }
    done = modes == {"bin/script": 0o755, "data": 0o750, "data/deep/file": 0o644, ".": 0o711}
    return (
        done and not os.path.lexists(target / "bin" / "python") and (target / "bin" / "script").read_text() == "new\n"
    )


def test_removals_and_permissions_are_part_of_a_merge(tmp_path: Path) -> None:
    target = old_tree(tmp_path / "env")
    apply(edits(target), str(target), "merge")
    assert is_edited(target)
    assert (target / "data" / "deep" / "file").read_text() == "precious\n"
    assert sorted(os.listdir(target)) == ["bin", "data"]


def test_the_permissions_of_a_directory_are_set_after_those_of_its_entries(tmp_path: Path) -> None:
    target = old_tree(tmp_path / "env")
    apply([SetMode("data", 0), SetMode("data/deep", 0o700)], str(target), "merge")
    assert stat.S_IMODE((target / "data").stat().st_mode) == 0
    (target / "data").chmod(0o700)
    assert stat.S_IMODE((target / "data" / "deep").stat().st_mode) == 0o700


def test_permissions_are_never_set_through_a_link(tmp_path: Path) -> None:
    target, outside = old_tree(tmp_path / "env"), tmp_path / "outside"
    outside.write_text("")
    outside.chmod(0o640)
    (target / "link").symlink_to(outside)
    apply([SetMode("link", 0o777)], str(target), "merge")
    apply([Link("link", str(outside)), SetMode("link", 0o777)], str(tmp_path / "other"), "new")
    assert stat.S_IMODE(outside.stat().st_mode) == 0o640


def test_a_verification_that_fails_restores_permissions_too(tmp_path: Path) -> None:
    target = old_tree(tmp_path / "env")
    before = snapshot(target)

    def refuse() -> None:
        assert is_edited(target)
        raise ClocheError("it does not work")

    with pytest.raises(ClocheError, match="it does not work"):
        apply(edits(target), str(target), "merge", refuse)
    assert snapshot(target) == before


STEPS = 5
"""The number of steps of `edits`: one removal, one exchange, and three changes of permissions."""


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_failure_at_any_step_restores_permissions_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    target = old_tree(tmp_path / "env")
    before = snapshot(target)
    taken: list[Action] = []

    def fail(action: Action, staging: str, target: str) -> None:
        if len(taken) == step:
            raise OSError(5, "Input/output error")
        taken.append(action)
        journal.perform_step(action, staging, target)

    monkeypatch.setattr(merge, "perform_step", fail)
    if step < STEPS:
        with pytest.raises(ClocheError, match="input/output error"):
            apply(edits(target), str(target), "merge")
        assert snapshot(target) == before
    else:
        apply(edits(target), str(target), "merge")
        assert is_edited(target)
    assert len(taken) == step


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_the_next_run_restores_permissions_that_a_killed_run_changed(tmp_path: Path, step: int) -> None:
    target = old_tree(tmp_path / "env")
    before = snapshot(target)
    child = os.fork()
    if child == 0:
        taken: list[Action] = []

        def die(action: Action, staging: str, target: str) -> None:
            if len(taken) == step:
                os._exit(9)
            taken.append(action)
            journal.perform_step(action, staging, target)

        merge.perform_step = die
        try:
            apply(edits(target), str(target), "merge")
        finally:
            os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert killed is (step < STEPS)
    assert recover_destination(str(target)) is killed
    assert is_edited(target) if not killed else snapshot(target) == before


def test_programs_get_the_variables_of_the_caller(tmp_path: Path) -> None:
    """`cloche.create(environ=...)` uses them instead of those of its process."""
    program = Run(("/bin/sh", "-c", "echo $WHOSE $PYTHONHOME > '{root}/words'"), "write a file")
    variables = {"WHOSE": "the caller's", "PYTHONHOME": "/elsewhere"}

    apply([program], str(tmp_path / "env"), "new", environ=variables)

    assert (tmp_path / "env" / "words").read_text() == "the caller's\n"
