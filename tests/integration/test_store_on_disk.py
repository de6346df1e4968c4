"""What a run asks of the system: nothing of a store that is only read, and the disk before an image gets its name."""

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

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tools are those of Linux")

CHANGES = (
    "mkdir,mkdirat,rmdir,unlink,unlinkat,link,linkat,symlink,symlinkat,rename,renameat,renameat2,truncate,ftruncate,"
    "chmod,fchmod,fchmodat,chown,fchown,fchownat,utimensat,open,openat,creat"
)


def traced(cloche: Cloche, calls: str, *argv: object, **variables: str) -> tuple[Outcome, list[str]]:
    """Run a command and return what became of it, and the calls of these kinds that it and its children made."""
    log = cloche.cwd.parent / "strace.log"
    watching = [require("strace"), "-f", "-y", "-qq", "-o", str(log), "-e", f"trace={calls}"]
    done = subprocess.run(
        [*watching, sys.executable, "-m", "cloche", *map(str, argv)],
        cwd=cloche.cwd,
        env={**cloche.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = log.read_text(errors="replace").splitlines()
    return Outcome(done.returncode, done.stdout, done.stderr), [line.partition(" ")[2].strip() for line in lines]


def powerless(cloche: Cloche, *argv: object, **variables: str) -> Outcome:
    """Run a command as a user for whom permissions count, which they do not for the superuser."""
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
    """A cache with all that it takes for the environment of a plain `cloche env`, and nothing else."""
    assert cloche("env").code == 0
    shutil.rmtree(cloche.cwd / "env")
    (abi,) = (shared_cache / "cloche" / "images").glob(f"{sys.implementation.cache_tag}-*")
    place = tmp_path / "own-cache"
    shutil.copytree(abi, place / "images" / abi.name)
    shutil.copytree(shared_cache / "cloche" / "interpreters", place / "interpreters")
    for parent, _, _ in os.walk(place):
        os.chmod(parent, 0o700)
    return place


def close(place: Path) -> None:
    """Let nobody write into a directory or anything below."""
    for parent, _, _ in os.walk(place):
        os.chmod(parent, 0o500)


def records(place: Path) -> dict[str, tuple[int, ...]]:
    """Return what a look, a link or a change leaves in the records of every file and directory."""
    found = {}
    for path in (".", *snapshot(place)):
        status = os.lstat(place / path)
        found[path] = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns, status.st_nlink)
    return found


def test_a_cache_that_is_only_read_is_asked_for_nothing_else(cloche: Cloche, cache: Path) -> None:
    done, calls = traced(cloche, CHANGES, "env", "--cache-dir", cache, "--read-only-cache")

    assert (done.code, done.err) == (0, "")
    inside = [call for call in calls if str(cache) in call]
    assert inside != [], "its files are opened"
    assert [call for call in inside if not re.match(r"open(at)?\(.*O_RDONLY", call)] == []


def test_a_cache_without_permission_to_write_serves_in_full_and_silently(cloche: Cloche, cache: Path) -> None:
    close(cache)
    before = records(cache)

    done = powerless(cloche, "env", "--cache-dir", cache)

    assert (done.code, done.err) == (0, "")
    assert (cloche.cwd / "env" / "bin" / "pip").exists()
    assert records(cache) == before


@pytest.mark.parametrize("closed", ["all of it", "the images of one ABI"])
def test_what_cannot_be_kept_is_made_all_the_same_and_one_line_says_so(
    cloche: Cloche, cache: Path, closed: str
) -> None:
    (abi,) = (cache / "images").iterdir()
    for image in abi.iterdir():
        shutil.rmtree(image)
    close(cache if closed == "all of it" else abi)

    done = powerless(cloche, "env", "--cache-dir", cache)

    assert done.code == 0
    (line,) = done.err.splitlines()
    assert line.startswith("cloche: warning: ")
    assert "is not writable" in line
    assert (cloche.cwd / "env" / "bin" / "pip").exists()


def test_an_image_is_on_the_disk_before_it_has_its_name(cloche: Cloche, tmp_path: Path) -> None:
    done, calls = traced(cloche, "syncfs,fsync,rename,renameat,renameat2", "env", "--cache-dir", tmp_path / "fresh")

    assert done.code == 0
    images = [call for call in calls if "/fresh/images/" in call]
    named = next(at for at, call in enumerate(images) if call.startswith("rename"))
    assert any(re.match(r"(syncfs|fsync)\(.*\.new", call) for call in images[:named]), "its content, first"
    assert any(call.startswith("fsync") for call in images[named:]), "and its name, afterwards"


def test_a_cache_that_goes_when_it_is_about_to_be_used_is_made_again(cloche: Cloche, cache: Path) -> None:
    """It goes when the new environment begins to be staged, which is when its files are wanted."""
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
    model = cloche("model", "--cache-dir", cache.with_name("another"))  # without byte-code, as what is made anew
    assert model.code == 0
    done = subprocess.run(
        [sys.executable, "-c", program, "env", "--cache-dir", str(cache)],
        cwd=cloche.cwd,
        env=cloche.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert snapshot(cloche.cwd / "env").paths() == snapshot(cloche.cwd / "model").paths()


def test_links_may_point_into_a_cache_that_is_only_read(cloche: Cloche, tmp_path: Path) -> None:
    """They change nothing there, and it stays; what this run alone has unpacked is copied instead."""
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
