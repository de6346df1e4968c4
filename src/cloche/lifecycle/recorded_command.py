"""Parse and rewrite the `command` in a `pyvenv.cfg`: the command that created the environment. It is never run.

cloche quotes each word, see `cloche.shells.quote_word`; `venv` quotes nothing; other tools do not record a command.
"""

from __future__ import annotations

import os
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from cloche.errors import UsageError
from cloche.model.plan import LockRequest, Wanted
from cloche.planning.pyvenv_cfg import seed_options
from cloche.shells import quote_words, split_words
from cloche.store.startup_code import parse_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.lifecycle.relocation import Relocation
    from cloche.model.aliases import Compile, StartupRule

VENV_COMMAND = re.compile(
    r" -m venv(?P<options>(?: --[\w-]+(?:=(?:\"[^\"]*\"|\S+))?)*) (?P<destination>/.*|[A-Za-z]:\\.*)$"
)
"""The command of `venv`: options, and the rest, which may contain spaces, is the destination."""


def parse_command(command: str) -> list[str]:
    """Return the words of a command of cloche; an empty list for the command of another tool."""
    words = split_words(command)
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
        in line breaks and in spaces at the ends, which `venv` and cloche 0.1 do not record.
    """
    words = parse_command(command)
    match = VENV_COMMAND.search(command)
    destination = words[-1] if words else match["destination"] if match else ""
    if on_one_line(destination) == on_one_line(location):
        return location
    return destination if destination.startswith("/") else ""


def on_one_line(text: str) -> str:
    return " ".join(text.splitlines()).strip()


def relocate_command(command: str, relocation: Relocation) -> str:
    """Return a command with every relocated path replaced."""
    words = parse_command(command)
    if not words:
        return relocation.string(command)
    moved = [relocation.string(word) for word in words]
    for old, new in relocation.roots:
        if on_one_line(words[-1]) == on_one_line(old):
            moved[-1] = new
    return command if moved == words else quote_words(moved, os.name)


def replace_interpreter(command: str, executable: str) -> str:
    """Return a command of cloche with another path after `--python`; any other command unchanged."""
    words = parse_command(command)
    if "--python" not in words[:-2]:
        return command
    words[words.index("--python") + 1] = executable
    return quote_words(words, os.name)


def recorded_lock(settings: Mapping[str, str]) -> Wanted | None:
    """Return the lock file that an environment was created from, and what is installed from it; None without one.

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
        compile=recorded_compile_policy(settings),
        lock=LockRequest(
            path=values["--lock"][-1],
            extras=tuple(values.get("--extra", ())),
            groups=tuple(values.get("--group", ())),
            default_groups="excluded" if "--no-default-groups" in values else "included",
        ),
    )


def recorded_compile_policy(settings: Mapping[str, str]) -> Compile:
    """Return when the packages of an environment are compiled to bytecode, according to the command that created it."""
    words = parse_command(settings.get("command", ""))[:-1]
    return "now" if "--compile" in words else "never" if "--no-compile" in words else "auto"


def recorded_startup_rule(settings: Mapping[str, str]) -> StartupRule:
    """Return what an environment was created to do with packages that have startup code."""
    words = parse_command(settings.get("command", ""))[:-1]
    names = [name for option, name in pairwise(words) if option == "--startup-code"]
    try:
        return parse_policy(names)
    except UsageError:
        return "list", ()


def lock_command(settings: Mapping[str, str], location: str) -> str:
    """Return the command that brings a locked environment into line with its lock file; empty if that does not exist."""
    wanted = recorded_lock(settings)
    if wanted is None or wanted.lock is None or not os.path.isfile(wanted.lock.path):
        return ""
    return quote_words(["cloche", location, *seed_options(wanted)], os.name)
