"""Killed or failed at any file-system call, cloche leaves a destination that is whole or as it was.

An even sample of the points runs by default; `CLOCHE_SWEEP=all` (the tox environment `nightly`) runs every one.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.run import clean_environ
from tests.sweep.scenarios import SCENARIOS
from tests.sweep.tool import FAULTS, Sweep, evenly
from tests.tools import require

SAMPLE = {"warm": 10, "cold": 5}


def chosen(points, cache):
    return points if os.environ.get("CLOCHE_SWEEP") == "all" else list(evenly(points, SAMPLE[cache]))


@pytest.mark.sweep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SCENARIOS)
def test_at_every_point_the_destination_is_whole_or_as_it_was(name, tmp_path):
    require("strace")
    (tmp_path / "home").mkdir()
    scenario = SCENARIOS[name]
    sweep = Sweep(
        tmp_path, scenario, [sys.executable, "-m", "cloche"], clean_environ(tmp_path / "home", tmp_path / "cache")
    )
    points = sweep.points()
    assert len(points) > 50
    verdicts = [sweep.inject(point, "KILL") for point in chosen(points, scenario.cache)]
    for number, point in enumerate(chosen(points, scenario.cache)):
        faults = FAULTS if os.environ.get("CLOCHE_SWEEP") == "all" else [FAULTS[number % len(FAULTS)]]
        verdicts += [sweep.inject(point, fault) for fault in faults]
    wrong = [f"{verdict.fault} at {verdict.point}: {verdict.complaint}" for verdict in verdicts if verdict.complaint]
    assert not wrong, "\n".join(wrong)
