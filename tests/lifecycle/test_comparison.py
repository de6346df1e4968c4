"""Test that cloche handles every event of the comparison for environments of every tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lifecycle.comparison import CREATE_WITH_PIP, EVENTS, compare_tools, failed_checks
from tests.lifecycle.conftest import TOOLS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.nightly


@pytest.mark.parametrize("created_by", CREATE_WITH_PIP)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_all_checks_pass_after_cloche_handles_an_event(
    event, created_by, wheels: Path, tmp_path: Path, monkeypatch
) -> None:
    if TOOLS:
        monkeypatch.setenv("CLOCHE_TEST_TOOLS", TOOLS)
    work = tmp_path / "work"
    work.mkdir()
    [verdict] = compare_tools(event, created_by, work, wheels, ("cloche",))
    assert verdict.failed == ()


def test_the_checks_detect_what_a_plain_move_breaks(wheels: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    [event] = [event for event in EVENTS if "mv" in event.name]
    assert [verdict.tool for verdict in compare_tools(event, "venv", work, wheels, ("cloche",))] == ["cloche"]
    (work / "moved").rename(work / "again")
    failed = failed_checks(work / "again", event.final_python(), work / "moved")
    assert {"scripts", "pip", "activation", "kernel", "editables", "leftovers"} <= set(failed)
