"""Test that a fault at any file-system call leaves the destination complete or unchanged.

`tox -e thorough` injects faults at an even sample of the points. `tox -e nightly` sets `CLOCHE_SWEEP=all`, which injects
them at every point of runs with a small seed, and at a larger sample of runs with pip.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.pages import REPOSITORY
from tests.run import clean_environ
from tests.sweep.injection import FAULTS, STOPS, Sweep, evenly
from tests.sweep.scenarios import SCENARIOS, make_small_seed
from tests.tools import require

FULL = os.environ.get("CLOCHE_SWEEP") == "all"
SAMPLE = {"every": 8, "sample": 4}
LARGE_SAMPLE = 60


def select(points, count, scope):
    """Return the points for a scenario: all of them in a full sweep, otherwise `count` or a large sample."""
    if FULL and scope == "every":
        return points
    return evenly(points, LARGE_SAMPLE if FULL else count)


def first_of_each(points):
    """Return the first point of each system call, except those that are so frequent that every sample has them."""
    return [point for point in points if point.number == 1 and point.call not in ("openat", "linkat")]


def may_commit(point):
    """Return whether a call may be part of the commit, where every point is tested."""
    return point.number <= 6 and point.call in ("rename", "renameat2", "unlink")


@pytest.mark.sweep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_leaves_the_destination_complete_or_unchanged(name, tmp_path):
    require("strace")
    (tmp_path / "home").mkdir()
    make_small_seed(tmp_path)
    scenario = SCENARIOS[name]
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    del environ["PYTHONWARNINGS"]  # a signal between `open` and `with` causes a ResourceWarning
    sweep = Sweep(tmp_path, scenario, [sys.executable, "-m", "cloche"], environ)
    points = sweep.points()
    assert len(points) > 50
    assert 10 < sweep.first_handled < len(points) - 10
    sample = SAMPLE[scenario.scope]
    fatal = {*select(points, sample, scenario.scope), *(point for point in points if may_commit(point))}
    verdicts = [sweep.inject(point, "KILL") for point in sorted(fatal)]
    ours = points[sweep.first_handled :]  # earlier calls belong to the startup of Python
    for number, point in enumerate(select(ours, len(STOPS), scenario.scope)):
        verdicts.append(sweep.inject(point, list(STOPS)[number % len(STOPS)]))
    for number, point in enumerate([*select(ours, sample, scenario.scope), *first_of_each(ours)]):
        faults = FAULTS if FULL and scenario.scope == "every" else [FAULTS[number % len(FAULTS)]]
        verdicts += [sweep.inject(point, fault) for fault in faults]
    assert sum(verdict.injected for verdict in verdicts) > 0.9 * len(verdicts), "too many faults were not injected"
    problems = [f"{verdict.fault} at {verdict.point}: {verdict.problem}" for verdict in verdicts if verdict.problem]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(("total", "count", "expected"), [(0, 3, 0), (2, 3, 2), (1717, 26, 26), (1733, 26, 26)])
def test_an_even_sample_has_the_requested_size(total, count, expected):
    sample = evenly(range(total), count)
    assert len(set(sample)) == len(sample) == expected
    assert sample == sorted(sample)


def test_the_table_of_killed_runs_can_be_printed():
    require("strace")
    command = [sys.executable, "-m", "tests.sweep", "1", "cloche"]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["cloche", "absent"], ["cloche", "an environment to replace"]]
    assert [row[3:5] for row in rows] == [["1", "0"], ["1", "0"]]
