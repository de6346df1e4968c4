"""Test that the images of the page on containers work: its instructions are followed in two root file systems."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.pages import DOCS, blocks
from tests.portable.conftest import minimal_root, run_in
from tests.run import Cloche
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["minimal_root"]

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

LINES = {block.caption: block.body.strip().splitlines() for block in blocks(DOCS / "how-to/build-a-container-image.md")}
PROGRAM = """\
import markupsafe._speedups, sqlite3, ssl, sys
print(sys.prefix, len(ssl.create_default_context().get_ca_certs()) > 9)
"""
OVERLAY = """
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/merged"
cd "$1/merged"
mount --rbind /dev dev
mount -t proc none proc
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """The directory in which an image is built: a lock file with a compiled package, and a program."""
    directory = tmp_path / "context"
    directory.mkdir()
    (directory / "requirements.in").write_text("markupsafe\n")
    (directory / "app.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "uv", "pip", "compile", "-q", "requirements.in", "-o", "pylock.toml"]
    if subprocess.run(command, cwd=directory, capture_output=True, check=False).returncode:
        skip_missing("no package index can be reached")
    return directory


def test_the_environment_of_a_first_stage_runs_in_a_second_one(
    context: Path, minimal_root: Path, tmp_path: Path
) -> None:
    """The first stage is this machine, with the cloche that runs the test. The second one has nothing but glibc."""
    lines = LINES["Dockerfile"]
    first, second = lines[: lines.index("")], lines[lines.index("") + 1 :]
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    assert first[0].endswith(" AS build")
    assert first[1] == "RUN python -m pip install cloche"
    assert first[2] == "COPY pylock.toml /"
    command = first[3].removeprefix("RUN cloche ")
    shutil.copy(context / "pylock.toml", tmp_path / "upper")
    script = OVERLAY + f'exec chroot . "$2" -m cloche {command}'
    unshare = [require("unshare"), "-m", "sh", "-ec", script, "sh", str(tmp_path), sys.executable]
    environ = {**os.environ, "HOME": "/tmp", "XDG_CACHE_HOME": "/cache"}  # an empty one, as in a new container
    done = subprocess.run(unshare, capture_output=True, text=True, check=False, env=environ)
    if "overlay" in done.stderr and done.returncode == 32:
        skip_missing("overlays are not permitted")
    assert done.returncode == 0, done

    assert second[1:3] == ["COPY --from=build /env /env", "COPY app.py /"]
    shutil.copy(context / "app.py", minimal_root)
    done = run_in(minimal_root, tmp_path / "upper" / "env", *json.loads(second[3].removeprefix("CMD ")))
    assert (done.returncode, done.stdout) == (0, "/env True\n"), done


def test_a_packed_environment_is_added(context: Path, minimal_root: Path, tmp_path: Path) -> None:
    lines = LINES["Dockerfile.packed"]
    assert lines[1:3] == ["ADD env.tar.gz /env/", "COPY app.py /"]
    cloche = Cloche(context, os.environ)
    assert cloche("./env", "--creator", "portable", "--carry-libraries", "--lock", "pylock.toml").code == 0
    assert cloche("pack", "env", "-o", "env.tar.gz").code == 0
    (tmp_path / "added").mkdir()
    subprocess.run(["tar", "-xzf", context / "env.tar.gz", "-C", tmp_path / "added"], check=True)
    shutil.copy(context / "app.py", minimal_root)

    done = run_in(minimal_root, tmp_path / "added", *json.loads(lines[3].removeprefix("CMD ")))

    assert (done.returncode, done.stdout) == (0, "/env True\n"), done
