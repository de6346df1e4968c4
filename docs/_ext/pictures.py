"""Pictures of terminals: the output of commands that run in a real terminal, as SVG."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pyte

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyte.screens import Char

COLUMNS, ROWS = 96, 400
"""The size of the terminal; empty rows at the end are not drawn."""

TIMEOUT = 120
"""The time limit for one command, in seconds: enough for a slow machine with an empty cache."""

WIDTH, HEIGHT, BASELINE, MARGIN = 8.4, 19, 14, 14
"""The width of a character, the height and baseline of a line, and the margin, in SVG user units."""

PROMPT_MARK = re.compile(rb"\x1b\]777;(\d+)\x07")
"""The escape sequence before each prompt, with the exit code of the last command; terminals do not show it."""

DURATION = re.compile(r",? \d+ ms\b")
PROMPT = re.compile(r"(?:\([^)]*\) )?\$ ")

PAUSE = 0.9
"""The time between the output of a command and the next command in an animated picture, in seconds."""

COLORS = {
    "black": "#5c6370",
    "red": "#ff7b72",
    "green": "#7ee787",
    "brown": "#e3b341",  # pyte's name for yellow
    "blue": "#79c0ff",
    "magenta": "#d2a8ff",
    "cyan": "#76e3ea",
    "white": "#f0f6fc",
}
BACKGROUND, FOREGROUND = "#161b22", "#d5dbe3"


def run_in_terminal(commands: Iterable[str], before: str = "") -> list[list[Char]]:
    """Run commands in bash, with an empty home directory, and return the lines of the terminal, with `~` for this directory.

    :param before: shell commands to run first; their output is not shown.
    :raises RuntimeError: a command is not found, or prints a traceback.
    """
    with tempfile.TemporaryDirectory(prefix="me-") as home:
        directory = Path(home, "work")
        directory.mkdir()
        environ = {
            "HOME": home,
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PROMPT_COMMAND": r"printf '\033]777;%d\007' $?",
            "PS1": "$ ",
            "PYENV_ROOT": os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv"),
            "SHELL": "bash",
            "TERM": "xterm-256color",
        }
        shell = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile", "-i"],
            cwd=str(directory),
            env=environ,
            dimensions=(ROWS, COLUMNS),
            timeout=TIMEOUT,
        )
        try:
            shell.expect(PROMPT_MARK)
            if before:
                shell.sendline(f"{{ {before}; }} >/dev/null 2>&1; clear")
                shell.expect(PROMPT_MARK)
            screen = pyte.Screen(COLUMNS, ROWS)
            stream = pyte.ByteStream(screen)
            for command in commands:
                shell.expect_exact(b"$ ")
                stream.feed((shell.before + shell.after).replace(home.encode(), b"~"))
                shell.sendline(command)
                shell.expect(PROMPT_MARK)
                stream.feed(shell.before.replace(home.encode(), b"~"))
                if shell.match[1] == b"127" or b"Traceback (most" in shell.before:
                    raise RuntimeError(f"`{command}` failed: {shell.before.decode()}")
        finally:
            shell.close(force=True)
    lines = [[screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)]
    while lines and not text_of(lines[-1]):
        lines.pop()
    return lines


def text_of(line: Iterable[Char]) -> str:
    return "".join(character.data for character in line).rstrip()


def without_times(lines: list[list[Char]]) -> list[list[Char]]:
    """Return the lines without durations such as `, 240 ms`, which say more about this machine than about cloche."""
    cleaned = []
    for line in lines:
        characters = list(line)
        for match in reversed(list(DURATION.finditer("".join(character.data for character in line)))):
            del characters[match.start() : match.end()]
        cleaned.append(characters)
    return cleaned


def delays(lines: list[list[Char]]) -> list[float]:
    """Return when each line appears, in seconds: a command after a pause, its output soon after it."""
    times, now = [], 0.0
    for line in lines:
        now += PAUSE if PROMPT.match(text_of(line)) else PAUSE / 4
        times.append(now)
    return times


def render_svg(lines: list[list[Char]], *, animated: bool = False) -> str:
    """Return lines of a terminal as SVG, with selectable text in the colors that the programs chose.

    :param animated: let the lines appear one after the other, if the style sheet of the page says so.
    """
    width = 2 * MARGIN + WIDTH * max(map(len, map(text_of, lines)), default=0)
    height = 2 * MARGIN + HEIGHT * len(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">',
        f"<title>{escape(chr(10).join(map(text_of, lines)))}</title>",
        f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>',
        f'<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" fill="{FOREGROUND}">',
    ]
    for row, (line, delay) in enumerate(zip(lines, delays(lines), strict=True)):
        column = 0
        if animated:
            parts.append(f'<g class="appears" style="animation-delay: {delay:g}s">')
        for style, run in groupby(line, key=style_of):
            text = "".join(character.data for character in run)
            if text.strip():
                position = f'x="{MARGIN + WIDTH * column:g}" y="{MARGIN + HEIGHT * row + BASELINE:g}"'
                length = f'textLength="{WIDTH * len(text):g}" lengthAdjust="spacingAndGlyphs"'
                parts.append(f'<text {position} {length} xml:space="preserve"{style}>{escape(text)}</text>')
            column += len(text)
        if animated:
            parts.append("</g>")
    return "\n".join([*parts, "</g></svg>"])


def style_of(character: Char) -> str:
    """Return the SVG attributes for the style of a character."""
    style = ""
    color = character.fg.removeprefix("bright")
    if color != "default":
        style += f' fill="{COLORS.get(color, f"#{color}")}"'
    if character.bold:
        style += ' font-weight="bold"'
    if character.underscore:
        style += ' text-decoration="underline"'
    return style
