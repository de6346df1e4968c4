"""Test that cloche works the same without the private modules and functions of CPython that `cloche.cpython` uses."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.run import clean_environ
from tests.trees import Tree, snapshot

if TYPE_CHECKING:
    from pathlib import Path

HIDE = """
import atexit, hashlib, importlib.util, random, signal, subprocess, sys  # each uses private modules itself
for name in ("_signal", "_imp", "_sha2", "_sha256"):
    sys.modules[name] = None
del atexit._ncallbacks
import _thread, threading  # uses `_local` itself
del _thread._local
"""

INTERRUPT = """
import os, signal, sys

def interrupt(event, arguments):
    if event == "os.mkdir" and "env" in os.fspath(arguments[0]):
        signal.raise_signal(signal.SIGINT)

sys.addaudithook(interrupt)
"""

RUN = """
from cloche.__main__ import run
run()
"""


def run(*program: str, directory: Path, cache: str) -> subprocess.CompletedProcess[str]:
    """Run a program, which may change the interpreter and then runs `cloche ./env --compile`, in a directory.

    Without `--compile`, the bytecode files would be those that the pip beside this Python has at the moment.
    """
    for name in ("home", "work"):
        (directory / name).mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", "".join(program), "./env", "--compile"],
        cwd=directory / "work",
        env=clean_environ(directory / "home", directory / cache),
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_environment_created_without_private_modules_is_the_same(tmp_path: Path) -> None:
    """Of each pair of runs, the first starts with an empty cache, and the second with the cache that the first filled."""
    trees: dict[str, list[Tree]] = {"usual": [], "bare": []}
    for cache, program in (("usual", (RUN,)), ("bare", (HIDE, RUN))):
        for _ in range(2):
            done = run(*program, directory=tmp_path, cache=cache)
            assert (done.returncode, done.stderr) == (0, "")
            trees[cache].append(snapshot(tmp_path / "work" / "env"))
            (tmp_path / "work" / "env").rename(tmp_path / f"{cache}{len(trees[cache])}")

    assert any("pip/__main__.py" in path for path in trees["usual"][0])
    for bare, usual in zip(trees["bare"], trees["usual"], strict=True):
        assert bare.keys() == usual.keys()
        assert (
            bare.without_bytecode() == usual.without_bytecode()
        )  # Python 3.10 does not compile to the same bytes twice


def test_a_plan_cached_without_private_modules_is_used(tmp_path: Path) -> None:
    report = "import atexit, sys; atexit.register(lambda: print('cloche.planning.resolve' in sys.modules))"

    resolved = [run(HIDE, report, RUN, directory=tmp_path, cache="bare").stdout.splitlines()[-1] for _ in range(3)]

    assert (resolved[0], resolved[-1]) == ("True", "False")


@pytest.mark.parametrize("hidden", [(), (HIDE,)], ids=["usual", "bare"])
def test_ctrl_c_leaves_no_files(tmp_path: Path, hidden: tuple[str, ...]) -> None:
    done = run(*hidden, INTERRUPT, RUN, directory=tmp_path, cache="cache")

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "cloche: interrupted\n")
    assert list((tmp_path / "work").iterdir()) == []
