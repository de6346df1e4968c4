"""Test the report of the benchmarks, and that the documentation shows the measured figures."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree as ET

import pytest

from tests.interpreters import pyenv
from tests.pages import DOCS, REPOSITORY, built_page, cloche_reference
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

    from peers import Peers

BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from chart import SHORT_CHART_ROWS, chart  # noqa: E402
from lifecycle import LIFECYCLE_ROWS  # noqa: E402
from locked import LOCKED_ROWS  # noqa: E402
from report import MAX_IDLE_LOAD, quality_warnings, report, rows_of  # noqa: E402
from rounds import Spread, compare, measure, ratio, spread, verdict  # noqa: E402
from rows import ROWS, Command, Goal, Row  # noqa: E402

MEASURED = json.loads((REPOSITORY / "docs/_static/speed.json").read_text(encoding="utf-8"))


def test_a_ratio_compares_times_of_the_same_round() -> None:
    """The machine is ten times slower in the second round, and the slow peer does not run in the third."""
    times = {"cloche": [0.02, 0.2, 0.02], "venv": [2.0, 20.0, None]}

    assert ratio(times, "cloche", "venv").median == pytest.approx(0.01)


def test_a_goal_with_two_peers_counts_the_faster_one() -> None:
    times = {"cloche": [2.0, 2.0], "uv": [1.0, 1.0], "virtualenv": [4.0, 4.0]}

    peer, found = compare(times, Goal(1.0, ("virtualenv", "uv")))

    assert (peer, found.median) == ("uv", 2.0)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (Spread(0.7, 0.8, 0.9), "met"),
        (Spread(0.7, 1.0, 1.0), "met"),
        (Spread(0.9, 0.95, 1.2), "met, barely"),
        (Spread(0.9, 1.05, 1.2), "missed, barely"),
        (Spread(1.1, 1.2, 1.3), "missed"),
    ],
)
def test_a_verdict_marks_narrow_results(measured: Spread, expected: str) -> None:
    assert verdict(Goal(1.0, ("uv",)), measured) == expected


def test_a_spread_can_be_computed_from_one_round() -> None:
    assert spread([0.5, None]) == (0.5, 0.5, 0.5)


class FakePeers:
    """Peers that run no command, and record which ones they were given and what was removed."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def run(self, command: Command, *, cold: bool = False) -> float:
        self.done.append(command.peer)
        return 0.1

    def remove_environment(self) -> None:
        self.done.append("remove")


def test_a_row_of_large_environments_has_few_rounds_and_leaves_nothing() -> None:
    commands = (Command("cloche", ("true",)), Command("uv", ("true",)))
    peers = FakePeers()

    times = measure(cast("Peers", peers), Row("large", "", commands, most_rounds=2, leaves="nothing"), 21)

    assert times == {"cloche": [0.1] * 2, "uv": [0.1] * 2}
    assert peers.done == [
        word for peer in ("cloche", "uv", "cloche", "uv", "uv", "cloche") for word in (peer, "remove")
    ]


def test_the_report_shows_a_goal_with_its_peer() -> None:
    row = next(row for row in ROWS if row.name == "cold-first-pip")

    lines = list(rows_of(row, {"cloche": [0.5], "uv": [0.8], "virtualenv": [1.0]}))

    assert [line.rpartition(")")[2] for line in lines[1:]] == [" | ≤\u00a01 | met |", " | | |"]


def test_widely_varying_times_and_a_busy_machine_give_warnings() -> None:
    steady = {"cloche": [0.02, 0.021, 0.022], "uv": [0.03, 0.03, 0.03]}
    assert list(quality_warnings({"load": 0.1, "seconds": {"seeded": steady}})) == []

    warnings = "\n".join(quality_warnings({"load": 3.0, "seconds": {"seeded": {**steady, "uv": [0.03, 0.06, 0.09]}}}))

    assert "load 3.0" in warnings
    assert "seeded" in warnings
    assert "of uv" in warnings


def test_the_chart_shows_the_name_and_figure_of_every_peer() -> None:
    seconds = {"seeded": {"cloche": [0.03], "uv": [0.04], "virtualenv": [0.4], "venv": [5.2]}}

    texts = [node.text for node in ET.fromstring(chart({"seconds": seconds})).iter() if node.text]

    for word in ("cloche", "30", "uv", "40", "virtualenv", "400", "venv", "5\u202f200"):
        assert word in texts


