"""Test that a signal to cloche alone, not to its process group, ends every program that it has started."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.trees import snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no such signals")

BACKEND = """\
import os, time

def build_wheel(*_, **__):
    os.write(os.open({pipe!r}, os.O_WRONLY), b"%d\\n" % os.getpid())
    time.sleep(600)
"""

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def install_from_source(env: Path, project: Path) -> None:
    """Install a package for one Python only, as if pip had built it from a directory; pip has to build it again."""
    [site] = env.glob("lib/python*/site-packages")
    metadata = site / "slow-1.0.dist-info"
    metadata.mkdir()
    tag = site.parent.name.replace("python", "cp").replace(".", "")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
    (metadata / "WHEEL").write_text(f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}-{tag}-linux_x86_64\n")
    (metadata / "direct_url.json").write_text(f'{{"url": "{project.as_uri()}", "dir_info": {{}}}}')
    (metadata / "RECORD").write_text("".join(f"{metadata.name}/{name},,\n" for name in os.listdir(metadata)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_an_upgrade_ends_pip_and_what_pip_has_started(cloche, empty_env, number: signal.Signals) -> None:
    env, project, pipe = empty_env(), cloche.cwd / "project", cloche.cwd / "pipe"
    temporary = cloche.cwd / "temporary"
    project.mkdir()
    temporary.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "backend.py").write_text(BACKEND.format(pipe=str(pipe)))
    install_from_source(env, project)
    os.mkfifo(pipe)
    before = snapshot(env)
    command = [sys.executable, "-m", "cloche", "upgrade", str(env), "-p", "3.11"]
    environ = {**cloche.environ, "TMPDIR": str(temporary)}
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen(command, env=environ, cwd=cloche.cwd, stderr=subprocess.PIPE, text=True) as process:
        readable, _, _ = select.select([reading], [], [], 60)
        assert readable
        builder = int(os.read(reading, 100))
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    readable, _, _ = select.select([reading], [], [], 10)  # the other end is closed when the program has ended
    if not readable:
        os.kill(builder, signal.SIGKILL)
    os.close(reading)
    assert readable
    assert (process.returncode, error.splitlines()[-1]) == (128 + number, "cloche: interrupted")
    assert snapshot(env) == before
    assert sorted(os.listdir(cloche.cwd)) == ["env", "pipe", "project", "temporary"]
    assert os.listdir(temporary) == []
