"""What the benchmark says of given times, and that the documentation shows what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.interpreters import pyenv
from tests.pages import REPOSITORY
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from chart import chart  # noqa: E402
from report import doubts, report, rows_of  # noqa: E402
from rounds import Spread, judge, ratio, spread, verdict  # noqa: E402
from rows import ROWS, Goal  # noqa: E402

MEASURED = json.loads((REPOSITORY / "docs/_static/speed.json").read_text(encoding="utf-8"))


def test_a_ratio_compares_what_was_measured_in_the_same_round() -> None:
    """The machine was ten times slower in the second round, and the slow peer had no turn in the third."""
    times = {"cloche": [0.02, 0.2, 0.02], "venv": [2.0, 20.0, None]}

    assert ratio(times, "cloche", "venv").median == pytest.approx(0.01)


def test_the_better_of_two_peers_is_the_one_to_beat() -> None:
    times = {"cloche": [2.0, 2.0], "uv": [1.0, 1.0], "virtualenv": [4.0, 4.0]}

    peer, found = judge(times, Goal(1.0, ("virtualenv", "uv")))

    assert (peer, found.median) == ("uv", 2.0)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Spread(0.7, 0.8, 0.9), "met"),
        (Spread(0.7, 1.0, 1.0), "met"),
        (Spread(0.9, 0.95, 1.2), "met, barely"),
        (Spread(0.9, 1.05, 1.2), "missed, barely"),
        (Spread(1.1, 1.2, 1.3), "missed"),
    ],
)
def test_a_goal_is_met_or_missed_and_near_misses_are_told(found: Spread, said: str) -> None:
    assert verdict(Goal(1.0, ("uv",)), found) == said


def test_one_round_is_enough_to_see_that_everything_works() -> None:
    assert spread([0.5, None]) == (0.5, 0.5, 0.5)


def test_the_report_shows_a_goal_beside_the_peer_that_it_is_about() -> None:
    row = next(row for row in ROWS if row.name == "cold-first-pip")

    lines = list(rows_of(row, {"cloche": [0.5], "uv": [0.8], "virtualenv": [1.0]}))

    assert [line.rpartition(")")[2] for line in lines[1:]] == [" | ≤\u00a01 | met |", " | | |"]


def test_times_that_lie_far_apart_and_a_machine_with_other_work_are_told() -> None:
    steady = {"cloche": [0.02, 0.021, 0.022], "uv": [0.03, 0.03, 0.03]}
    assert list(doubts({"load": 0.1, "seconds": {"seeded": steady}})) == []

    said = "\n".join(doubts({"load": 3.0, "seconds": {"seeded": {**steady, "uv": [0.03, 0.06, 0.09]}}}))

    assert "load 3.0" in said
    assert "seeded" in said
    assert "of uv" in said


def test_the_chart_names_every_peer_with_its_figure() -> None:
    seconds = {"seeded": {"cloche": [0.03], "uv": [0.04], "virtualenv": [0.4], "venv": [5.2]}}

    texts = [node.text for node in ET.fromstring(chart({"seconds": seconds})).iter() if node.text]

    for word in ("cloche", "30", "uv", "40", "virtualenv", "400", "venv", "5\u202f200"):
        assert word in texts


def test_the_longest_bar_is_cut_where_it_would_hide_the_others() -> None:
    def widths(**milliseconds: float) -> dict[str, int]:
        seconds = {"seeded": {peer: [taken / 1000] for peer, taken in milliseconds.items()}}
        bars = ET.fromstring(chart({"seconds": seconds})).iterfind("{*}rect[@x]")
        return dict(zip(milliseconds, (int(bar.attrib["width"]) for bar in bars), strict=True))

    cut = widths(cloche=40, uv=80, virtualenv=400, venv=5000)
    assert cut["venv"] < 2 * cut["virtualenv"]
    assert cut["uv"] == pytest.approx(2 * cut["cloche"], abs=2)
    whole = widths(cloche=40, uv=80, virtualenv=400, venv=800)
    assert whole["venv"] == pytest.approx(2 * whole["virtualenv"], abs=2)


def test_the_page_shows_what_was_measured() -> None:
    page = (REPOSITORY / "docs/explanation/speed.md").read_text(encoding="utf-8")

    assert report(MEASURED) in page


def test_the_chart_shows_what_was_measured() -> None:
    assert (REPOSITORY / "docs/_static/speed.svg").read_text(encoding="utf-8") == chart(MEASURED)


def test_every_row_was_measured() -> None:
    assert list(MEASURED["seconds"]) == [row.name for row in ROWS]
    assert MEASURED["disk"]
    assert MEASURED["growth"]


def test_results_that_were_kept_can_be_shown_again(tmp_path: Path) -> None:
    picture, data = tmp_path / "speed.svg", REPOSITORY / "docs/_static/speed.json"
    argv = ["--results", str(data), "--chart", str(picture), "--json", str(tmp_path / "speed.json")]

    done = subprocess.run([sys.executable, str(BENCHMARKS / "run.py"), *argv], capture_output=True, check=True)

    assert done.stdout.decode() == report(MEASURED)
    assert picture.read_text(encoding="utf-8") == chart(MEASURED)
    assert (tmp_path / "speed.json").read_bytes() == data.read_bytes()


@pytest.mark.nightly
def test_the_peers_are_installed_and_measured(tmp_path: Path) -> None:
    """One round of two rows, to see that the command works from beginning to end; it needs an index."""
    data = tmp_path / "times.json"
    argv = ["unseeded", "in-process", "--rounds", "1", "--directory", str(tmp_path), "--json", str(data)]

    subprocess.run([pyenv("3.13"), str(BENCHMARKS / "run.py"), *argv], check=True)

    seconds = json.loads(data.read_text(encoding="utf-8"))["seconds"]
    assert {name: set(times) for name, times in seconds.items()} == {
        "unseeded": {"cloche", "uv", "virtualenv", "venv"},
        "in-process": {"cloche", "uv"},
    }
    assert all(taken > 0 for times in seconds.values() for rounds in times.values() for taken in rounds)


@pytest.mark.nightly
def test_where_the_time_goes_is_told_by_imports_and_system_calls(tmp_path: Path) -> None:
    require("strace")
    argv = ["unseeded", "--explain", "--directory", str(tmp_path)]

    done = subprocess.run(
        [pyenv("3.13"), str(BENCHMARKS / "run.py"), *argv], stdout=subprocess.PIPE, text=True, check=True
    )

    assert "of which cloche itself" in done.stdout
    assert " cloche.planning.plan_cache" in done.stdout or " cloche.session" in done.stdout
    assert "openat" in done.stdout
    assert "pluggy" not in done.stdout  # what is explained is a warm run
