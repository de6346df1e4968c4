"""What could stand next on a command line: read from the tables, and from nothing that is dear to ask.

It never fails on a line that makes no sense: nothing is suggested then. What it says is safe in any shell; names of files
are not among it.
"""

from __future__ import annotations

import os
import sys

from cloche.cli.commands import COMMANDS, COMMON, CommandSpec
from cloche.cli.parser import by_spelling
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal, TypeAlias

    from cloche.model.interpreter import Host
    from cloche.model.options import Option

    Paths: TypeAlias = Literal["none", "files", "directories"]

KINDS_OF_PATHS: dict[str, Paths] = {"DIR": "directories", "ENV": "directories", "DEST": "directories", "EXE": "files"}
"""By what stands for a value or an operand in help."""

SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,=+")
"""What the words consist of; no shell has a meaning for any of it inside a word."""


@value
class Suggestions:
    """What could stand for the word at the cursor."""

    words: tuple[tuple[str, str], ...] = ()
    """Words, and what each is for, as one line; all begin as the word at the cursor does."""
    paths: Paths = "none"
    """Which paths could stand there as well."""
    before: str = ""
    """What the word at the cursor begins with that words and paths do not: `--find-links=`."""


@value
class Place:
    """Where on a command line the cursor is, as far as the words before it tell."""

    verb: CommandSpec
    named: str
    """The command as it was typed; empty if none was, or a plugin's, or a directory."""
    operands: tuple[str, ...]
    options: tuple[Option, ...]
    given: frozenset[str]
    """Names of the options that are there already."""
    waiting: Option | None = None
    """The option whose value comes next."""
    handed_on: str = ""
    """`--`, if only operands, or a command of somebody else, can follow."""


def suggest(words: Sequence[str], host: Host) -> Suggestions:
    """Return what could stand for the last of these words, which are those behind `cloche`."""
    word = words[-1] if words else ""
    place = find_place(words[:-1], host)
    if place.waiting is not None:
        return values(place.waiting, word, host)
    if place.verb.rest and len(place.operands) == place.verb.most and (place.handed_on or not word.startswith("-")):
        return Suggestions(fitting(programs(place.operands[-1], host), word), "files")
    if place.handed_on and place.verb.rest:
        return Suggestions(paths="files")
    if word.startswith("-") and not place.handed_on:
        return options(place, word, words, host)
    return operands(place, word, host)


def find_place(words: Sequence[str], host: Host) -> Place:
    """Follow the words as `cloche.cli.parser` does, and forgive everything."""
    verb, named, handed_on = COMMANDS["create"], "", ""
    table: tuple[Option, ...] = (*verb.options, *COMMON)
    seen: list[str] = []
    given: set[str] = set()
    waiting: Option | None = None
    for word in words:
        if waiting is not None:
            waiting = None
        elif handed_on:
            seen.append(word)
        elif word == "--":
            handed_on = word
        elif word.startswith("-") and word != "-":
            option = option_of(word, table)
            if option is None and word.startswith("--") and verb.name == "create":
                table = (*table, *(one for one in extra(words, host) if one not in table))
                option = option_of(word, table)
            if option is not None:
                given.add(option.name)
                waiting = option if takes_value(option) and word in spellings(option) else None
        elif not named and not seen and word in COMMANDS:
            verb, named = COMMANDS[word], word
            table = (*verb.options, *COMMON)
        else:
            seen.append(word)
            if verb.rest and len(seen) > verb.most:
                handed_on = "--"
    return Place(verb, named, tuple(seen), table, frozenset(given), waiting, handed_on)


def option_of(word: str, table: Sequence[Option]) -> Option | None:
    spelling = word.partition("=")[0] if word.startswith("--") else word[:2]
    return by_spelling(table).get(spelling)


def spellings(option: Option) -> tuple[str, ...]:
    return (f"--{option.name}", *([f"-{option.short}"] if option.short else []))


def takes_value(option: Option) -> bool:
    return option.kind not in ("flag", "count")


def options(place: Place, word: str, words: Sequence[str], host: Host) -> Suggestions:
    """Return options, or the values of the one that is joined to its value: `--link-mode=co`, `-p3.1`."""
    spelling, joined, text = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
    table = place.options
    if place.verb.name == "create":
        table = (*table, *(one for one in extra(words, host) if one not in table))
    option = by_spelling(table).get(spelling)
    if joined:
        if option is None or not takes_value(option):
            return Suggestions()
        found = values(option, text, host)
        return Suggestions(found.words, found.paths, spelling + ("=" if word.startswith("--") else ""))
    shown = [
        (f"--{one.name}", one.help)
        for one in table
        if not one.hidden and (one.name not in place.given or one.kind in ("list", "count"))
    ]
    return Suggestions(fitting(shown, word))


