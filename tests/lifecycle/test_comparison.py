"""The whole matrix: environments of every maker, whatever happens to them; what cloche makes of them is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lifecycle.comparison import DEEDS, MAKERS, compare, judged
from tests.lifecycle.conftest import TOOLS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.nightly


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
def test_after_the_remedy_all_is_right(deed, maker, wheels: Path, tmp_path: Path, monkeypatch) -> None:
    if TOOLS:
        monkeypatch.setenv("CLOCHE_TEST_TOOLS", TOOLS)
    work = tmp_path / "work"
    work.mkdir()
    [verdict] = compare(deed, maker, work, wheels, ("cloche",))
    assert verdict.wrong == ()


def test_the_checks_see_what_a_plain_move_breaks(wheels: Path, tmp_path: Path) -> None:
    """Else a table that says `right` would say nothing."""
    work = tmp_path / "work"
    work.mkdir()
    [deed] = [one for one in DEEDS if "mv" in one.name]
    assert [one.tool for one in compare(deed, "venv", work, wheels, ("cloche",))] == ["cloche"]
    (work / "moved").rename(work / "again")
    wrong = judged(work / "again", deed.version(), work / "moved")
    assert {"scripts", "pip", "activation", "kernel", "editables", "leftovers"} <= set(wrong)
