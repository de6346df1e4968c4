"""Parse and rewrite the `command` in a `pyvenv.cfg`: the command that created the environment. It is never run.

cloche quotes each word as POSIX shells do; `venv` quotes nothing; other tools do not record a command.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from cloche.planning.pyvenv_cfg import join_lines

if TYPE_CHECKING:
    from cloche.lifecycle.relocation import Relocation

VENV_COMMAND = re.compile(
    r" -m venv(?P<options>(?: --[\w-]+(?:=(?:\"[^\"]*\"|\S+))?)*) (?P<destination>/.*|[A-Za-z]:\\.*)$"
)
"""The command of `venv`: options, and the rest, which may contain spaces, is the destination."""


def parse_command(command: str) -> list[str]:
    """Return the words of a command of cloche; an empty list for the command of another tool."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    is_ours = words[1:4] == ["-m", "cloche", "--python"] or words[2:3] == [
        "--python"
    ]  # or `python cloche.pyz --python`
    return words if is_ours else []


def venv_options(command: str) -> list[str] | None:
    """Return the options in a command of `venv`; None for the command of another tool."""
    match = VENV_COMMAND.search(command)
    return match["options"].split() if match else None


def recorded_destination(command: str, location: str) -> str:
    """Return the environment that a command created, absolute; empty if the command does not name it.

    :param location: where the environment is now. It is returned if the command names a path that differs from it only
        in line breaks and in spaces at the ends, which `pyvenv.cfg` cannot record.
    """
    words = parse_command(command)
    match = VENV_COMMAND.search(command)
    destination = words[-1] if words else match["destination"] if match else ""
    if join_lines(destination) == join_lines(location):
        return location
    return destination if destination.startswith("/") else ""


def relocate_command(command: str, relocation: Relocation) -> str:
    """Return a command with every relocated path replaced."""
    words = parse_command(command)
    if not words:
        return relocation.string(command)
    moved = [relocation.string(word) for word in words]
    for old, new in relocation.roots:
        if words[-1] == join_lines(old):
            moved[-1] = new
    return command if moved == words else join_lines(shlex.join(moved))


def replace_interpreter(command: str, executable: str) -> str:
    """Return a command of cloche with another path after `--python`; any other command unchanged."""
    words = parse_command(command)
    if "--python" not in words[:-2]:
        return command
    words[words.index("--python") + 1] = executable
    return join_lines(shlex.join(words))
