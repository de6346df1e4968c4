"""Test that a hint names what forbids a change although the permission bits allow it, and how to remove it."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from cloche.apply import apply, obstacles
from cloche.apply.obstacles import remedy_for
from cloche.errors import ClocheError
from cloche.model.operations import Write
from cloche.store import Store
from cloche.store.maintenance import prune_store
from tests.distributions import host_with_home
from tests.transaction.test_apply import refuse_to_remove

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloche.model.aliases import Strategy

FLAGS = {"immutable": (0x10, "-i"), "append-only": (0x20, "-a")}


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, path: Path) -> None:
    """Give a path an attribute of Linux, for those who ask for it."""
    monkeypatch.delattr(os, "chflags", raising=False)
    monkeypatch.setattr(obstacles, "linux_flags", lambda entry: FLAGS[name][0] if entry == str(path) else 0)


def denied(*paths: Path, code: int = errno.EPERM) -> OSError:
    first, *others = map(str, paths)
    return OSError(code, os.strerror(code), first, None, *others)


@pytest.mark.parametrize("name", sorted(FLAGS))
@pytest.mark.parametrize("where", ["source", "parent of the source", "destination", "target"])
def test_an_attribute_is_named(name: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, destination, target = tmp_path / "it's" / "file", tmp_path / "staging" / "file", tmp_path / "env"
    paths = {"source": source, "parent of the source": source.parent, "destination": destination, "target": target}
    pretend(monkeypatch, name, paths[where])

    remedy = remedy_for(denied(source, destination), str(target))

    quoted = obstacles.quote_words([str(paths[where])], "posix")
    assert remedy == f"`{paths[where]}` is {name}, which `chattr {FLAGS[name][1]} {quoted}` changes"


def test_without_an_obstacle_the_permissions_are_the_cause(tmp_path: Path) -> None:
    assert remedy_for(denied(tmp_path)) == "check the permissions of the directory"


def test_a_mount_point_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(tmp_path / "mounted"))

    assert remedy_for(denied(tmp_path / "mounted" / "file", code=errno.EBUSY)) == (
        f"`{tmp_path / 'mounted'}` is a mount point: unmount it"
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such directories")
def test_an_entry_of_another_user_in_a_sticky_directory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sticky" / "env").mkdir(parents=True)
    (tmp_path / "sticky").chmod(0o1777)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    assert remedy_for(denied(tmp_path / "sticky" / "env")).startswith(
        f"`{tmp_path / 'sticky' / 'env'}` belongs to another user"
    )


def test_every_flag_of_macos_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "chflags", None, raising=False)
    for flag, name, argument in obstacles.BSD_FLAGS:
        monkeypatch.setattr(obstacles, "bsd_flags", lambda _, flag=flag: flag)
        assert remedy_for(denied(tmp_path)) == f"`{tmp_path}` is {name}, which `chflags {argument} {tmp_path}` changes"


def test_the_warning_about_what_is_left_has_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "script").write_text("old")
    refuse_to_remove(monkeypatch, "script")
    left = tmp_path / ".env.cloche-0"
    pretend(monkeypatch, "immutable", left / "old" / "script")

    [warning] = apply([Write("script", b"new")], str(tmp_path / "env"), "exchange")

    assert warning.startswith("what was replaced could not be removed completely")
    pretend(monkeypatch, "immutable", next(left.rglob("script")))
    assert obstacles.commands_before_removal(str(left)) == [f"chattr -R -i {left}"]


def test_a_cache_that_is_immutable_is_not_said_to_be_read_only_by_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(host_with_home(tmp_path / "home"))
    root = store.root
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not (path == root and mode & os.W_OK))
    pretend(monkeypatch, "immutable", root)  # type: ignore[arg-type]
    store = Store.open(host_with_home(tmp_path / "home"))

    with pytest.raises(ClocheError) as raised:
        prune_store(store)
    assert raised.value.hint == f"`{root}` is immutable, which `chattr -i {root}` changes"


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Path]:
    """A directory with an attribute that only the superuser can give it, on file systems that have attributes."""
    path = tmp_path / "fixed"
    path.mkdir()
    try:
        done = subprocess.run(["chattr", "+i", path], capture_output=True)
    except FileNotFoundError:
        pytest.skip("chattr is not installed: not applicable")
    if done.returncode:
        pytest.skip("the file system or the user cannot set attributes: not applicable")
    yield path
    subprocess.run(["chattr", "-i", path], check=True)


@pytest.mark.parametrize("strategy", ["new", "merge"])
def test_a_real_attribute_is_found(immutable: Path, strategy: Strategy) -> None:
    target = immutable / "env" if strategy == "new" else immutable

    with pytest.raises(ClocheError) as raised:
        apply([Write("file", b"")], str(target), strategy)

    assert raised.value.hint == f"`{immutable}` is immutable, which `chattr -i {immutable}` changes"
