"""What is compared with other tools is understood as it is written, by cloche and, as far as they are here, by them."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.api import CHOICES
from cloche.cli.commands import COMMANDS, COMMON
from cloche.cli.parser import options_by_spelling, parse_arguments
from tests.pages import DOCS
from tests.test_docs import variables
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

COMING_FROM = sorted(DOCS.glob("coming-from/*.md"))


def spellings(path: Path, column: int) -> list[str]:
    """Return everything that stands as code in one column of the tables of a page."""
    rows = [line.split(" | ") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [text for row in rows if len(row) > column for text in re.findall(r"`([^`]+)`", row[column])]


def words_of(spelling: str) -> list[str]:
    """Return a command as its words, without the program and with what a shell would put in for `~`."""
    return shlex.split(spelling)[1:]


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_command_of_ours_is_written_as_it_is_understood(path: Path) -> None:
    ours = [text for text in spellings(path, 1) if text.startswith("cloche ")]

    assert len(ours) > 10
    for text in ours:
        parse_arguments(words_of(text)).check()


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_option_that_is_named_beside_a_command_is_one_of_ours(path: Path) -> None:
    named = {text.split()[0] for text in spellings(path, 2) if text.startswith("--")}

    assert {text for text in named if text not in options_by_spelling((*COMMON, *COMMANDS["create"].options))} <= {
        "--all"
    }


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_variable_of_ours_is_one_that_is_read(path: Path) -> None:
    named = {text.partition("=")[0] for text in spellings(path, 1) if text.startswith("CLOCHE_")}

    assert named <= variables()


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_call_of_ours_has_arguments_that_there_are(path: Path) -> None:
    for text in spellings(path, 1):
        if text.startswith("cloche.") and text.endswith(")"):
            call = ast.parse(text, mode="eval").body
            assert isinstance(call, ast.Call)
            assert {keyword.arg for keyword in call.keywords} <= CHOICES
            assert text.partition("(")[0].removeprefix("cloche.") in cloche.__all__


def test_every_spelling_of_virtualenv_is_taken_as_it_stands() -> None:
    theirs = [text for text in spellings(DOCS / "coming-from/virtualenv.md", 0) if text.startswith("virtualenv ")]

    assert len(theirs) > 20
    for text in theirs:
        parse_arguments([*words_of(text), *([] if ".venv" in text else [".venv"])]).check()


@pytest.mark.parametrize(
    ("page_name", "starts_with", "asked"),
    [
        ("venv", "python3 -m venv ", [sys.executable, "-m", "venv", "--help"]),
        ("virtualenv", "virtualenv ", ["virtualenv", "--help"]),
        ("uv", "uv venv", ["uv", "venv", "--help"]),
    ],
)
def test_the_other_tool_has_the_options_that_are_compared(page_name: str, starts_with: str, asked: list[str]) -> None:
    """As far as the version that is installed goes: `venv` has got some of them with newer Pythons."""
    program = require(asked[0])
    told = subprocess.run([program, *asked[1:]], capture_output=True, text=True, check=True).stdout
    theirs = [text for text in spellings(DOCS / f"coming-from/{page_name}.md", 0) if text.startswith(starts_with)]
    newer = {"--without-scm-ignore-files"} if sys.version_info < (3, 13) else set()

    assert theirs
    assert {one for text in theirs for one in text.split() if one.startswith("--") and one not in told} <= newer
