"""Killed, failed or interrupted at any file-system call, cloche leaves a destination that is whole or as it was.

An even sample of the points is struck by `tox -e thorough`; `CLOCHE_SWEEP=all` (`tox -e nightly`) strikes every one, with
seeds that are small, and more of those of a run with pip.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.run import clean_environ
from tests.sweep.scenarios import SCENARIOS, lay_in_wheels
from tests.sweep.tool import FAULTS, STOPS, Sweep, evenly
from tests.tools import require

EVERY = os.environ.get("CLOCHE_SWEEP") == "all"
SAMPLE = {"every": 8, "sample": 4}
LARGE_SAMPLE = 60


def chosen(points, count, scope):
    if EVERY and scope == "every":
        return points
    return list(evenly(points, LARGE_SAMPLE if EVERY else count))


def first_of_each(points):
    """Return the first point of each kind of call, but for those that an even sample has anyway."""
    return [point for point in points if point.number == 1 and point.call not in ("openat", "linkat")]


def is_of_commit(point):
    """Whether a call may be one of those that put what was staged in place, of which every one has to be struck."""
    return point.number <= 6 and point.call in ("rename", "renameat2", "unlink")


@pytest.mark.sweep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SCENARIOS)
def test_at_every_point_the_destination_is_whole_or_as_it_was(name, tmp_path):
    require("strace")
    (tmp_path / "home").mkdir()
    lay_in_wheels(tmp_path)
    scenario = SCENARIOS[name]
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    del environ["PYTHONWARNINGS"]  # a signal between `open` and `with` leaves a file to the collector
    sweep = Sweep(tmp_path, scenario, [sys.executable, "-m", "cloche"], environ)
    points = sweep.points()
    assert len(points) > 50
    assert 10 < sweep.listening < len(points) - 10
    sample = SAMPLE[scenario.scope]
    fatal = {*chosen(points, sample, scenario.scope), *(point for point in points if is_of_commit(point))}
    verdicts = [sweep.inject(point, "KILL") for point in sorted(fatal)]
    for number, point in enumerate(chosen(points[sweep.listening :], len(STOPS), scenario.scope)):
        verdicts.append(sweep.inject(point, list(STOPS)[number % len(STOPS)]))
    ours = points[sweep.listening :]  # before, there is only Python to be failed
    for number, point in enumerate([*chosen(ours, sample, scenario.scope), *first_of_each(ours)]):
        faults = FAULTS if EVERY and scenario.scope == "every" else [FAULTS[number % len(FAULTS)]]
        verdicts += [sweep.inject(point, fault) for fault in faults]
    assert sum(verdict.struck for verdict in verdicts) > 0.9 * len(verdicts), "the tool has not done its work"
    wrong = [f"{verdict.fault} at {verdict.point}: {verdict.complaint}" for verdict in verdicts if verdict.complaint]
    assert not wrong, "\n".join(wrong)
