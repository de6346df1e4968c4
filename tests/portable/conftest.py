"""Portable environments of the interpreters on this machine, created in the cache that all tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.interpreters import debian, pyenv, pypy
from tests.run import Cloche
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILDS = ("3.12", "3.9", "3.10", "3.11", "3.13", "debian", "pypy")
"""Minor versions that pyenv installed, Debian's Python, and Debian's PyPy. The quick tests use the first one."""


class Base(NamedTuple):
    """An interpreter of this machine."""

    executable: str
    hidden: tuple[str, ...]
    """What a test hides to be sure that the environment does not use it."""


def find_base(build: str) -> Base:
    """Return the interpreter for an entry of `BUILDS`, or skip the test."""
    if build == "debian":
        executable = os.path.realpath(debian())
        name = os.path.basename(executable)
        return Base(executable, (f"/usr/lib/{name}", "/usr/lib/python3", f"/etc/{name}", "/usr/share/python-wheels"))
    if build == "pypy":
        executable = pypy()
        return Base(executable, (f"/usr/lib/{os.path.basename(executable)}", "/usr/lib/python3", "/usr/lib/pypy3"))
    executable = pyenv(build)
    return Base(executable, (os.path.dirname(os.path.dirname(executable)),))


@pytest.fixture
def base(request: pytest.FixtureRequest) -> Base:
    return find_base(getattr(request, "param", BUILDS[0]))


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line, with the cache that all tests share."""
    return Cloche(tmp_path, os.environ)


class Portable(NamedTuple):
    """A portable environment, and its base."""

    root: Path
    base: Base

    @property
    def python(self) -> str:
        return str(self.root / "bin" / "python")


@pytest.fixture
def portable(base: Base, cloche: Cloche) -> Portable:
    """A portable environment that a test may change."""
    done = cloche("./env", "--creator", "portable", "-p", base.executable)
    assert (done.code, done.err) == (0, ""), done
    return Portable(cloche.cwd / "env", base)


def hidden_base(base: Base, script: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a mount namespace in which the base is hidden; skip the test if there are none."""
    unshare = require("unshare")
    if subprocess.run([unshare, "-m", "true"], capture_output=True, check=False).returncode:
        skip_missing("mount namespaces are not permitted")
    existing = [path for path in base.hidden if os.path.isdir(path)]
    lines = [f"mount -t tmpfs none '{path}'" for path in existing]
    return subprocess.run(
        [unshare, "-m", "sh", "-ec", "\n".join([*lines, script]), "sh", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd="/",
    )


def run(*command: object, env: dict[str, str] | None = None, cwd: object = "/") -> subprocess.CompletedProcess[str]:
    """Run a program without the variables of this process."""
    words: Sequence[str] = [*map(str, command)]
    variables = {"HOME": "/dev/null/home", "PATH": "/usr/bin:/bin", **(env or {})}
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, env=variables, cwd=str(cwd))


def output_of(*command: object, env: dict[str, str] | None = None, cwd: object = "/") -> str:
    """Run a program that must succeed, and return its standard output."""
    done = run(*command, env=env, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def minimal_root(tmp_path: Path) -> Path:
    """A root file system with nothing but glibc, a shell and the programs that scripts of an environment call."""
    root = tmp_path / "minimal"
    loader = next(Path("/").glob("lib64/ld-linux-*.so.2"))
    for name in ("bin", "lib64", "proc", "dev", "tmp", "env"):
        (root / name).mkdir(parents=True)
    programs = [(require("dash"), "sh"), *((require(name), name) for name in ("env", "dirname", "readlink", "cat"))]
    wanted = {str(loader)}
    for program, name in programs:
        shutil.copy(program, root / "bin" / name)
        wanted |= libraries_of(loader, program)
    directory = os.path.dirname(next(path for path in wanted if os.path.basename(path) == "libc.so.6"))
    for name in ("libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2"):
        wanted.add(f"{directory}/{name}")
    for path in wanted:
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return root


def libraries_of(loader: Path, program: str) -> set[str]:
    """Return the paths of the libraries of a program."""
    listed = subprocess.run([loader, "--list", program], capture_output=True, text=True, check=True).stdout
    return {line.split(" => ")[1].split(" ")[0] for line in listed.splitlines() if " => /" in line}


def run_in(root: Path, environment: Path, *command: object, proc: str = "yes") -> subprocess.CompletedProcess[str]:
    """Run a program in another root file system, with an environment at `/env`, which is read-only."""
    unshare = require("unshare")
    if subprocess.run([unshare, "-m", "true"], capture_output=True, check=False).returncode:
        skip_missing("mount namespaces are not permitted")
    script = (
        'root=$1 environment=$2; shift 2; mount --bind "$environment" "$root/env"; mount -o remount,bind,ro "$root/env"; '
        + 'mount -t proc proc "$root/proc"; ' * (proc == "yes")
        + 'mount --bind /dev "$root/dev"; '
        + 'exec chroot "$root" /bin/env -i HOME=/tmp PATH=/bin "$@"'
    )
    words = [unshare, "-m", "sh", "-ec", script, "sh", str(root), str(environment), *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