def test_a_bar_is_cut_off_if_it_is_much_longer_than_the_others() -> None:
    def widths(**milliseconds: float) -> dict[str, int]:
        seconds = {"seeded": {peer: [taken / 1000] for peer, taken in milliseconds.items()}}
        bars = ET.fromstring(chart({"seconds": seconds})).iterfind("{*}rect[@x]")
        return dict(zip(milliseconds, (int(bar.attrib["width"]) for bar in bars), strict=True))

    cut = widths(cloche=40, uv=80, virtualenv=400, venv=5000)
    assert cut["venv"] < 2 * cut["virtualenv"]
    assert cut["uv"] == pytest.approx(2 * cut["cloche"], abs=2)
    uncut = widths(cloche=40, uv=80, virtualenv=400, venv=800)
    assert uncut["venv"] == pytest.approx(2 * uncut["virtualenv"], abs=2)


def test_the_page_shows_the_measured_figures() -> None:
    page = (BENCHMARKS / "README.md").read_text(encoding="utf-8")

    assert report(MEASURED) in page


def test_the_chart_shows_the_measured_figures() -> None:
    static = REPOSITORY / "docs/_static"

    assert (static / "speed.svg").read_text(encoding="utf-8") == chart(MEASURED)
    assert (static / "speed-short.svg").read_text(encoding="utf-8") == chart(MEASURED, SHORT_CHART_ROWS)


def test_the_pages_for_users_show_no_time_of_a_busy_machine() -> None:
    """Their table and their chart come from the rows that were measured on an idle machine."""
    assert MEASURED["load"] <= MAX_IDLE_LOAD
    assert set(cloche_reference.TASKS) <= set(MEASURED["seconds"])
    assert {*SHORT_CHART_ROWS} <= set(cloche_reference.TASKS)
    for page in ("index.md", "explanation/speed.md", "explanation/comparison.md"):
        text = built_page(page)
        assert cloche_reference.speed() in text or "speed-short.svg" in text
        assert " ms" not in text.replace(cloche_reference.speed(), "")
    pages = {path.name: path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
    assert [name for name, text in pages.items() if "load average" in text or "<!-- measured by" in text] == []


def test_every_row_was_measured() -> None:
    assert list(MEASURED["seconds"]) == [row.name for row in ROWS]
    assert MEASURED["disk"]
    assert MEASURED["growth"]


def test_the_report_shows_environments_from_lock_files() -> None:
    conditions = {name: MEASURED[name] for name in ("measured", "machine", "versions", "load")}
    seconds = {row.name: {command.peer: [0.1, 0.1] for command in row.commands} for row in LOCKED_ROWS}
    hundred = {"seconds": [0.1] * 100, "first": 10_000_000, "others": 50_000}
    locked = {**conditions, "packages": {"medium": 40, "large": 81}, "seconds": seconds, "hundred": hundred}

    text = report({"locked": locked})

    assert "the medium set has 40 packages, the large set has 81 packages" in text
    assert "| 0.50 % | 100 (100\u2013100) |" in text
    assert all(row.title in text for row in LOCKED_ROWS)


def test_the_report_shows_the_commands_for_existing_environments() -> None:
    conditions = {name: MEASURED[name] for name in ("measured", "machine", "versions", "load")}
    seconds = {row.name: {command.peer: [0.1, 0.1] for command in row.commands} for row in LIFECYCLE_ROWS}
    measured = {**conditions, "packages": {"usual": 61, "huge": 420}, "older": "3.12.1", "seconds": seconds}

    text = report({"lifecycle": measured})

    assert "the usual set has 61 packages, the huge set has 420 packages" in text
    assert "`upgrade` starts with CPython 3.12.1" in text
    assert all(row.title in text for row in LIFECYCLE_ROWS)


def test_a_report_can_be_built_from_saved_results(tmp_path: Path) -> None:
    picture, data = tmp_path / "speed.svg", REPOSITORY / "docs/_static/speed.json"
    argv = ["--results", str(data), "--chart", str(picture), "--json", str(tmp_path / "speed.json")]

    done = subprocess.run([sys.executable, str(BENCHMARKS / "run.py"), *argv], capture_output=True, check=True)

    assert done.stdout.decode() == report(MEASURED)
    assert picture.read_text(encoding="utf-8") == chart(MEASURED)
    assert (tmp_path / "speed.json").read_bytes() == data.read_bytes()


@pytest.mark.nightly
def test_the_peers_are_installed_and_measured(tmp_path: Path) -> None:
    """One round of two rows shows that the command works; it needs an index."""
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
def test_explain_prints_imports_and_system_calls(tmp_path: Path) -> None:
    require("strace")
    argv = ["unseeded", "--explain", "--directory", str(tmp_path)]

    done = subprocess.run(
        [pyenv("3.13"), str(BENCHMARKS / "run.py"), *argv], stdout=subprocess.PIPE, text=True, check=True
    )

    assert "of which cloche itself" in done.stdout
    assert " cloche.planning.plan_cache" in done.stdout or " cloche.session" in done.stdout
    assert "openat" in done.stdout
    assert "pluggy" not in done.stdout  # because it explains a warm run
