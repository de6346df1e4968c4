"""Test that a new tree takes over directories of the old one, and that a complete tree is in place at every moment."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import count, permutations
from typing import TYPE_CHECKING

import pytest

from cloche.apply import NotTakenOver, apply, exchange, journal, merge, perform_operations, takeover, takeover_steps
from cloche.apply.executor import StagingTree
from cloche.apply.file_list import DamagedImage
from cloche.apply.staging import recover_environment
from cloche.apply.takeover import TakeoverTransaction
from cloche.apply.transaction import Transaction
from cloche.errors import ClocheError
from cloche.fs import try_lock_directory
from cloche.model.operations import CopyTree, InstallTree, MakeDir, Rewrite, Run, SetMode, Write
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cloche.model.operations import Operation
    from tests.trees import Tree

OLD_TIME = 10**18
"""When the directories of the old tree were modified, in nanoseconds."""

CHANGED = ("bin/script", "lib/site/info/RECORD")

CALLS = "rename replace link symlink mkdir unlink rmdir chmod utime write fsync".split()


class Killed(BaseException):
    """Ends a run like a kill: after it, no call that would change anything is made."""


@pytest.fixture(autouse=True)
def _exchange_is_supported(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    if not exchange.exchange(str(tmp_path / "one"), str(tmp_path / "other")):
        pytest.skip("this file system exchanges no entries")
    (tmp_path / "one").rmdir()
    (tmp_path / "other").rmdir()


def make_tree(root: Path) -> Path:
    """Create a tree with changed files at two depths, unchanged directories beside them, a link and permissions."""
    for directory in ("bin", "lib/site/one/deep", "lib/site/two", "lib/site/info", "share"):
        (root / directory).mkdir(parents=True)
        (root / directory / "file").write_text(directory)
    (root / "bin" / "script").write_text("old")
    (root / "bin" / "script").chmod(0o750)
    (root / "lib" / "site" / "info" / "RECORD").write_text("old")
    (root / "lib64").symlink_to("lib")
    (root / "lib" / "site").chmod(0o710)
    for directory, _, _ in os.walk(root, topdown=False):
        os.utime(directory, ns=(OLD_TIME, OLD_TIME))
    return root


def edits_of(old: Path) -> list[Operation]:
    edits = [Rewrite(path, b"new", str(old / path)) for path in CHANGED]
    return [CopyTree(str(old), CHANGED, "hardlink"), *edits, SetMode(".", 0o755)]


def with_changes(before: Tree) -> Tree:
    """Return the tree that the old one becomes."""
    return type(before)({path: (*entry[:2], b"new") if path in CHANGED else entry for path, entry in before.items()})


def contents(root: Path) -> dict[str, bytes]:
    """Return what can be read at a path, through whatever links; without the tree's own link."""
    found = {}
    for directory, names, files in os.walk(root, followlinks=True):
        names[:] = [name for name in names if name != "lib64"]
        for name in files:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
    for one, other in permutations(("one/deep/../..", "two/..", "info/.."), 2):  # as a module looks for its libraries
        other = other.partition("/..")[0]
        assert (root / "lib" / "site" / one / other / "file").read_bytes() == f"lib/site/{other}".encode()
    return found


def times(root: Path) -> set[int]:
    """Return when the directories of a tree were modified, without the root."""
    return {os.stat(directory).st_mtime_ns for directory, _, _ in os.walk(root) if directory != str(root)}


def move(old: Path, new: Path, verify: Callable[[], None] | None = None) -> None:
    apply(edits_of(old), str(new), "new", verify, moved_from=str(old))


def replace(old: Path, new: Path, verify: Callable[[], None] | None = None) -> None:
    """Replace a tree by one that has some of its directories; there is only one path."""
    apply(edits_of(old), str(old), "exchange", verify)


def stage(operations: list[Operation], transaction: TakeoverTransaction) -> None:
    take_over = transaction.prepare_takeover(operations)
    perform_operations(operations, StagingTree(transaction.new, transaction.descriptor), "auto", take_over=take_over)


