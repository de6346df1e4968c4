"""Test the comparisons with other tools: cloche accepts its side of each row, and the other tool has the options in the table."""

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
    """Return the code spans in one column of the tables of a page."""
    rows = [line.split(" | ") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [text for row in rows if len(row) > column for text in re.findall(r"`([^`]+)`", row[column])]


def arguments_of(spelling: str) -> list[str]:
    """Return the arguments of a command line."""
    return shlex.split(spelling)[1:]


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_command_of_cloche_is_valid(path: Path) -> None:
    commands = [text for text in spellings(path, 1) if text.startswith("cloche ")]

    assert len(commands) > 10
    for text in commands:
        parse_arguments(arguments_of(text)).check()


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_option_in_the_remarks_exists(path: Path) -> None:
    options = {text.split()[0] for text in spellings(path, 2) if text.startswith("--")}
    known = options_by_spelling((*COMMON, *COMMANDS["create"].options))

    assert {option for option in options if option not in known} <= {"--all"}


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_variable_of_cloche_exists(path: Path) -> None:
    mentioned = {text.partition("=")[0] for text in spellings(path, 1) if text.startswith("CLOCHE_")}

    assert mentioned <= variables()


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_call_of_the_python_interface_is_valid(path: Path) -> None:
    for text in spellings(path, 1):
        if text.startswith("cloche.") and text.endswith(")"):
            call = ast.parse(text, mode="eval").body
            assert isinstance(call, ast.Call)
            assert {keyword.arg for keyword in call.keywords} <= CHOICES
            assert text.partition("(")[0].removeprefix("cloche.") in cloche.__all__


def test_every_command_of_virtualenv_is_accepted() -> None:
    commands = [text for text in spellings(DOCS / "coming-from/virtualenv.md", 0) if text.startswith("virtualenv ")]

    assert len(commands) > 20
    for text in commands:
        parse_arguments([*arguments_of(text), *([] if ".venv" in text else [".venv"])]).check()


@pytest.mark.parametrize(
    ("page_name", "prefix", "help_command"),
    [
        ("venv", "python3 -m venv ", [sys.executable, "-m", "venv", "--help"]),
        ("virtualenv", "virtualenv ", ["virtualenv", "--help"]),
        ("uv", "uv venv", ["uv", "venv", "--help"]),
    ],
)
def test_the_other_tool_has_the_compared_options(page_name: str, prefix: str, help_command: list[str]) -> None:
    """The installed version is tested, so options that `venv` has only in newer Pythons may be missing."""
    program = require(help_command[0])
    help_text = subprocess.run([program, *help_command[1:]], capture_output=True, text=True, check=True).stdout
    commands = [text for text in spellings(DOCS / f"coming-from/{page_name}.md", 0) if text.startswith(prefix)]
    newer = {"--without-scm-ignore-files"} if sys.version_info < (3, 13) else set()

    assert commands
    options = {word for text in commands for word in text.split() if word.startswith("--")}
    assert {option for option in options if option not in help_text} <= newer
