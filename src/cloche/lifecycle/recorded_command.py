"""The `command` in a `pyvenv.cfg`: which place it names, and the same command for another; it is never run.

cloche quotes each word as POSIX shells do. `venv` quotes nothing, and no other maker writes one.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from cloche.planning.pyvenv_cfg import join_lines

if TYPE_CHECKING:
    from cloche.lifecycle.relocation import Relocation

OPTIONS = re.compile(r" -m venv(?: --[\w-]+(?:=\S+)?)* (/.*)$")
"""What `venv` writes: its options are one word each, and the place, which may hold blanks, is the rest."""


def words_of(command: str) -> list[str]:
    """Return the words of a command that cloche wrote; none if it is somebody else's."""
    if " --python " not in command or " -m venv " in command:
        return []
    try:
        return shlex.split(command)
    except ValueError:
        return []


def place_of(command: str, location: str) -> str:
    """Return the environment that a command made, absolute; empty if it does not say.

    :param location: where the environment is: for a name that could not be written as it is, it is taken to be that.
    """
    words = words_of(command)
    match = OPTIONS.search(command)
    place = words[-1] if words else match[1] if match else ""
    if join_lines(place) == join_lines(location):  # line breaks are written as spaces, and the ends of a line are cut
        return location
    return place if place.startswith("/") else ""


def relocated(command: str, relocation: Relocation) -> str:
    """Return a command of the new place."""
    words = words_of(command)
    if not words:
        return relocation.everything(command)
    moved = [relocation.everything(word) for word in words]
    for old, new in relocation.roots:
        if words[-1] == join_lines(old):
            moved[-1] = new
    return command if moved == words else join_lines(shlex.join(moved))


def pointed(command: str, executable: str) -> str:
    """Return a command that names another interpreter."""
    words = words_of(command)
    if "--python" not in words[:-2]:
        return command
    words[words.index("--python") + 1] = executable
    return join_lines(shlex.join(words))
