"""Killed at any call that changes the file system, a command leaves a whole environment: the old or the new one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lifecycle.furniture import complaints
from tests.sweep.tool import evenly
from tests.trees import snapshot

pytestmark = pytest.mark.sweep

DRIVER = Path(__file__).with_name("killed.py")
SAMPLE = 8


def run(cloche, fatal: int, *argv: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, DRIVER, str(fatal), *map(str, argv)]
    return subprocess.run(words, env=cloche.environ, cwd=cloche.cwd, capture_output=True, text=True, check=False)


def points(total: int) -> list[int]:
    every = range(1, total + 1)
    return list(every) if os.environ.get("CLOCHE_SWEEP") == "all" else list(evenly(list(every), SAMPLE))


def counted(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def without_staging(tree: dict) -> dict:
    return {path: entry for path, entry in tree.items() if ".cloche-" not in path}


@pytest.mark.timeout(0)
def test_a_killed_move_leaves_the_old_environment_or_the_new_one(cloche, empty) -> None:
    old, new = empty(), cloche.cwd / "new"
    for _ in range(2):  # the first asks the interpreter, and keeps the answer
        total = counted(run(cloche, 0, "move", old, new))
        counted(run(cloche, 0, "move", new, old))
    assert total > 50
    before = snapshot(old)
    for point in points(total):
        assert run(cloche, point, "move", old, new).returncode == -9
        if new.exists():
            assert complaints(new, furnished=False) == []
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
def test_a_killed_repair_is_undone_and_done_by_the_next_run(cloche, empty) -> None:
    first = empty()
    place = cloche.cwd / "renamed"
    first.rename(place)
    before = snapshot(place)
    cloche("doctor", place)  # asks the interpreter, and keeps the answer
    total = counted(run(cloche, 0, "doctor", "--fix", place))
    after = snapshot(place)
    for point in points(total):
        subprocess.run(["rm", "-rf", place], check=True)
        subprocess.run(["cp", "-a", empty(name="env"), place], check=True)
        subprocess.run(["rm", "-rf", first], check=True)
        assert snapshot(place).paths() == before.paths()
        assert run(cloche, point, "doctor", "--fix", place).returncode == -9
        assert cloche("doctor", "--fix", place).code == 0
        assert snapshot(place) == after, point
        assert complaints(place, first, furnished=False) == []
        assert os.listdir(cloche.cwd) == ["renamed"]


@pytest.mark.timeout(0)
def test_a_killed_upgrade_leaves_the_old_environment_or_the_new_one(cloche, empty) -> None:
    place = empty("venv", "3.11")
    before = snapshot(place)
    subprocess.run(["cp", "-a", place, cloche.cwd / "kept"], check=True)
    counted(run(cloche, 0, "upgrade", "--dry-run", place, "-p", "3.12"))  # what it asks for the first time is kept
    total = counted(run(cloche, 0, "upgrade", place, "-p", "3.12"))
    for point in points(total):
        subprocess.run(["rm", "-rf", place], check=True)
        subprocess.run(["cp", "-a", cloche.cwd / "kept", place], check=True)
        assert run(cloche, point, "upgrade", place, "-p", "3.12").returncode == -9
        assert cloche("upgrade", place, "-p", "3.11").code == 0  # comes by, and takes back what was half done
        assert (place / "lib" / "python3.11").exists()
        assert cloche("doctor", place).code == 0
        if without_staging(snapshot(place)) == before:
            continue
        assert complaints(place, furnished=False) == []
    assert sorted(os.listdir(cloche.cwd)) == ["env", "kept"]
