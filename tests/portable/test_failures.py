"""Test that nothing half-made is left if a portable environment cannot be created."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.builtin.creators.portable.libraries import loader_of
from cloche.errors import ClocheError
from cloche.lifecycle.resolving import interpreter_for
from cloche.model.plan import EnvironmentSpec
from cloche.model.runtime import Runtime, RuntimeFile
from cloche.model.value import replace
from cloche.session import Session, current_host
from cloche.store.runtimes import find_or_build_runtime
from tests.interpreters import pyenv
from tests.run import Cloche, clean_environ
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A Python of which a test may remove files, which finds its library relative to itself."""
    original = Path(pyenv("3.12")).parent.parent
    root = tmp_path / "base"
    ignored = shutil.ignore_patterns("site-packages", "test", "idlelib", "__pycache__", "*.a", "lib2to3")
    shutil.copytree(original, root, symlinks=True, ignore=ignored)
    (root / "lib/python3.12/site-packages").mkdir()
    return root


@pytest.fixture
def cold(tmp_path: Path) -> Cloche:
    """The command line with an empty cache."""
    (tmp_path / "work").mkdir()
    (tmp_path / "home").mkdir()
    return Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))


def words(base: Path) -> list[str]:
    return ["./env", "--creator", "portable", "--no-seed", "-p", str(base / "bin/python3.12")]


def images(tmp_path: Path) -> Iterator[Path]:
    """Yield what there is of images in the cache: whole ones and leftovers."""
    yield from (tmp_path / "cache").glob("cloche/images/*/*")


def test_a_base_that_disappears_leaves_nothing_behind(cold: Cloche, base: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cloche", *words(base)],
        cwd=cold.cwd, env=cold.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(images(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.005)
    base.rename(tmp_path / "moved")
    _, errors = process.communicate(timeout=120)

    assert process.returncode != 0
    assert errors.startswith("cloche: error: ")
    assert len(errors.splitlines()) <= 2
    assert os.listdir(cold.cwd) == []
    assert list(images(tmp_path)) == []


@pytest.mark.parametrize("seconds", [0.3, 0.8, 2.0])
def test_an_interrupted_compilation_leaves_nothing_behind(
    cold: Cloche, base: Path, tmp_path: Path, seconds: float
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cloche", *words(base)],
        cwd=cold.cwd, env=cold.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(images(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)

    if process.returncode == 0:
        pytest.skip("it was faster than the interrupt")
    assert process.returncode == 130, errors
    assert os.listdir(cold.cwd) == []
    assert [path for path in images(tmp_path) if path.name.endswith(".new")] == []
    assert cold(*words(base)).code == 0


def test_a_full_disk_leaves_nothing_behind(base: Path, tmp_path: Path) -> None:
    unshare = require("unshare")
    if subprocess.run([unshare, "-m", "true"], capture_output=True, check=False).returncode:
        skip_missing("mount namespaces are not permitted")
    (tmp_path / "small").mkdir()
    (tmp_path / "home").mkdir()
    script = (
        'mount -t tmpfs -o size=20m none "$1"; cd "$1"; shift; "$@"; code=$?; ls -A; find . -name "*.new"; exit $code'
    )
    environ = clean_environ(tmp_path / "home", tmp_path / "small" / "cache")

    done = subprocess.run(
        [unshare, "-m", "sh", "-c", script, "sh", str(tmp_path / "small"), sys.executable, "-m", "cloche", *words(base)],
        capture_output=True, text=True, check=False, env=environ, timeout=120,
    )  # fmt: skip

    assert done.returncode == 1, done
    assert "no space left on device" in done.stderr.lower()
    assert done.stdout.split() == ["cache"]


def test_a_file_that_cannot_be_read_is_named(cold: Cloche, base: Path) -> None:
    """A link in the standard library that leads nowhere is left out; a directory in the place of a library is an error."""
    (base / "lib/python3.12/dangling.py").symlink_to("nowhere")
    assert cold(*words(base)).code == 0

    assert not (cold.cwd / "env/lib/python3.12/dangling.py").exists()


def test_a_python_with_its_own_loader_is_refused(cold: Cloche, base: Path) -> None:
    """Such as the Python of a newer Debian that was unpacked into a directory."""
    executable = base / "bin/python3.12"
    loader = os.fsencode(loader_of(str(executable)))
    with tempfile.TemporaryDirectory(prefix="l", dir="/tmp") as directory:
        own = os.path.join(directory, "ld.so")
        os.symlink(os.fsdecode(loader), own)
        content = executable.read_bytes()
        assert content.count(loader) == 1
        executable.write_bytes(content.replace(loader, os.fsencode(own).ljust(len(loader), b"\0")))
        subprocess.run([executable, "-c", "pass"], check=True)

        done = cold(*words(base))

    assert (done.code, os.listdir(cold.cwd)) == (2, []), done
    assert f"a loader of its own, `{own}`" in done.err


@pytest.mark.parametrize(
    ("content", "reason"), [("#!/bin/sh\necho no libfoo >&2; exit 127\n", "no libfoo"), ("#!/none\n", "no such file")]
)
def test_a_copy_that_does_not_start_is_refused(
    cold: Cloche, base: Path, tmp_path: Path, content: str, reason: str
) -> None:
    """Whatever the reason is, nothing is created, and nothing is kept in the cache."""
    executable = tmp_path / "python3.12"
    executable.write_text(content)
    executable.chmod(0o755)
    runtime = Runtime("cpython", "3.12.1", (RuntimeFile("bin/python3.12", str(executable), executable=True),))
    with Session(current_host(cold.environ)) as session:
        interpreter = replace(
            interpreter_for(EnvironmentSpec(pythons=(str(base / "bin/python3.12"),)), session),
            executable=str(executable),
        )
        with pytest.raises(ClocheError, match="does not start") as raised:
            find_or_build_runtime(runtime, interpreter, session.store)

    assert reason in raised.value.message.lower()
    assert list(images(tmp_path)) == []
