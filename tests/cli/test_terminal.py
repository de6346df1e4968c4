"""Test the output at a terminal: colors, and a temporary progress line for long operations."""

from __future__ import annotations

import os
import re
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
    variables = clean_environ(tmp_path / "home", tmp_path / "cache")
    removed = ("NO_COLOR", "FORCE_COLOR", "TERM")
    return {**{name: text for name, text in variables.items() if name not in removed}, "TERM": "xterm"}


def run_at_terminal(environ: dict[str, str], cwd: Path, *argv: str) -> str:
    """Run a command in a pseudo-terminal; return its output, including control sequences."""
    program = pexpect.spawn(
        sys.executable,
        ["-m", "cloche", *argv],
        cwd=str(cwd),
        env=environ,
        encoding="utf-8",
        timeout=120,
        dimensions=(24, COLUMNS),
    )
    output: str = program.read()
    program.close()
    return output


def final_screen(output: str) -> list[str]:
    """Return the lines that are on the screen after this output."""
    screen = pyte.Screen(COLUMNS, 24)
    pyte.Stream(screen).feed(output)
    return [line.rstrip() for line in screen.display if line.strip()]


def run_in_pipe(environ: dict[str, str], cwd: Path, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cloche", *argv], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_progress_is_shown_and_erased(environ: dict[str, str], tmp_path: Path) -> None:
    output = run_at_terminal(environ, tmp_path, "./env", "-p", sys.executable)
    first, *more = final_screen(output)

    assert "checking an interpreter" in output
    assert "unpacking pip" in output
    assert first.startswith("created env: ")
    assert not {"checking", "unpacking"} & set(" ".join([first, *more]).split())


def test_progress_is_shown_only_where_it_can_be_erased(environ: dict[str, str], tmp_path: Path) -> None:
    assert "reading the cache" in run_at_terminal(environ, tmp_path, "cache", "verify")
    assert "reading" not in run_at_terminal(environ, tmp_path, "cache", "verify", "-q")
    assert "reading" not in run_at_terminal({**environ, "TERM": "dumb"}, tmp_path, "cache", "verify")
    assert "reading" not in run_in_pipe({**environ, "FORCE_COLOR": "1"}, tmp_path, "cache", "verify")


def test_packing_shows_how_much_is_done(environ: dict[str, str], tmp_path: Path) -> None:
    api.create(tmp_path / "env", seeds=None, activators=(), relocatable=True)
    words = ("pack", "env", "-o", "env.tar.gz", "--with-base-outside")

    assert re.search(r"packing \d+ % of `/", run_at_terminal(environ, tmp_path, *words))
    assert "%" not in run_in_pipe(environ, tmp_path, *words, "--force")


@pytest.mark.parametrize("name", ["long ", "東京"])
def test_a_progress_line_is_truncated_to_the_width_of_the_terminal(
    name: str, environ: dict[str, str], tmp_path: Path
) -> None:
    """A line that wraps could not be erased."""
    directory = tmp_path / (name * 30)
    api.create(directory / "env", seeds=None, activators=())
    output = run_at_terminal(environ, tmp_path, "move", str(directory / "env"), "moved")

    assert "moving" in output
    assert not [line for line in final_screen(output) if "..." in line or line.startswith("cloche: moving")]


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
def test_colors_are_used_at_terminals_or_on_request(
    environ: dict[str, str], tmp_path: Path, variables: dict[str, str], terminal: bool, pipe: bool
) -> None:
    """The run prints an error, its hint and a warning."""
    changed = {**environ, **variables, "CLOCHE_PROMT": "x"}
    at_terminal, in_pipe = (run(changed, tmp_path, "info", "nowhere") for run in (run_at_terminal, run_in_pipe))

    assert ("\x1b[31mcloche: error:\x1b[0m" in at_terminal) is terminal
    assert ("\x1b[36mhint:\x1b[0m" in at_terminal) is terminal
    assert ("\x1b[31mcloche: error:\x1b[0m" in in_pipe) is pipe
    assert ("\x1b[" in in_pipe) is pipe


def test_the_header_of_a_table_is_bold(environ: dict[str, str], tmp_path: Path) -> None:
    for command in ("plugins", "config"):
        output = run_at_terminal(environ, tmp_path, command)
        assert output.lstrip("\r\n").startswith("\x1b[1m"), output
    api.create(tmp_path / "env", seeds=None, activators=())
    assert "env: \x1b[32mhealthy\x1b[0m" in run_at_terminal(environ, tmp_path, "doctor", "env")


def test_json_is_never_colored(environ: dict[str, str], tmp_path: Path) -> None:
    for command in ("plugins", "config", "pythons"):
        assert "\x1b" not in run_in_pipe(
            {**environ, "FORCE_COLOR": "1", "PATH": os.defpath}, tmp_path, command, "--json"
        )
