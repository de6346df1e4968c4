"""Parse and rewrite the `command` in a `pyvenv.cfg`: the command that created the environment. It is never run.

cloche quotes each word as POSIX shells do; `venv` quotes nothing; other tools do not record a command.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from cloche.model.plan import LockRequest, Wanted
from cloche.planning.pyvenv_cfg import join_lines, seed_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.lifecycle.relocation import Relocation

VENV_COMMAND = re.compile(r" -m venv(?: --[\w-]+(?:=\S+)?)* (/.*)$")
"""The command of `venv`: each option is one word, and the rest, which may contain spaces, is the destination."""


def parse_command(command: str) -> list[str]:
    """Return the words of a command of cloche; an empty list for the command of another tool."""
    if " --python " not in command or " -m venv " in command:
        return []
    try:
        return shlex.split(command)
    except ValueError:
        return []


def recorded_destination(command: str, location: str) -> str:
    """Return the environment that a command created, absolute; empty if the command does not name it.

    :param location: where the environment is now. It is returned if the command names a path that differs from it only
        in line breaks and in spaces at the ends, which `pyvenv.cfg` cannot record.
    """
    words = parse_command(command)
    match = VENV_COMMAND.search(command)
    destination = words[-1] if words else match[1] if match else ""
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


def recorded_lock(settings: Mapping[str, str]) -> Wanted | None:
    """Return the lock file that an environment was created from, with what of it is installed; None without one.

    The lock file may no longer exist.
    """
    if "lock" not in settings:
        return None
    values: dict[str, list[str]] = {}
    words = iter(parse_command(settings.get("command", ""))[:-1])
    for word in words:
        if word in ("--lock", "--extra", "--group", "--seed", "--pip", "--find-links"):
            values.setdefault(word, []).append(next(words, ""))
        elif word in ("--no-default-groups", "--only-binary"):
            values[word] = []
    if "--lock" not in values:
        return None
    seeds = [*values.get("--seed", ()), *(f"pip=={version}" for version in values.get("--pip", ()))]
    return Wanted(
        requirements=tuple(seeds),
        find_links=tuple(values.get("--find-links", ())),
        builds="refused" if "--only-binary" in values else "allowed",
        lock=LockRequest(
            path=values["--lock"][-1],
            extras=tuple(values.get("--extra", ())),
            groups=tuple(values.get("--group", ())),
            default_groups="excluded" if "--no-default-groups" in values else "included",
        ),
    )


def lock_command(settings: Mapping[str, str], location: str) -> str:
    """Return the command that brings a locked environment into line with its lock file; empty if that does not exist."""
    wanted = recorded_lock(settings)
    if wanted is None or wanted.lock is None or not os.path.isfile(wanted.lock.path):
        return ""
    return shlex.join(["cloche", location, *seed_options(wanted)])
