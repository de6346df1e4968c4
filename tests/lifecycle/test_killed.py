"""Test that a command killed at any call that changes the file system leaves the old environment or the new one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lifecycle.environments import find_problems
from tests.sweep.injection import evenly
from tests.trees import snapshot

pytestmark = pytest.mark.sweep

DRIVER = Path(__file__).with_name("kill_at_call.py")
SAMPLE = 8


def run_and_kill(cloche, call: int, *arguments: object) -> int:
    """Run cloche, kill it at a call, and return its exit code."""
    return run_driver(cloche, call, *arguments).returncode


def count_calls(cloche, *arguments: object) -> int:
    """Run cloche to the end and return the number of calls at which it can be killed."""
    done = run_driver(cloche, 0, *arguments)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def run_driver(cloche, call: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, DRIVER, str(call), *map(str, arguments)]
    return subprocess.run(words, env=cloche.environ, cwd=cloche.cwd, capture_output=True, text=True, check=False)


def select_calls(total: int) -> list[int]:
    calls = list(range(1, total + 1))
    return calls if os.environ.get("CLOCHE_SWEEP") == "all" else evenly(calls, SAMPLE)


def without_staging(tree: dict) -> dict:
    return {path: entry for path, entry in tree.items() if ".cloche-" not in path}


@pytest.mark.timeout(0)
def test_a_killed_move_leaves_the_old_environment_or_the_new_one(cloche, empty_env) -> None:
    old, new = empty_env(), cloche.cwd / "new"
    for _ in range(2):  # the first run also probes the interpreter and caches the answer
        total = count_calls(cloche, "move", old, new)
        count_calls(cloche, "move", new, old)
    assert total > 50
    before = snapshot(old)
    for call in select_calls(total):
        assert run_and_kill(cloche, call, "move", old, new) == -9
        if new.exists():
            assert find_problems(new, populated=False) == []
            if old.exists():
                assert snapshot(old) == before
                assert cloche("move", "--copy", old, cloche.cwd / "third").code == 0
                subprocess.run(["rm", "-rf", new, cloche.cwd / "third"], check=True)
            else:
                assert cloche("move", new, old).code == 0
        else:
            assert snapshot(old) == before
        assert cloche("doctor", old).code == 0
    assert cloche("move", old, new).code == 0
    assert cloche("move", new, old).code == 0
    assert snapshot(cloche.cwd / "env") == before
    assert os.listdir(cloche.cwd) == ["env"]


@pytest.mark.timeout(0)
def test_the_next_run_undoes_and_repeats_a_killed_repair(cloche, empty_env) -> None:
    first = empty_env()
    env = cloche.cwd / "renamed"
    first.rename(env)
    before = snapshot(env)
    cloche("doctor", env)  # probes the interpreter and caches the answer
    total = count_calls(cloche, "doctor", "--fix", env)
    after = snapshot(env)
    for call in select_calls(total):
        subprocess.run(["rm", "-rf", env], check=True)
        subprocess.run(["cp", "-a", empty_env(name="env"), env], check=True)
        subprocess.run(["rm", "-rf", first], check=True)
        assert snapshot(env).paths() == before.paths()
        assert run_and_kill(cloche, call, "doctor", "--fix", env) == -9
        assert cloche("doctor", "--fix", env).code == 0
        assert snapshot(env) == after, call
        assert find_problems(env, first, populated=False) == []
        assert os.listdir(cloche.cwd) == ["renamed"]


@pytest.mark.timeout(0)
def test_a_killed_upgrade_leaves_the_old_environment_or_the_new_one(cloche, empty_env) -> None:
    env = empty_env("venv", "3.11")
    before = snapshot(env)
    subprocess.run(["cp", "-a", env, cloche.cwd / "original"], check=True)
    count_calls(cloche, "upgrade", "--dry-run", env, "-p", "3.12")  # probes the interpreter and caches the answer
    total = count_calls(cloche, "upgrade", env, "-p", "3.12")
    for call in select_calls(total):
        subprocess.run(["rm", "-rf", env], check=True)
        subprocess.run(["cp", "-a", cloche.cwd / "original", env], check=True)
        assert run_and_kill(cloche, call, "upgrade", env, "-p", "3.12") == -9
        assert cloche("upgrade", env, "-p", "3.11").code == 0  # removes what the killed run left
        assert (env / "lib" / "python3.11").exists()
        assert cloche("doctor", env).code == 0
        if without_staging(snapshot(env)) == before:
            continue
        assert find_problems(env, populated=False) == []
    assert sorted(os.listdir(cloche.cwd)) == ["env", "original"]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("words", [("upgrade", "-p", "3.12"), ("doctor", "--fix")], ids=["upgrade", "doctor"])
def test_the_next_run_finishes_a_killed_one_for_many_environments(cloche, empty_env, words) -> None:
    made, work, original = (cloche.cwd / name for name in ("made", "work", "original"))
    paths = ("a/.venv", "b")
    for path in paths:
        empty_env("cloche", "3.11", name=f"made/{path}")
    made.rename(original)  # `doctor` repairs environments that were moved

    def restore() -> None:
        subprocess.run(["rm", "-rf", work], check=True)
        subprocess.run(["cp", "-a", original, work], check=True)

    for _ in range(2):  # the first run also probes the interpreter and caches the answer
        restore()
        total = count_calls(cloche, *words, "--find", "work")
    for call in select_calls(total):
        restore()
        assert run_and_kill(cloche, call, *words, "--find", "work") == -9

        only = ("--from", "3.11") if "upgrade" in words else ()
        done = cloche(*words, *only, "--find", "work", "--json")

        assert done.code == 0, (call, done.err)
        assert len(done.json["environments"]) == (done.json["summary"]["chosen"] if only else len(paths)), call
        for path in paths:
            assert (work / path / "lib" / ("python3.12" if only else "python3.11")).exists(), (call, path)
            assert find_problems(work / path, original / path, populated=False) == [], (call, path)
        assert (os.listdir(work / "a"), sorted(os.listdir(work))) == ([".venv"], ["a", "b"]), call
