"""Test that the help fits a terminal and lists every option once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cloche.cli.commands import COMMANDS, COMMON
from cloche.cli.help import help_text
from cloche.model.options import Option


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_line_is_longer_than_80_columns(command: object) -> None:
    long = Option("an-option-with-a-name-that-leaves-no-room-at-all", "what it does " * 20, metavar="A-LONG-WORD")

    for text in (help_text(command), help_text(command, spellings="all"), help_text(command, [long])):
        assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_every_option_is_listed_once_below_its_heading(command: object) -> None:
    text = help_text(command)
    for option in (*command.options, *COMMON):
        lines = [line for line in text.splitlines() if f" --{option.name} " in f"{line[:24]} " and line[:3] == "  -"]
        assert len(lines) == (0 if option.hidden else 1), option.name
        assert option.hidden or f"\n{option.group}:\n" in text


def test_verbose_help_shows_the_spellings_of_virtualenv() -> None:
    shown = [
        subprocess.run([sys.executable, "-m", "cloche", *argv], capture_output=True, text=True, check=True).stdout
        for argv in (["--help"], ["--help", "-v"])
    ]

    assert "--always-copy" not in shown[0]
    assert "`cloche --help -v` lists them" in " ".join(shown[0].split())
    assert "  --always-copy         same as --creator copy" in shown[1].splitlines()


def test_options_of_plugins_have_their_own_heading() -> None:
    text = help_text(COMMANDS["create"], [Option("rope", "how long"), Option("knot", "which one", group="seeds")])

    assert "\noptions of plugins:\n  --rope VALUE          how long\n" in text
    assert text.index("\nseeds:\n") < text.index("--knot") < text.index("\noutput:\n")


def test_help_shows_choices_and_repeatable_options() -> None:
    text = help_text(COMMANDS["create"])

    assert "from the cache: auto, clone,\n                        hardlink, copy, symlink\n" in text
    assert "the Python to use: the first SPEC that has a match; may\n                        be repeated\n" in text


def test_headings_are_coloured_on_request() -> None:
    environ = {**os.environ, "FORCE_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "cloche", "info", "--help"], env=environ, capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("\x1b[1musage:\x1b[0m cloche info")
    assert "\x1b" not in help_text(COMMANDS["info"])
