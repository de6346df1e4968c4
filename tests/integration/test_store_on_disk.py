"""Test the system calls of a run: none change a read-only store, and an image is flushed before it gets its name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.run import Cloche, Outcome
from tests.tools import require
from tests.trees import snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs strace, which only Linux has")

CHANGES = (
    "mkdir,mkdirat,rmdir,unlink,unlinkat,link,linkat,symlink,symlinkat,rename,renameat,renameat2,truncate,ftruncate,"
    "chmod,fchmod,fchmodat,chown,fchown,fchownat,utimensat,open,openat,creat"
)


def traced(cloche: Cloche, calls: str, *argv: object, **variables: str) -> tuple[Outcome, list[str]]:
    """Run a command under strace; return its outcome, and the given system calls of it and its child processes."""
    log = cloche.cwd.parent / "strace.log"
    strace = [require("strace"), "-f", "-y", "-qq", "-o", str(log), "-e", f"trace={calls}"]
    done = subprocess.run(
        [*strace, sys.executable, "-m", "cloche", *map(str, argv)],
        cwd=cloche.cwd,
        env={**cloche.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = log.read_text(errors="replace").splitlines()
    return Outcome(done.returncode, done.stdout, done.stderr), [line.partition(" ")[2].strip() for line in lines]


def unprivileged(cloche: Cloche, *argv: object, **variables: str) -> Outcome:
    """Run a command without the privileges of the superuser, who could ignore permissions."""
    dropped = "-dac_override,-dac_read_search,-fowner"
    command = [require("setpriv"), "--bounding-set", dropped, "--inh-caps", dropped] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*command, sys.executable, "-m", "cloche", *map(str, argv)],
        cwd=cloche.cwd,
        env={**cloche.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def cache(cloche: Cloche, shared_cache: Path, tmp_path: Path) -> Path:
    """A cache with everything that a plain `cloche ./env` needs, and nothing else."""
    assert cloche("./env").code == 0
    shutil.rmtree(cloche.cwd / "env")
    (abi,) = (shared_cache / "cloche" / "images").glob(f"{sys.implementation.cache_tag}-*")
    cache = tmp_path / "own-cache"
    shutil.copytree(abi, cache / "images" / abi.name)
    shutil.copytree(shared_cache / "cloche" / "interpreters", cache / "interpreters")
    for parent, _, _ in os.walk(cache):
        os.chmod(parent, 0o700)
    return cache


def make_read_only(directory: Path) -> None:
    """Make a directory and the directories below it read-only."""
    for parent, _, _ in os.walk(directory):
        os.chmod(parent, 0o500)


def timestamps(directory: Path) -> dict[str, tuple[int, ...]]:
    """Return the times and link count of every file and directory; reading, linking and changing a file alter them."""
    found = {}
    for path in (".", *snapshot(directory)):
        status = os.lstat(directory / path)
        found[path] = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns, status.st_nlink)
    return found


def test_a_read_only_cache_is_only_opened_for_reading(cloche: Cloche, cache: Path) -> None:
    done, calls = traced(cloche, CHANGES, "./env", "--cache-dir", cache, "--read-only-cache")

    assert (done.code, done.err) == (0, "")
    inside = [call for call in calls if str(cache) in call]
    assert inside != [], "the run reads files of the cache"
    assert [call for call in inside if not re.match(r"open(at)?\(.*O_RDONLY", call)] == []


def test_a_cache_without_write_permission_is_used_without_a_warning(cloche: Cloche, cache: Path) -> None:
    make_read_only(cache)
    before = timestamps(cache)

    done = unprivileged(cloche, "./env", "--cache-dir", cache)

    assert (done.code, done.err) == (0, "")
    assert (cloche.cwd / "env" / "bin" / "pip").exists()
    assert timestamps(cache) == before


@pytest.mark.parametrize("read_only", ["the whole cache", "the images of one ABI"])
def test_images_that_cannot_be_cached_are_built_with_a_warning(cloche: Cloche, cache: Path, read_only: str) -> None:
    (abi,) = (cache / "images").iterdir()
    for image in abi.iterdir():
        shutil.rmtree(image)
    make_read_only(cache if read_only == "the whole cache" else abi)

    done = unprivileged(cloche, "./env", "--cache-dir", cache)

    assert done.code == 0
    (line,) = done.err.splitlines()
    assert line.startswith("cloche: warning: ")
    assert "is not writable" in line
    assert (cloche.cwd / "env" / "bin" / "pip").exists()


def test_an_image_is_flushed_to_the_disk_before_it_is_renamed(cloche: Cloche, tmp_path: Path) -> None:
    done, calls = traced(cloche, "syncfs,fsync,rename,renameat,renameat2", "./env", "--cache-dir", tmp_path / "fresh")

    assert done.code == 0
    images = [call for call in calls if "/fresh/images/" in call]
    renamed = next(at for at, call in enumerate(images) if call.startswith("rename"))
    assert any(re.match(r"(syncfs|fsync)\(.*\.new", call) for call in images[:renamed]), "its content is flushed first"
    assert any(call.startswith("fsync") for call in images[renamed:]), "its name is flushed afterwards"


def test_a_cache_that_vanishes_while_an_environment_is_staged_is_built_again(cloche: Cloche, cache: Path) -> None:
    """It is removed when staging begins, which is when its files are needed."""
    program = (
        "import shutil, sys, cloche.apply.transaction as transaction\n"
        "entered = transaction.Transaction.__enter__\n"
        "def enter(self):\n"
        "    shutil.rmtree(sys.argv[3])\n"
        "    transaction.Transaction.__enter__ = entered\n"
        "    return entered(self)\n"
        "transaction.Transaction.__enter__ = enter\n"
        "from cloche.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    assert cloche("model", "--cache-dir", cache.with_name("another")).code == 0
    done = subprocess.run(
        [sys.executable, "-c", program, "./env", "--cache-dir", str(cache)],
        cwd=cloche.cwd,
        env=cloche.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    env, model = (snapshot(cloche.cwd / name).without_bytecode() for name in ("env", "model"))
    assert env.paths() == model.paths()


def test_symlinks_may_point_into_a_read_only_cache(cloche: Cloche, tmp_path: Path) -> None:
    """Such links do not change the cache, and it persists; files in the temporary cache of a run are copied instead."""
    cache = tmp_path / "cache"
    assert cloche("one", "--cache-dir", cache).code == 0
    linked = cloche("two", "--cache-dir", cache, "--read-only-cache", "--link-mode", "symlink")
    assert (linked.code, linked.err) == (0, "")
    [module] = (cloche.cwd / "two").glob("lib/python*/site-packages/pip/__init__.py")
    assert module.resolve().is_relative_to(cache.resolve())

    (tmp_path / "empty").mkdir(mode=0o700)
    copied = cloche("three", "--cache-dir", tmp_path / "empty", "--read-only-cache", "--link-mode", "symlink")
    assert copied.code == 0
    assert "cache that this run removes" in copied.err
    [module] = (cloche.cwd / "three").glob("lib/python*/site-packages/pip/__init__.py")
    assert not module.is_symlink()
