"""Many runs at once: each does its part or says why not, and those that live do not notice those that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.interpreters import pyenv
from tests.tools import require
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.run import Cloche

BOUND = 150
"""Seconds after which a run that waits for another counts as one that waits for ever: twice what any may wait."""

FATAL = ("mkdir:when=2", "mkdirat:when=4", "linkat:when=300", "rename:when=1", "flock:when=1", "openat:when=200")
"""Calls at which members of a crowd are killed: early, while staging, in the middle of the files, and at the end."""

FATAL_COLD = ("fsync:when=3", "rename:when=2", "mkdir:when=9", "flock:when=2", "write:when=200", "utimensat:when=50")
"""Calls at which members are killed while the image is made."""


def start(cloche: Cloche, *argv: object, fatal: str = "", **variables: str | os.PathLike[str]) -> subprocess.Popen[str]:
    """Start a run; with `fatal` it is killed at that call (`mkdir:when=3`), by strace, if it comes to it."""
    command = [sys.executable, "-m", "cloche", *map(str, argv)]
    if fatal:
        call, _, when = fatal.partition(":")
        tampering = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:{when}"]
        command = [require("strace"), "-f", "-qq", *tampering, "-o", os.devnull, *command]
    return subprocess.Popen(
        command,
        cwd=cloche.cwd,
        env={**cloche.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcomes(running: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Wait for all, and return their exit codes and what they said on standard error."""
    ended = []
    for one in running:
        _, said = one.communicate(timeout=BOUND)
        ended.append((one.returncode, said))
    return ended


def same_paths(one: Path, other: Path) -> bool:
    return snapshot(one).without_bytecode().keys() == snapshot(other).without_bytecode().keys()


def test_those_who_make_one_environment_do_not_notice_that_others_of_them_are_killed(cloche):
    require("strace")
    assert cloche("model").code == 0
    dying = [start(cloche, "env", fatal=fatal) for fatal in FATAL]
    living = [start(cloche, "env") for _ in range(4)]
    assert [code for code, _ in outcomes(living)] == [0] * len(living)
    outcomes(dying)
    assert cloche("env").code == 0
    assert same_paths(cloche.cwd / "model", cloche.cwd / "env")
    assert sorted(os.listdir(cloche.cwd)) == ["env", "model"]


def test_those_who_need_one_image_do_not_notice_that_others_who_make_it_are_killed(cloche, tmp_path):
    require("strace")
    cache = tmp_path / "cold"
    dying = [
        start(cloche, f"dying{number}", fatal=fatal, XDG_CACHE_HOME=cache) for number, fatal in enumerate(FATAL_COLD)
    ]
    time.sleep(0.3)  # so that one of these is the first that makes it
    living = [start(cloche, f"env{number}", XDG_CACHE_HOME=cache) for number in range(3)]
    ended = outcomes(living)
    assert [code for code, _ in ended] == [0] * len(living), ended
    outcomes(dying)
    for number in range(3):
        assert (cloche.cwd / f"env{number}" / "bin" / "pip").exists()
    for number in range(len(dying)):
        assert cloche(f"dying{number}", XDG_CACHE_HOME=str(cache)).code == 0
    left = [name for name in os.listdir(cloche.cwd) if name.startswith(".")]
    assert left == []


@pytest.mark.parametrize("clear", [[], ["--clear"]], ids=["refresh", "clear"])
def test_runs_that_are_killed_at_any_moment_leave_it_to_the_others(cloche, clear):
    """The moments are spread over a run, wherever in it they fall: what has to hold holds at each of them."""
    assert cloche("model").code == 0
    if clear:
        assert cloche("env", "--no-seed").code == 0
    began = time.perf_counter()
    assert cloche("other").code == 0
    usual = time.perf_counter() - began
    moments = random.Random(3)
    dying = [(start(cloche, "env", *clear), moments.uniform(0.2, 1.5) * usual) for _ in range(4)]
    living = [start(cloche, "env", *clear) for _ in range(2)]
    for one, moment in dying:
        try:
            one.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            one.kill()
            one.communicate()
    ended = outcomes(living)
    assert [code for code, _ in ended] == [0] * len(living), ended
    assert cloche("env", *clear).code == 0
    assert same_paths(cloche.cwd / "model", cloche.cwd / "env")
    assert sorted(os.listdir(cloche.cwd)) == ["env", "model", "other"]


def test_those_who_are_interrupted_take_no_parent_away_from_others(cloche):
    """Parents are made for whoever comes first, and taken back by whoever fails; the others make them again."""
    for _ in range(3):
        stopping = [start(cloche, f"a/b/c/stopped{number}") for number in range(3)]
        living = start(cloche, "a/b/c/env", "--no-seed")
        for number, one in enumerate(stopping):
            time.sleep(0.02 * number)
            one.send_signal(signal.SIGTERM)
        assert [code for code, _ in outcomes([living])] == [0]
        outcomes(stopping)
        subprocess.run(["rm", "-rf", cloche.cwd / "a"], check=True)


def test_two_pythons_at_once_in_one_place_are_one_environment_and_one_refusal(cloche):
    pythons = pyenv("3.9"), pyenv("3.10")
    for python in pythons:
        assert cloche("warm", "--no-seed", "--clear", "-p", python).code == 0
    ended = outcomes([start(cloche, "env", "--no-seed", "-p", python) for python in pythons])
    assert sorted(code for code, _ in ended) == [0, 4], ended
    refusal = next(said for code, said in ended if code == 4)
    assert "is an environment of" in refusal
    assert len(os.listdir(cloche.cwd / "env" / "lib")) == 1
    assert sorted(os.listdir(cloche.cwd)) == ["env", "warm"]
