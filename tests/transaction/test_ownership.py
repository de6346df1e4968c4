"""Test that trees that are copied or replaced keep owners, groups, extended attributes and hard links.

Other owners need the superuser, so the tests that need them are skipped for other users.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from cloche.apply import apply, ownership
from cloche.model.operations import CopyTree, MakeDir, Rewrite, SetMode, Write

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.model.aliases import LinkMode, Strategy

USER, GROUP = 12345, 23456

as_superuser = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser can give files to another user"
)
posix = pytest.mark.skipif(os.name == "nt", reason="tests POSIX permissions")
MODES: list[LinkMode] = ["hardlink", "clone", "copy"]


def make_tree(root: Path) -> Path:
    """Create a tree with a link, and with two files that are links to each other."""
    (root / "data" / "deep").mkdir(parents=True)
    (root / "data" / "file").write_text("precious\n")
    (root / "data" / "again").hardlink_to(root / "data" / "file")
    (root / "data" / "link").symlink_to("file")
    (root / "text").write_text("old\n")
    return root


def owners(root: Path) -> set[tuple[int, int]]:
    paths = [root, *root.rglob("*")]
    return {(status.st_uid, status.st_gid) for status in map(os.lstat, paths)}


def give_away(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        os.lchown(path, USER, GROUP)


@as_superuser
@pytest.mark.parametrize("mode", MODES)
def test_a_copied_tree_keeps_its_owner_and_its_group(tmp_path: Path, mode: LinkMode) -> None:
    old = make_tree(tmp_path / "old")
    give_away(old)
    operations = [
        CopyTree(str(old), ("text",), mode),
        Rewrite("text", b"new\n", str(old / "text")),
        SetMode(".", 0o755),
    ]
    apply(operations, str(tmp_path / "new"), "new")
    assert owners(tmp_path / "new") == {(USER, GROUP)}


@as_superuser
def test_a_directory_keeps_its_group_and_setgid(tmp_path: Path) -> None:
    old = make_tree(tmp_path / "old")
    os.chown(old / "data", 0, GROUP)
    (old / "data").chmod(0o2775)
    apply([CopyTree(str(old), (), "hardlink")], str(tmp_path / "new"), "new")
    status = (tmp_path / "new" / "data").stat()
    assert (status.st_gid, status.st_mode & 0o7777) == (GROUP, 0o2775)


@posix
@pytest.mark.parametrize("mode", MODES)
def test_links_to_one_file_stay_links_to_one_file(tmp_path: Path, mode: LinkMode) -> None:
    old = make_tree(tmp_path / "old")
    apply([CopyTree(str(old), (), mode)], str(tmp_path / "new"), "new")
    copy = tmp_path / "new" / "data"
    assert (copy / "file").samefile(copy / "again")
    assert (copy / "file").samefile(old / "data" / "file") is (mode == "hardlink")


@pytest.mark.parametrize("mode", MODES)
def test_extended_attributes_are_kept(tmp_path: Path, mode: LinkMode) -> None:
    old = make_tree(tmp_path / "old")
    if not hasattr(os, "setxattr"):
        pytest.skip("this system has no extended attributes")
    for path in ("data", "data/file", "text"):
        try:
            os.setxattr(old / path, "user.origin", path.encode())
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            pytest.skip("this file system has no extended attributes")
    apply([CopyTree(str(old), ("text",), mode), Rewrite("text", b"", str(old / "text"))], str(tmp_path / "new"), "new")
    for path in ("data", "data/file", "text"):
        assert os.getxattr(tmp_path / "new" / path, "user.origin") == path.encode()


@as_superuser
@pytest.mark.parametrize("strategy", ["exchange", "merge", "merge-emptied"])
def test_what_replaces_a_tree_belongs_to_the_owner_of_that_tree(tmp_path: Path, strategy: Strategy) -> None:
    target = make_tree(tmp_path / "env")
    give_away(target)
    apply([MakeDir("bin"), MakeDir("bin/deep"), Write("bin/deep/script", b"")], str(target), strategy)
    assert (target / "bin" / "deep" / "script").exists()
    assert owners(target) == {(USER, GROUP)}


@as_superuser
def test_a_file_that_others_share_is_not_given_away(tmp_path: Path) -> None:
    target, shared = make_tree(tmp_path / "env"), tmp_path / "shared"
    give_away(target)
    shared.mkdir()
    (shared / "file").write_text("shared\n")
    apply([MakeDir("bin"), CopyTree(str(shared), (), "hardlink")], str(target), "exchange")
    assert (target / "file").samefile(shared / "file")
    assert (shared / "file").stat().st_uid == 0


@as_superuser
def test_an_empty_directory_keeps_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "env"
    target.mkdir()
    os.chown(target, USER, GROUP)
    apply([Write("file", b"")], str(target), "new")
    assert (target.stat().st_uid, target.stat().st_gid) == (USER, GROUP)


@as_superuser
def test_a_file_that_cannot_be_given_away_keeps_its_group_and_loses_setuid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_tree(tmp_path / "old")
    os.chown(old / "text", USER, GROUP)
    (old / "text").chmod(0o4755)
    allowed = os.chown

    def change_group(path: str, user: int, group: int, **others: object) -> None:
        if user != -1:
            raise PermissionError(errno.EPERM, "Operation not permitted", path)
        allowed(path, user, group, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(ownership.os, "chown", change_group)
    apply([CopyTree(str(old), (), "copy")], str(tmp_path / "new"), "new")
    status = (tmp_path / "new" / "text").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, GROUP, 0o755)
