"""Test that an environment from a cached plan is identical to one for which the request was resolved."""

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

    Arguments = list[str] | Callable[[], list[str]]

RUNNING = ".".join(map(str, sys.version_info[:2]))

ALWAYS: dict[str, Arguments] = {
    "no options": [],
    "no seed": ["--no-seed"],
    "copies": ["--creator", "copy"],
    "copied seeds": ["--link-mode", "copy"],
    "linked seeds": ["--link-mode", "symlink"],
    "a version": ["-p", RUNNING, "--no-seed"],
    "a range": ["-p", f">={RUNNING}", "--no-seed"],
    "a path": ["-p", sys.executable, "--no-seed"],
    "the first of several": ["-p", "3.99", "-p", f"cpython@{RUNNING}", "--no-seed"],
    "activators and a prompt": ["--activators", "fish,bash", "--prompt", "$(x) 'y\" %z", "--no-seed"],
    "no activators": ["--activators", "none", "--no-seed"],
    "the prompt of the directory": ["--prompt", ".", "--no-seed"],
    "system packages": ["--system-site-packages"],
    "relocatable": ["--relocatable"],
    "no plugins": ["--no-plugins", "--no-vcs-ignore"],
}


def request_by_name(name: str, minor: str) -> list[str]:
    """Return the options for a Python by name; skip the test if pyenv lacks the version."""
    pyenv(minor)
    return ["-p", name]


NIGHTLY: dict[str, Arguments] = {
    "the standard library's venv": ["--creator", "venv"],
    "copies with system packages": ["--creator", "copy", "--system-site-packages", "--prompt", "p"],
    "relocatable copies": ["--relocatable", "--creator", "copy", "--link-mode", "copy", "--prompt", "p"],
    "hard links": ["--link-mode", "hardlink", "--activators", "all"],
    "linked seeds in copies": ["--creator", "copy", "--link-mode", "symlink"],
    "an old Python": lambda: request_by_name("3.6", "3.6"),
    "an old Python, copied": lambda: ["-p", pyenv("3.7"), "--creator", "copy", "--link-mode", "copy"],
    "another Python by its name": lambda: request_by_name("python3.9", "3.9"),
    "another Python, tried first": lambda: ["--try-first-with", pyenv("3.10"), "-p", "3.10"],
    "another Python with system packages": lambda: ["-p", pyenv("3.12"), "--system-site-packages"],
    "the distribution's": lambda: ["-p", debian()],
    "PyPy": lambda: ["-p", pypy()],
    "PyPy, copied, without seeds": lambda: ["-p", pypy(), "--creator", "copy", "--no-seed"],
    "a spelling of virtualenv": ["--without-pip", "--always-copy", "--activators", "cshell"],
}

REQUESTS = [
    *(pytest.param(arguments, id=name) for name, arguments in ALWAYS.items()),
    *(pytest.param(arguments, id=name, marks=pytest.mark.nightly) for name, arguments in NIGHTLY.items()),
]


def resolves(cloche: Cloche, destination: str, *argv: str) -> bool:
    """Create an environment; return whether the run resolved the request, which is when it imports pluggy."""
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


@pytest.mark.parametrize("arguments", REQUESTS)
def test_a_plan_cached_for_another_destination_gives_the_same_environment(
    arguments: Arguments, cloche: Cloche, shared_cache: Path
) -> None:
    argv = arguments if isinstance(arguments, list) else arguments()
    plans = shared_cache / "cloche" / "plans"
    resolves(cloche, "first", *argv)  # the seeds for another Python have no bytecode the first time
    shutil.rmtree(plans, ignore_errors=True)
    assert resolves(cloche, "./env", *argv)
    expected = snapshot(cloche.cwd / "env")
    shutil.rmtree(cloche.cwd / "env")
    shutil.rmtree(plans)

    assert resolves(cloche, "an other", *argv)
    assert not resolves(cloche, "./env", *argv)

    assert snapshot(cloche.cwd / "env") == expected


@pytest.mark.parametrize("options", [[], ["--clear"]], ids=["refreshed", "replaced"])
def test_a_cached_plan_is_used_for_an_existing_environment(options: list[str], cloche: Cloche) -> None:
    resolves(cloche, "./env")
    before = snapshot(cloche.cwd / "env")
    resolves(cloche, "other")

    assert not resolves(cloche, "./env", *options)

    assert snapshot(cloche.cwd / "env") == before
