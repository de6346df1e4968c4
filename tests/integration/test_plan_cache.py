"""An environment from a cached plan is the same, to the last byte, as one that was resolved for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.interpreters import debian, pyenv, pypy
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.run import Cloche

    Asked = list[str] | Callable[[], list[str]]

HERE = ".".join(map(str, sys.version_info[:2]))

BY_DAY: dict[str, Asked] = {
    "nothing": [],
    "no seed": ["--no-seed"],
    "copies": ["--creator", "copy"],
    "copied seeds": ["--link-mode", "copy"],
    "linked seeds": ["--link-mode", "symlink"],
    "a version": ["-p", HERE, "--no-seed"],
    "a range": ["-p", f">={HERE}", "--no-seed"],
    "a path": ["-p", sys.executable, "--no-seed"],
    "the first of several": ["-p", "3.99", "-p", f"cpython@{HERE}", "--no-seed"],
    "activators and a prompt": ["--activators", "fish,bash", "--prompt", "$(x) 'y\" %z", "--no-seed"],
    "no activators": ["--activators", "none", "--no-seed"],
    "the prompt of the directory": ["--prompt", ".", "--no-seed"],
    "system packages": ["--system-site-packages"],
    "relocatable": ["--relocatable"],
    "no plugins": ["--no-plugins", "--no-vcs-ignore"],
}


def named(name: str, minor: str) -> list[str]:
    """Return the request for a Python by a name, if there is one."""
    pyenv(minor)
    return ["-p", name]


NIGHTLY: dict[str, Asked] = {
    "the standard library's venv": ["--creator", "venv"],
    "copies with system packages": ["--creator", "copy", "--system-site-packages", "--prompt", "p"],
    "relocatable copies": ["--relocatable", "--creator", "copy", "--link-mode", "copy", "--prompt", "p"],
    "hard links": ["--link-mode", "hardlink", "--activators", "all"],
    "linked seeds in copies": ["--creator", "copy", "--link-mode", "symlink"],
    "an old Python": lambda: named("3.6", "3.6"),
    "an old Python, copied": lambda: ["-p", pyenv("3.7"), "--creator", "copy", "--link-mode", "copy"],
    "another Python by its name": lambda: named("python3.9", "3.9"),
    "another Python, asked first": lambda: ["--try-first-with", pyenv("3.10"), "-p", "3.10"],
    "another Python with system packages": lambda: ["-p", pyenv("3.12"), "--system-site-packages"],
    "the distribution's": lambda: ["-p", debian()],
    "PyPy": lambda: ["-p", pypy()],
    "PyPy, copied, without seeds": lambda: ["-p", pypy(), "--creator", "copy", "--no-seed"],
    "a spelling of virtualenv": ["--without-pip", "--always-copy", "--activators", "cshell"],
}

REQUESTS = [
    *(pytest.param(asked, id=name) for name, asked in BY_DAY.items()),
    *(pytest.param(asked, id=name, marks=pytest.mark.nightly) for name, asked in NIGHTLY.items()),
]


def decides(cloche: Cloche, destination: str, *argv: str) -> bool:
    """Create an environment and return whether it was resolved: only resolving needs the plugin manager."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cloche", *argv, "--", destination],
        cwd=cloche.cwd,
        env=dict(cloche.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, re.sub("import time:.*\n", "", done.stderr)
    return re.search(r"\| +pluggy$", done.stderr, re.MULTILINE) is not None


@pytest.mark.parametrize("asked", REQUESTS)
def test_a_plan_cached_at_another_place_gives_the_same_environment(
    asked: Asked, cloche: Cloche, shared_cache: Path
) -> None:
    argv = asked if isinstance(asked, list) else asked()
    plans = shared_cache / "cloche" / "plans"
    decides(cloche, "first", *argv)  # the seeds for another Python have no byte-code the first time
    shutil.rmtree(plans, ignore_errors=True)
    assert decides(cloche, "env", *argv)
    afresh = snapshot(cloche.cwd / "env")
    shutil.rmtree(cloche.cwd / "env")
    shutil.rmtree(plans)

    assert decides(cloche, "an other", *argv)
    assert not decides(cloche, "env", *argv)

    assert snapshot(cloche.cwd / "env") == afresh


@pytest.mark.parametrize("existing", [[], ["--clear"]], ids=["refreshed", "replaced"])
def test_a_cached_plan_serves_an_existing_environment(existing: list[str], cloche: Cloche) -> None:
    decides(cloche, "env")
    made = snapshot(cloche.cwd / "env")
    decides(cloche, "other")

    assert not decides(cloche, "env", *existing)

    assert snapshot(cloche.cwd / "env") == made
