"""What people see at a terminal: colours with restraint, and one line about what takes long, which goes again."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pexpect
import pyte
import pytest

import cloche as api
from tests.run import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = 80


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    found = clean_environ(tmp_path / "home", tmp_path / "cache")
    unsaid = ("NO_COLOR", "FORCE_COLOR", "TERM")
    return {**{name: text for name, text in found.items() if name not in unsaid}, "TERM": "xterm"}


def at_terminal(environ: dict[str, str], cwd: Path, *argv: str) -> str:
    """Return everything that is drawn while a command runs."""
    program = pexpect.spawn(
        sys.executable,
        ["-m", "cloche", *argv],
        cwd=str(cwd),
        env=environ,
        encoding="utf-8",
        timeout=120,
        dimensions=(24, COLUMNS),
    )
    drawn: str = program.read()
    program.close()
    return drawn


def left(drawn: str) -> list[str]:
    """Return the lines that are on the screen in the end."""
    screen = pyte.Screen(COLUMNS, 24)
    pyte.Stream(screen).feed(drawn)
    return [line.rstrip() for line in screen.display if line.strip()]


def through_pipe(environ: dict[str, str], cwd: Path, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cloche", *argv], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_what_takes_long_is_told_and_gone_afterwards(environ: dict[str, str], tmp_path: Path) -> None:
    drawn = at_terminal(environ, tmp_path, "env", "-p", sys.executable)
    first, *more = left(drawn)

    assert "checking an interpreter" in drawn
    assert "unpacking pip" in drawn
    assert first.startswith("created env: ")
    assert not {"asking", "unpacking"} & set(" ".join([first, *more]).split())


def test_nobody_who_cannot_see_it_go_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    assert "reading the cache" in at_terminal(environ, tmp_path, "cache", "verify")
    assert "reading" not in at_terminal(environ, tmp_path, "cache", "verify", "-q")
    assert "reading" not in at_terminal({**environ, "TERM": "dumb"}, tmp_path, "cache", "verify")
    assert "reading" not in through_pipe({**environ, "FORCE_COLOR": "1"}, tmp_path, "cache", "verify")


def test_a_line_about_progress_never_takes_more_than_one(environ: dict[str, str], tmp_path: Path) -> None:
    """What is wider than the terminal could not be erased."""
    place = tmp_path / ("long " * 30)
    api.create(place / "env", seeds=None, activators=())
    drawn = at_terminal(environ, tmp_path, "move", str(place / "env"), "there")

    assert "moving" in drawn
    assert not [line for line in left(drawn) if "..." in line or line.startswith("cloche: moving")]


@pytest.mark.parametrize(
    ("variables", "terminal", "pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
    ids=str,
)
def test_colours_are_for_terminals_and_for_those_who_insist(
    environ: dict[str, str], tmp_path: Path, variables: dict[str, str], terminal: bool, pipe: bool
) -> None:
    """The error, its hint and a warning; the words are the same without."""
    wanted = {**environ, **variables, "CLOCHE_PROMT": "x"}
    drawn, piped = (show(wanted, tmp_path, "info", "nowhere") for show in (at_terminal, through_pipe))

    assert ("\x1b[31mcloche: error:\x1b[0m" in drawn) is terminal
    assert ("\x1b[36mhint:\x1b[0m" in drawn) is terminal
    assert ("\x1b[31mcloche: error:\x1b[0m" in piped) is pipe
    assert ("\x1b[" in piped) is pipe


def test_tables_have_a_head_that_stands_out(environ: dict[str, str], tmp_path: Path) -> None:
    for command in ("plugins", "config"):
        drawn = at_terminal(environ, tmp_path, command)
        assert drawn.lstrip("\r\n").startswith("\x1b[1m"), drawn
    api.create(tmp_path / "env", seeds=None, activators=())
    assert "env: \x1b[32mhealthy\x1b[0m" in at_terminal(environ, tmp_path, "doctor", "env")


def test_json_is_never_coloured(environ: dict[str, str], tmp_path: Path) -> None:
    for command in ("plugins", "config", "pythons"):
        assert "\x1b" not in through_pipe(
            {**environ, "FORCE_COLOR": "1", "PATH": os.defpath}, tmp_path, command, "--json"
        )
