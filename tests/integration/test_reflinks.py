"""Test that files share their blocks where the file system can do that, and are linked or copied where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.run import Cloche
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMATS = {"btrfs": ("mkfs.btrfs", "-q"), "xfs": ("mkfs.xfs", "-q", "-m", "reflink=1")}


@pytest.fixture(scope="module", params=FORMATS)
def mounted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new file system that supports reflinks, in a file."""
    directory = tmp_path_factory.mktemp(request.param)
    image, place = directory / "image", directory / "mounted"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(600 << 20)
    program, *options = FORMATS[request.param]
    subprocess.run([require(program), *options, image], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", image, place], check=False, capture_output=True).returncode:
        pytest.skip(f"this system does not permit to mount a file with {request.param}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)
    image.unlink()


@pytest.fixture
def cloche(mounted: Path) -> Iterator[Cloche]:
    """The command line, with its cache on the same file system, and an umask that hides files from other users."""
    before = os.umask(0o077)
    yield Cloche(mounted, {**os.environ, "CLOCHE_CACHE_DIR": str(mounted / "cache")})
    os.umask(before)


def is_shared(path: Path) -> bool:
    """Return whether another file has the same blocks."""
    os.sync()
    done = subprocess.run([require("filefrag"), "-v", path], capture_output=True, text=True, check=True)
    return "shared" in done.stdout


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.lstat().st_mode for path in root.rglob("*")}


def large_module(env: Path) -> Path:
    [found] = env.glob("lib/python3*/site-packages/pip/_vendor/idna/uts46data.py")
    return found


def test_environments_share_blocks_with_the_store(cloche: Cloche) -> None:
    for name in ("first", "second"):
        assert cloche(f"./{name}").code == 0
    first, second = (large_module(cloche.cwd / name) for name in ("first", "second"))

    assert is_shared(second)
    assert second.stat().st_nlink == 1
    second.write_text("mine = True\n")
    assert first.read_text() != "mine = True\n"
    assert cloche("verify", "first").code == 0


def test_a_copy_shares_blocks_with_the_original(cloche: Cloche, mounted: Path) -> None:
    """Its files have the same permissions, whatever the umask is."""
    assert cloche("./original", "--link-mode", "copy").code == 0
    data = mounted / "original" / "data"
    data.write_bytes(os.urandom(1 << 20))
    data.chmod(0o604)

    done = cloche("move", "original", "copied", "--copy")

    assert done.code == 0, done
    assert is_shared(large_module(mounted / "copied"))
    assert is_shared(mounted / "copied" / "data")
    assert modes(mounted / "copied") == modes(mounted / "original")
    (mounted / "copied" / "data").write_bytes(b"mine")
    assert data.stat().st_size == 1 << 20


def test_a_portable_environment_shares_blocks_with_the_store(cloche: Cloche, mounted: Path) -> None:
    assert cloche("./portable", "--creator", "portable", "--no-seed").code == 0
    python = (mounted / "portable" / "bin" / "python").resolve()

    assert is_shared(python)
    assert (python.stat().st_nlink, python.stat().st_mode & 0o777) == (1, 0o755)
    assert cloche("verify", "portable").code == 0


def test_another_file_system_gets_copies(cloche: Cloche, tmp_path: Path) -> None:
    """Blocks cannot be shared between file systems."""
    assert cloche("./here", "--link-mode", "copy").code == 0
    assert cloche(tmp_path / "there").code == 0
    assert cloche("move", "here", tmp_path / "copied", "--copy").code == 0

    assert large_module(tmp_path / "there").stat().st_nlink == 1
    assert not is_shared(large_module(tmp_path / "copied"))
    for name in ("there", "copied"):
        assert cloche("verify", tmp_path / name).code == 0


@pytest.mark.parametrize("error", ["EOPNOTSUPP", "EXDEV", "EINVAL", "ENOTTY"])
def test_files_that_cannot_share_blocks_are_linked_or_copied(tmp_path: Path, error: str) -> None:
    """Every file system has another error for that."""
    strace = require("strace")
    cloche = Cloche(tmp_path, os.environ)
    assert cloche("./expected", "--link-mode", "copy").code == 0
    (tmp_path / "expected" / "data").write_text("mine")
    inject = [strace, "-f", "-o", os.devnull, "-e", "trace=ioctl", "-e", f"inject=ioctl:error={error}"]
    for words in (["./created"], ["move", "expected", "copied", "--copy"]):
        command = [*inject, sys.executable, "-m", "cloche", *words]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        assert cloche("verify", "created" if len(words) == 1 else "copied").code == 0

    assert large_module(tmp_path / "created").stat().st_nlink > 1
    assert large_module(tmp_path / "copied").stat().st_nlink == 1
    assert (tmp_path / "copied" / "data").read_text() == "mine"