def run_and_kill(patch: pytest.MonkeyPatch, change: Callable[[], None], fatal: int) -> str:
    """Change a tree and end the run at a call; return whether it was `killed` or `done`."""
    calls = 0

    def counting(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls >= fatal:
                raise Killed
            return function(*arguments, **named)

        return call

    with patch.context() as patched:
        for name in CALLS:
            patched.setattr(os, name, counting(getattr(os, name)))
        for module in (takeover, takeover_steps, journal, merge):
            patched.setattr(module, "exchange", counting(exchange.exchange))
        patched.setattr(Transaction, "_close", lambda self: [os.close(number) for number in self._descriptors])
        try:
            change()
        except Killed:
            return "killed"
    return "done"


@pytest.mark.parametrize("place", ["beside", "elsewhere"])
@pytest.mark.parametrize("reverted", [False, True])
def test_a_killed_move_leaves_a_complete_tree_that_the_next_run_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, *, reverted: bool
) -> None:
    outcomes = set()
    fatal = 0
    while True:
        fatal += 1
        directory = tmp_path / str(fatal)
        old = make_tree(directory / "old")
        new = directory / "new" if place == "beside" else directory / "parent" / "new"
        before, complete = snapshot(old), contents(old)
        changed = {**complete, **dict.fromkeys(CHANGED, b"new")}

        def change(old: Path = old, new: Path = new) -> None:
            with TakeoverTransaction(str(new), "new", str(old)) as transaction:
                stage(edits_of(old), transaction)
                transaction.commit()
                if reverted:
                    transaction.revert()

        if run_and_kill(monkeypatch, change, fatal) == "done":
            break
        assert (os.path.isdir(old) and contents(old) == complete) or contents(new) == changed, fatal

        recover_environment(str(new))

        if os.path.lexists(old):
            assert not os.path.lexists(new), fatal
            assert snapshot(old) == before, fatal
            outcomes.add("undone")
        else:
            assert snapshot(new) == with_changes(before), fatal
            outcomes.add("completed")
        names = {name for _, directories, _ in os.walk(directory) for name in directories}
        assert not any(name.startswith(".") for name in names), fatal
    assert outcomes == {"undone", "completed"}


@pytest.mark.parametrize("reverted", [False, True])
def test_a_killed_exchange_leaves_a_complete_tree_that_the_next_run_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, reverted: bool
) -> None:
    outcomes = set()
    fatal = 0
    while True:
        fatal += 1
        directory = tmp_path / str(fatal)
        old = make_tree(directory / "env")
        before, complete = snapshot(old), contents(old)
        changed = {**complete, **dict.fromkeys(CHANGED, b"new")}

        def change(old: Path = old) -> None:
            with TakeoverTransaction(str(old), "exchange", "") as transaction:
                stage(edits_of(old), transaction)
                transaction.commit()
                if reverted:
                    transaction.revert()

        if run_and_kill(monkeypatch, change, fatal) == "done":
            break
        assert contents(old) in (complete, changed), fatal

        recover_environment(str(old))

        assert snapshot(old) in (before, with_changes(before)), fatal
        outcomes.add("undone" if snapshot(old) == before else "completed")
        assert os.listdir(directory) == ["env"], fatal
    assert outcomes == {"undone", "completed"}


@pytest.mark.parametrize("change", [move, replace])
def test_directories_without_changes_stay_the_same(tmp_path: Path, change: Callable[..., None]) -> None:
    old, new = make_tree(tmp_path / "old"), tmp_path / "parent" / "new"
    before, inode = snapshot(old), (old / "lib" / "site" / "one").stat().st_ino

    change(old, new)

    result = new if change is move else old
    assert snapshot(result) == with_changes(before)
    assert (result / "lib" / "site" / "one").stat().st_ino == inode
    assert (result / "lib" / "site").stat().st_mtime_ns == OLD_TIME
    assert sorted(os.listdir(tmp_path)) == ["parent" if change is move else "old"]


@pytest.mark.parametrize("change", [move, replace])
def test_a_failed_verification_restores_the_old_tree(tmp_path: Path, change: Callable[..., None]) -> None:
    old, new = make_tree(tmp_path / "old"), tmp_path / "new"
    before, complete = snapshot(tmp_path), contents(old)

    def fail() -> None:
        result = new if change is move else old
        assert contents(result) == {**complete, **dict.fromkeys(CHANGED, b"new")}
        raise ClocheError("it does not work")

    with pytest.raises(ClocheError, match="it does not work"):
        change(old, new, fail)

    assert snapshot(tmp_path) == before
    assert times(old) == {OLD_TIME}


@pytest.mark.parametrize("change", [move, replace])
def test_another_run_cannot_lock_the_result_before_it_is_verified(tmp_path: Path, change: Callable[..., None]) -> None:
    old, new = make_tree(tmp_path / "old"), tmp_path / "new"
    states = []

    def verify() -> None:
        states.append(try_lock_directory(str(new if change is move else old))[1])

    change(old, new, verify)

    assert states == ["busy"]


def test_a_verification_that_needs_the_old_tree_gets_both(tmp_path: Path) -> None:
    old, new = make_tree(tmp_path / "old"), tmp_path / "new"
    before, seen = snapshot(old), []

    def verify() -> None:
        seen.append(old.exists())
        if not old.exists():
            raise NotTakenOver

    move(old, new, verify)

    assert seen == [False, True]
    assert snapshot(new) == with_changes(before)
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("change", [move, replace])
@pytest.mark.parametrize("failing", range(1, 9))
def test_without_the_exchange_of_entries_files_are_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None], failing: int
) -> None:
    """Some file systems exchange files but not directories, or fail for one of them."""
    old, new = make_tree(tmp_path / "old"), tmp_path / "parent" / "new"
    before, calls = snapshot(old), []

    def refuse(one: bytes, other: bytes) -> int:
        calls.append(one)
        return errno.EXDEV if len(calls) == failing else original(one, other)

    original = exchange.system_exchange
    monkeypatch.setattr(exchange, "system_exchange", refuse)

    change(old, new)

    assert snapshot(new if change is move else old) == with_changes(before)
    assert sorted(os.listdir(tmp_path)) == ["parent" if change is move else "old"]


