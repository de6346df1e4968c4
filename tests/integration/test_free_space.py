"""Test that packages that cannot fit on the disk are refused before anything is downloaded or written."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.fs import free_space
from cloche.fs.free_space import lacking_space
from tests.integration.test_odd_places import mount
from tests.locks import package, pylock, simple_wheel, wheel_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.run import Cloche

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux is it known which file systems compress")

SIZE = 3_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system with less than two megabytes."""
    directory = mount("tmpfs", tmp_path / "small", "tmpfs", "-o", "size=1800k,mode=0700")
    yield directory
    subprocess.run(["umount", directory], check=True)


def lock(directory: Path, wheels: Path) -> None:
    """Write a lock file that names a wheel with a large file, which compresses well."""
    wheel = simple_wheel(wheels, "spam", files={"spam/__init__.py": "", "spam/data": "x" * SIZE})
    (directory / "pylock.toml").write_text(pylock([package("spam", "1.0", wheels=[wheel])]))


@pytest.mark.parametrize("dry", [False, True])
def test_an_environment_on_another_disk_needs_space_for_copies(
    dry: bool, small: Path, cloche: Cloche, tmp_path: Path
) -> None:
    lock(cloche.cwd, tmp_path / "wheels")

    done = cloche(
        small / "env", "--lock", "pylock.toml", "--find-links", tmp_path / "wheels", *(["--dry-run"] if dry else [])
    )

    assert done.code == 4
    assert (
        f"the environment does not fit on the disk: it needs at least 3.0 MB in `{small}`, but only 1.8 MB is free"
        in done.err
    )
    assert "hint: free some space, or choose a directory on another disk" in done.err
    assert os.listdir(small) == []


def test_links_need_no_space(small: Path, cloche: Cloche, tmp_path: Path) -> None:
    lock(cloche.cwd, tmp_path / "wheels")

    done = cloche(small / "env", "--lock", "pylock.toml", "--find-links", tmp_path / "wheels", "--link-mode", "symlink")

    assert (done.code, done.err) == (0, "")


def test_files_to_download_need_space_in_the_cache(small: Path, cloche: Cloche) -> None:
    """The server, which does not exist, is never asked."""
    wheel = wheel_entry("spam-1.0-py3-none-any.whl", size=1_500_000)
    (cloche.cwd / "pylock.toml").write_text(pylock([package("spam", "1.0", wheels=[wheel])]))

    done = cloche("./env", "--lock", "pylock.toml", "--cache-dir", small / "cache")

    assert done.code == 5
    assert "the packages do not fit on the disk: they need at least 3.0 MB in" in done.err
    assert "hint: free some space, or choose another directory with `--cache-dir`" in done.err
    assert list((small / "cache" / "artifacts").iterdir()) == []
    assert not (cloche.cwd / "env").exists()


@pytest.mark.parametrize("kind", ["btrfs", "overlay", "zfs", ""])
def test_a_file_system_that_may_need_less_is_not_judged(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_space, "file_system_of", lambda device: "ext4")
    assert lacking_space(str(tmp_path / "new"), 1 << 60)

    monkeypatch.setattr(free_space, "file_system_of", lambda device: kind)
    assert lacking_space(str(tmp_path / "new"), 1 << 60) is None
