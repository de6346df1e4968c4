"""Test that cloche handles every event of the comparison, and that the documented table has the same texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lifecycle.comparison import CHECKS, CREATE_WITH_PIP, EVENTS, compare_tools, failed_checks
from tests.lifecycle.conftest import TOOLS_DIRECTORY


@pytest.mark.nightly
@pytest.mark.parametrize("created_by", CREATE_WITH_PIP)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_all_checks_pass_after_cloche_handles_an_event(
    event, created_by, wheels: Path, tmp_path: Path, monkeypatch
) -> None:
    if TOOLS_DIRECTORY:
        monkeypatch.setenv("CLOCHE_TEST_TOOLS", TOOLS_DIRECTORY)
    work = tmp_path / "work"
    work.mkdir()
    [verdict] = compare_tools(event, created_by, work, wheels, ("cloche",))
    assert verdict.failed == ()


@pytest.mark.nightly
def test_the_checks_detect_what_a_plain_move_breaks(wheels: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    [event] = [event for event in EVENTS if "mv" in event.name]
    assert [verdict.tool for verdict in compare_tools(event, "venv", work, wheels, ("cloche",))] == ["cloche"]
    (work / "moved").rename(work / "again")
    failed = failed_checks(work / "again", event.final_python(), work / "moved")
    assert {"scripts", "pip", "activation", "kernel", "editables", "leftovers"} <= set(failed)


def test_the_documented_table_has_the_texts_of_the_comparison() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "lifecycle.md").read_text(encoding="utf-8")
    table = page[page.index("| what happened |") :].partition("\n\n")[0]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    assert header[2:] == list(dict.fromkeys(tool for event in EVENTS for tool in event.commands))
    assert list(dict.fromkeys(row[0] for row in rows)) == [event.name for event in EVENTS]
    assert {name for row in rows for name in row[1].split(", ")} == {"any", *CREATE_WITH_PIP}
    assert {name for row in rows for cell in row[2:] for name in cell.split(", ")} <= {"", "correct", "fails", *CHECKS}