def writes_into(directory: str) -> Iterable[Operation]:
    return MakeDir(directory), Write(f"{directory}/added", b"added")


@pytest.mark.parametrize("operations", [writes_into("lib/site/one/deep"), [SetMode("lib/site/one", 0o700)]])
def test_a_directory_that_an_operation_changes_is_not_taken_over(tmp_path: Path, operations) -> None:
    """If the move fails, the old tree must be what it was."""
    old, new = make_tree(tmp_path / "old"), tmp_path / "new"
    before, inode = snapshot(tmp_path), (old / "lib" / "site" / "one").stat().st_ino

    def fail() -> None:
        raise ClocheError("it does not work")

    with pytest.raises(ClocheError):
        apply([*edits_of(old), *operations], str(new), "new", fail, moved_from=str(old))
    assert snapshot(tmp_path) == before

    apply([*edits_of(old), *operations], str(new), "new", moved_from=str(old))
    assert (new / "lib" / "site" / "one").stat().st_ino != inode


def test_a_program_is_never_led_into_the_old_tree(tmp_path: Path) -> None:
    operations = [CopyTree(str(tmp_path), (), "hardlink"), Run(("true",), "do something")]
    assert not takeover.can_take_over(operations, str(tmp_path), "exchange", "")


def kill_before_takeover(monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Change a tree, and end the run before the new tree takes over any directory."""

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(takeover, "take_over", die)
        patch.setattr(Transaction, "_close", lambda self: [os.close(number) for number in self._descriptors])
        with pytest.raises(Killed):
            change()


def test_a_tree_with_a_copy_of_another_one_is_linked(tmp_path: Path) -> None:
    old, other = make_tree(tmp_path / "old"), make_tree(tmp_path / "other")
    operations = [CopyTree(str(old), (), "hardlink"), CopyTree(str(other), (), "hardlink")]
    assert not takeover.can_take_over(operations, str(old), "exchange", "")


def test_a_damaged_file_list_is_reported_as_a_damaged_image(tmp_path: Path) -> None:
    old = make_tree(tmp_path / "old")
    before = snapshot(old)
    (tmp_path / "purelib.files").write_text("not a file list")
    image = InstallTree("lib", str(tmp_path), str(tmp_path / "purelib.files"), 1, 1)

    with pytest.raises(DamagedImage):
        apply([*edits_of(old), image], str(old), "exchange")

    assert snapshot(old) == before


def test_an_old_path_that_was_used_again_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run was killed after the old tree was set aside, and somebody created another one."""
    old, new = make_tree(tmp_path / "old"), tmp_path / "new"
    before = snapshot(old)
    kill_before_takeover(monkeypatch, lambda: move(old, new))
    old.mkdir()

    recover_environment(str(new))

    assert snapshot(new) == with_changes(before)
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]
    assert os.listdir(old) == []


def test_nothing_is_left_of_a_killed_move_if_both_paths_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was killed while both trees existed. The user removed the new one, and moved the old one to a third path."""
    for fatal in count(1):
        directory = tmp_path / str(fatal)
        old, new = make_tree(directory / "old"), directory / "new"
        assert run_and_kill(monkeypatch, lambda old=old, new=new: move(old, new), fatal) == "killed"
        if new.exists() and not old.is_symlink():
            break
    shutil.rmtree(new)
    recover_environment(str(old))
    assert len(os.listdir(directory)) == 2  # `new` may have been moved, and then its links lead to the old tree
    old.rename(directory / "third")

    recover_environment(str(directory / "third"))

    assert os.listdir(directory) == ["third"]


@pytest.mark.parametrize("change", [move, replace])
@pytest.mark.parametrize("renamed", ["the parent", "the tree"])
def test_a_tree_that_was_renamed_after_a_kill_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None], renamed: str
) -> None:
    project = tmp_path / "project"
    old, new = make_tree(project / "old"), project / "new"
    changed = {**contents(old), **dict.fromkeys(CHANGED, b"new")}
    kill_before_takeover(monkeypatch, lambda: change(old, new))
    result = new if change is move else old
    if renamed == "the parent":
        project.rename(tmp_path / "other")
        result = tmp_path / "other" / result.name
    else:
        result = result.rename(project / "third")

    assert contents(result) == changed
    recover_environment(str(result))
    assert contents(result) == changed
    leftovers = [name for name in os.listdir(result.parent) if name.startswith(".")]
    assert bool(leftovers) == (renamed == "the tree")


@pytest.mark.parametrize("change", [move, replace])
def test_a_failure_to_give_directories_back_is_repaired_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    old, new = make_tree(tmp_path / "old"), tmp_path / "new"
    before = snapshot(old)
    result = new if change is move else old

    def fail() -> None:
        monkeypatch.setattr(takeover, "exchange_entries", refuse)
        raise ClocheError("it does not work")

    def refuse(one: str, other: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(ClocheError, match="could not restore"):
        change(old, new, fail)

    recover_environment(str(result))
    assert snapshot(result) == with_changes(before)
    assert os.listdir(tmp_path) == [result.name]
