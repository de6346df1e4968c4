"""Type commands into a shell in a real terminal, and draw the screen exactly as it is then."""

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
"""The size of the terminal; rows that stay empty are not drawn."""

PATIENCE = 120
"""Seconds that one command may take, even on a slow machine and with nothing cached."""

WIDTH, HEIGHT, BASELINE, MARGIN = 8.4, 19, 14, 14
"""The width of a character, the height and baseline of a line, and the margin, in units of the picture."""

DONE = re.compile(rb"\x1b\]777;(\d+)\x07")
"""What the shell sends before each prompt: the exit code of the last command. Terminals do not show it."""

COLOURS = {
    "black": "#5c6370",
    "red": "#ff7b72",
    "green": "#7ee787",
    "brown": "#e3b341",  # pyte's name for yellow
    "blue": "#79c0ff",
    "magenta": "#d2a8ff",
    "cyan": "#76e3ea",
    "white": "#f0f6fc",
}
PAPER, INK = "#161b22", "#d5dbe3"


def typed(commands: Iterable[str], before: str = "") -> list[list[Char]]:
    """Return the lines of a terminal after a user with an empty home directory has typed some commands.

    :raises RuntimeError: the shell does not know a command, or a command ends in a traceback.
    """
    with tempfile.TemporaryDirectory(prefix="me-") as home:
        here = Path(home, "work")
        here.mkdir()
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
            cwd=str(here),
            env=environ,
            dimensions=(ROWS, COLUMNS),
            timeout=PATIENCE,
        )
        try:
            shell.expect(DONE)
            if before:
                shell.sendline(f"{{ {before}; }} >/dev/null 2>&1; clear")
                shell.expect(DONE)
            screen = pyte.Screen(COLUMNS, ROWS)
            stream = pyte.ByteStream(screen)
            for command in commands:
                shell.expect_exact(b"$ ")
                stream.feed(shell.before + shell.after)
                shell.sendline(command)
                shell.expect(DONE)
                stream.feed(shell.before)
                if shell.match[1] == b"127" or b"Traceback (most" in shell.before:
                    raise RuntimeError(f"`{command}` fails: {shell.before.decode()}")
        finally:
            shell.close(force=True)
    lines = [[screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)]
    while lines and not text_of(lines[-1]):
        lines.pop()
    return lines


def text_of(line: Iterable[Char]) -> str:
    return "".join(character.data for character in line).rstrip()


def drawn(lines: list[list[Char]]) -> str:
    """Return a terminal as SVG: selectable text in the colours that the programs chose."""
    width = 2 * MARGIN + WIDTH * max(map(len, map(text_of, lines)), default=0)
    height = 2 * MARGIN + HEIGHT * len(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">',
        f"<title>{escape(chr(10).join(map(text_of, lines)))}</title>",
        f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>',
        f'<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" fill="{INK}">',
    ]
    for row, line in enumerate(lines):
        column = 0
        for style, run in groupby(line, key=style_of):
            text = "".join(character.data for character in run)
            if text.strip():
                place = f'x="{MARGIN + WIDTH * column:g}" y="{MARGIN + HEIGHT * row + BASELINE:g}"'
                length = f'textLength="{WIDTH * len(text):g}" lengthAdjust="spacingAndGlyphs"'
                parts.append(f'<text {place} {length} xml:space="preserve"{style}>{escape(text)}</text>')
            column += len(text)
    return "\n".join([*parts, "</g></svg>"])


def style_of(character: Char) -> str:
    """Return the style of a character as SVG attributes."""
    style = ""
    colour = character.fg.removeprefix("bright")
    if colour != "default":
        style += f' fill="{COLOURS.get(colour, f"#{colour}")}"'
    if character.bold:
        style += ' font-weight="bold"'
    if character.underscore:
        style += ' text-decoration="underline"'
    return style
