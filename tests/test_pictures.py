"""The pictures of terminals in the documentation show what a terminal shows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.pages import REPOSITORY
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Sequence

sys.path.insert(0, str(REPOSITORY / "docs" / "_ext"))

import pictures


def seen(commands: Sequence[str], before: str = "") -> list[str]:
    require("bash")
    return [pictures.text_of(line) for line in pictures.typed(commands, before)]


def test_a_terminal_shows_what_is_typed_and_what_comes_back() -> None:
    assert seen(["echo one", "x=two", "echo $x"]) == ["$ echo one", "one", "$ x=two", "$ echo $x", "two"]


def test_what_is_done_beforehand_is_not_seen() -> None:
    assert seen(["ls"], before="mkdir there; echo unseen") == ["$ ls", "there"]


def test_an_environment_is_activated_and_the_prompt_tells() -> None:
    lines = seen(["cloche .venv --no-seed", "source .venv/bin/activate", "deactivate"])

    assert lines[1].startswith("created .venv: CPython ")
    assert lines[2:] == ["$ source .venv/bin/activate", "(.venv) $ deactivate"]


def test_a_command_that_there_is_not_makes_no_picture() -> None:
    with pytest.raises(RuntimeError, match="no-such-command"):
        seen(["no-such-command"])


def test_a_picture_has_the_text_and_its_colours_and_runs_nothing() -> None:
    require("bash")

    drawn = pictures.drawn(pictures.typed([r"printf '\033[31mred\033[0m <script>\n'"]))

    assert '<text x="14" y="47"' in drawn
    assert f' fill="{pictures.COLOURS["red"]}">red</text>' in drawn
    assert "&lt;script&gt;" in drawn
    assert "<script>" not in drawn
