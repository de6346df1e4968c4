"""Killed, failed or interrupted at any file-system call, cloche leaves a destination that is whole or as it was.

An even sample of the points runs by default; `CLOCHE_SWEEP=all` (the tox environment `nightly`) runs every one.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.run import clean_environ
from tests.sweep.scenarios import SCENARIOS
from tests.sweep.tool import FAULTS, STOPS, Sweep, evenly
from tests.tools import require

SAMPLE = {"warm": 8, "cold": 4}


def chosen(points, count):
    return points if os.environ.get("CLOCHE_SWEEP") == "all" else list(evenly(points, count))


@pytest.mark.sweep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SCENARIOS)
def test_at_every_point_the_destination_is_whole_or_as_it_was(name, tmp_path):
    require("strace")
    (tmp_path / "home").mkdir()
    scenario = SCENARIOS[name]
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    del environ["PYTHONWARNINGS"]  # a signal between `open` and `with` leaves a file to the collector
    sweep = Sweep(tmp_path, scenario, [sys.executable, "-m", "cloche"], environ)
    points = sweep.points()
    assert len(points) > 50
    assert 10 < sweep.listening < len(points) - 10
    sample = SAMPLE[scenario.cache]
    verdicts = [sweep.inject(point, "KILL") for point in chosen(points, sample)]
    for number, point in enumerate(chosen(points[sweep.listening :], len(STOPS))):
        verdicts.append(sweep.inject(point, list(STOPS)[number % len(STOPS)]))
    for number, point in enumerate(chosen(points, sample)):
        faults = FAULTS if os.environ.get("CLOCHE_SWEEP") == "all" else [FAULTS[number % len(FAULTS)]]
        verdicts += [sweep.inject(point, fault) for fault in faults]
    wrong = [f"{verdict.fault} at {verdict.point}: {verdict.complaint}" for verdict in verdicts if verdict.complaint]
    assert not wrong, "\n".join(wrong)