def values(option: Option, word: str, host: Host) -> Suggestions:
    """Return what could stand for the value of an option."""
    paths = KINDS_OF_PATHS.get(option.metavar, "none")
    if option.metavar == "SPEC":
        return pythons(word, host)
    if option.name in ("creator", "seeder", "activators"):
        *before, _ = word.split(",") if option.kind == "words" else [word]
        head = "".join(f"{name}," for name in before)
        names = [(f"{head}{name}", what) for name, what in components(option.name, host) if name not in before]
        if option.name == "activators" and not before:
            names += (("all", "every shell's"), ("none", "no script at all"))
        return Suggestions(fitting(names, word))
    if option.name == "no-plugin":
        from cloche.plugins.entry_points import find_sources

        return Suggestions(
            fitting(((one.distribution, f"version {one.version}") for one in find_sources(sys.path)), word)
        )
    return Suggestions(fitting(((choice, "") for choice in option.choices), word), paths)


def operands(place: Place, word: str, host: Host) -> Suggestions:
    """Return what could stand for the next operand."""
    names = place.verb.operands.replace("[", "").replace("]", "").split()
    number = len(place.operands)
    if place.verb.choices:
        return Suggestions(fitting(((choice, "") for choice in place.verb.choices), word) if number == 0 else ())
    if not place.named and place.operands and place.operands[0] in (name for name, _ in commands_of_plugins(host)):
        return Suggestions(paths="files")
    name = names[-1] if names and names[-1].endswith("...") else names[number] if number < len(names) else ""
    if name == "SPEC":
        return pythons(word, host)
    paths = KINDS_OF_PATHS.get(name.removesuffix("..."), "none")
    if place.named or number or place.handed_on:
        return Suggestions(paths=paths)
    verbs = [(verb.name, verb.summary) for verb in COMMANDS.values()]
    return Suggestions(fitting([*verbs, *commands_of_plugins(host)], word), paths)


def fitting(found: Iterable[tuple[str, str]], word: str) -> tuple[tuple[str, str], ...]:
    """Return those that begin as the word does, each once, without any that a shell could take for something else."""
    once = {text: what for text, what in found if text.startswith(word) and SAFE.issuperset(text)}
    return tuple((text, " ".join(what.split())) for text, what in once.items())


# What else there is


def pythons(word: str, host: Host) -> Suggestions:
    """Return the versions of the Pythons that are known from earlier runs, the newest first; paths where one begins."""
    if "/" in word or "\\" in word or word.startswith(("~", ".")):
        return Suggestions(paths="files")
    from cloche.discovery.cache import ProbeCache
    from cloche.store import Store

    found = {}
    with Store.open(host, host.environ.get("CLOCHE_CACHE_DIR") or None, "read-only") as store:
        for place in store.readable_directories("interpreters"):
            for one in ProbeCache(place, writable=False).remembered():
                name = "" if one.implementation == "cpython" else one.implementation
                threads = "t" if one.free_threaded else ""
                found[f"{name}{one.python_version}{threads}"] = (one.version, one.name)
    newest = sorted(found.items(), key=lambda item: (item[0][0].isalpha(), [-number for number in item[1][0][:2]]))
    return Suggestions(fitting(((text, name) for text, (_, name) in newest), word))


def programs(directory: str, host: Host) -> Iterator[tuple[str, str]]:
    """Yield the names of the programs in the environment at a directory as it was typed; of none if it is no environment."""
    root = os.path.join(host.cwd, os.path.expanduser(directory))
    place = os.path.join(root, "Scripts" if host.os_name == "nt" else "bin")
    try:
        with os.scandir(place) as entries:
            found = sorted((entry.name, entry.path) for entry in entries if entry.is_file())
    except (OSError, ValueError):
        return
    for name, path in found:
        if host.os_name == "nt":
            name, suffix = os.path.splitext(name)
            executable = suffix.lower() == ".exe"
        else:
            executable = os.access(path, os.X_OK)
        if executable:
            yield name, ""


def components(option: str, host: Host) -> Iterator[tuple[str, str]]:
    """Yield the names that an option of that name takes."""
    from cloche.plugins.guard import blocked
    from cloche.plugins.registry import survey

    for report in survey(sys.path, blocked(host)).reports:
        for one in report.provides:
            if one.kind == option.removesuffix("s"):
                yield one.name, one.summary


def extra(argv: Sequence[str], host: Host) -> tuple[Option, ...]:
    """Return the options that plugins declare."""
    from cloche.cli.plugin_options import declared

    return declared(argv, host)


def commands_of_plugins(host: Host) -> list[tuple[str, str]]:
    from cloche.cli.plugin_options import commands

    return [(one.name, one.summary) for one in commands((), host)]
