"""Test concurrent runs: each succeeds or reports an error, and killed runs do not affect the others."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.interpreters import pyenv
from tests.locks import package, pylock, simple_wheel
from tests.seeding.server import serving
from tests.tools import require
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.run import Cloche

TIMEOUT = 150
"""Seconds after which a run counts as deadlocked: twice the longest time that a run waits for a lock."""

FATAL = ("mkdir:when=2", "mkdirat:when=4", "linkat:when=300", "rename:when=1", "flock:when=1", "openat:when=200")
"""System calls at which runs are killed: at the beginning, while staging, and at the end."""

FATAL_COLD = ("fsync:when=3", "rename:when=2", "mkdir:when=9", "flock:when=2", "write:when=200", "utimensat:when=50")
"""System calls at which runs are killed while they build the image."""


FATAL_DOWNLOADS = ("recvfrom:when=9", "syncfs:when=2", "rename:when=6", "utimensat:when=12", "mkdir:when=30")
"""System calls at which runs are killed while some threads download wheels, and others unpack them."""


def start(cloche: Cloche, *argv: object, fatal: str = "", **variables: str | os.PathLike[str]) -> subprocess.Popen[str]:
    """Start a run; with `fatal`, strace kills it at that system call (`mkdir:when=3`), if the run makes it."""
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
    """Wait for all processes; return the exit code and standard error of each."""
    ended = []
    for process in running:
        _, errors = process.communicate(timeout=TIMEOUT)
        ended.append((process.returncode, errors))
    return ended


def same_paths(first: Path, second: Path) -> bool:
    return snapshot(first).without_bytecode().keys() == snapshot(second).without_bytecode().keys()


def test_runs_for_one_destination_succeed_although_others_are_killed(cloche):
    require("strace")
    assert cloche("model").code == 0
    killed = [start(cloche, "./env", fatal=fatal) for fatal in FATAL]
    running = [start(cloche, "./env") for _ in range(4)]
    assert [code for code, _ in outcomes(running)] == [0] * len(running)
    outcomes(killed)
    assert cloche("./env").code == 0
    assert same_paths(cloche.cwd / "model", cloche.cwd / "env")
    assert sorted(os.listdir(cloche.cwd)) == ["env", "model"]


def test_the_environment_is_that_of_one_of_the_locks_whichever_run_is_killed(cloche, tmp_path):
    require("strace")
    spam, eggs = (simple_wheel(tmp_path / "wheels", name) for name in ("spam", "eggs"))
    for name, wheel in (("a", spam), ("b", eggs)):
        text = pylock([package(wheel.name.split("-")[0], wheels=[wheel])])
        (cloche.cwd / f"pylock.{name}.toml").write_text(text)
    options = {name: ["--lock", f"pylock.{name}.toml", "--find-links", tmp_path / "wheels"] for name in "ab"}
    for name in "aab":
        assert cloche(f"model-{name}", *options[name]).code == 0
    assert cloche("./env", *options["a"]).code == 0
    exchange = ("renameat2:when=1", "mkdirat:when=4", "unlink:when=2", "flock:when=1")
    killed = [start(cloche, "./env", *options["b"], fatal=fatal) for fatal in exchange]
    running = [start(cloche, "./env", *options[name]) for name in "abab"]
    ended = outcomes(running)
    assert [code for code, _ in ended] == [0] * len(running), ended
    outcomes(killed)
    models = [cloche.cwd / "model-a", cloche.cwd / "model-b"]
    assert any(same_paths(cloche.cwd / "env", model) for model in models)
    assert cloche("./env", *options["b"]).code == 0
    assert same_paths(cloche.cwd / "env", models[1])
    assert not [name for name in os.listdir(cloche.cwd) if name.startswith(".")]


def test_runs_that_need_one_image_succeed_although_its_builders_are_killed(cloche, tmp_path):
    require("strace")
    cache = tmp_path / "cold"
    killed = [
        start(cloche, f"killed{number}", fatal=fatal, XDG_CACHE_HOME=cache) for number, fatal in enumerate(FATAL_COLD)
    ]
    time.sleep(0.3)  # so that one of these begins to build the image
    running = [start(cloche, f"env{number}", XDG_CACHE_HOME=cache) for number in range(3)]
    ended = outcomes(running)
    assert [code for code, _ in ended] == [0] * len(running), ended
    outcomes(killed)
    for number in range(3):
        assert (cloche.cwd / f"env{number}" / "bin" / "pip").exists()
    for number in range(len(killed)):
        assert cloche(f"killed{number}", XDG_CACHE_HOME=str(cache)).code == 0
    leftovers = [name for name in os.listdir(cloche.cwd) if name.startswith(".")]
    assert leftovers == []


@pytest.fixture
def served_lock(cloche: Cloche, tmp_path: Path) -> Iterator[Path]:
    """A lock file whose wheels are on a server."""
    with serving() as site:
        packages = []
        for number in range(8):
            wheel = simple_wheel(
                tmp_path / "wheels", f"spam{number}", files={f"spam{number}.py": f"number = {number}\n"}
            )
            url = site.add(f"/{wheel.name}", wheel.read_bytes())
            hashes = {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
            packages.append(package(f"spam{number}", wheels=[{"name": wheel.name, "url": url, "hashes": hashes}]))
        lock = cloche.cwd / "pylock.toml"
        lock.write_text(pylock(packages))
        yield lock


def test_runs_that_download_one_lock_succeed_although_others_are_killed(cloche, tmp_path, served_lock):
    """Some wheels are unpacked while others are still downloaded."""
    require("strace")
    cache = tmp_path / "cold"
    options = ["--lock", served_lock]
    killed = [
        start(cloche, f"killed{number}", *options, fatal=fatal, XDG_CACHE_HOME=cache)
        for number, fatal in enumerate(FATAL_DOWNLOADS)
    ]
    running = [start(cloche, f"env{number}", *options, XDG_CACHE_HOME=cache) for number in range(2)]
    ended = outcomes(running)
    assert [code for code, _ in ended] == [0] * len(running), ended
    outcomes(killed)
    for number in range(len(killed)):
        assert cloche(f"killed{number}", *options, XDG_CACHE_HOME=str(cache)).code == 0
    assert cloche("verify", "env0", XDG_CACHE_HOME=str(cache)).code == 0
    assert cloche("cache", "verify", XDG_CACHE_HOME=str(cache)).code == 0


@pytest.mark.parametrize(
    "fault", ["syncfs:error=EIO:when=3", "utimensat:error=EIO:when=9", "rename:error=ENOSPC:when=4"]
)
def test_a_failure_in_one_of_several_threads_is_reported_and_leaves_a_correct_cache(
    cloche, tmp_path, served_lock, fault
):
    strace = require("strace")
    call, _, how = fault.partition(":")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cold")}
    command = [strace, "-f", "-qq", "-e", f"trace={call}", "-e", f"inject={call}:{how}", "-o", os.devnull]
    done = subprocess.run(
        [*command, sys.executable, "-m", "cloche", "./env", "--lock", served_lock],
        cwd=cloche.cwd,
        env={**cloche.environ, **cache},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    created = (cloche.cwd / "env").exists()
    assert created == (done.returncode == 0), done.stderr
    assert "Traceback" not in done.stderr
    assert created or done.stderr.splitlines()[0].startswith("cloche: error: ")
    assert cloche("cache", "verify", **cache).code == 0
    assert cloche("./env", "--lock", served_lock, **cache).code == 0
    assert cloche("verify", "./env", **cache).code == 0


@pytest.mark.parametrize("clear", [[], ["--clear"]], ids=["refresh", "clear"])
def test_runs_succeed_although_others_are_killed_at_random_moments(cloche, clear):
    """The result must be the same whatever the killed runs were doing."""
    assert cloche("model").code == 0
    if clear:
        assert cloche("./env", "--no-seed").code == 0
    started = time.perf_counter()
    assert cloche("other").code == 0
    duration = time.perf_counter() - started
    moments = random.Random(3)
    killed = [(start(cloche, "./env", *clear), moments.uniform(0.2, 1.5) * duration) for _ in range(4)]
    running = [start(cloche, "./env", *clear) for _ in range(2)]
    for process, moment in killed:
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    ended = outcomes(running)
    assert [code for code, _ in ended] == [0] * len(running), ended
    assert cloche("./env", *clear).code == 0
    assert same_paths(cloche.cwd / "model", cloche.cwd / "env")
    assert sorted(os.listdir(cloche.cwd)) == ["env", "model", "other"]


def test_a_run_succeeds_although_interrupted_ones_remove_the_parent_directories(cloche):
    """The first run creates the parents, and removes them if it fails; the others must create them again."""
    for _ in range(3):
        interrupted = [start(cloche, f"a/b/c/stopped{number}") for number in range(3)]
        running = start(cloche, "a/b/c/env", "--no-seed")
        for number, process in enumerate(interrupted):
            time.sleep(0.02 * number)
            process.send_signal(signal.SIGTERM)
        assert [code for code, _ in outcomes([running])] == [0]
        outcomes(interrupted)
        subprocess.run(["rm", "-rf", cloche.cwd / "a"], check=True)


def test_of_two_runs_with_different_pythons_one_succeeds_and_one_is_refused(cloche):
    pythons = pyenv("3.9"), pyenv("3.10")
    for python in pythons:
        assert cloche("warm", "--no-seed", "--clear", "-p", python).code == 0
    ended = outcomes([start(cloche, "./env", "--no-seed", "-p", python) for python in pythons])
    assert sorted(code for code, _ in ended) == [0, 4], ended
    refusal = next(errors for code, errors in ended if code == 4)
    assert "is an environment of" in refusal
    assert len(os.listdir(cloche.cwd / "env" / "lib")) == 1
    assert sorted(os.listdir(cloche.cwd)) == ["env", "warm"]
