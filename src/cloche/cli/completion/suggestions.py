"""Suggest what can come next on a command line, from the tables and from other sources that are cheap to read.

An invalid command line is not an error; there are no suggestions then. Suggestions are safe in any shell, and are never
names of files.
"""

from __future__ import annotations

import os
import sys

from cloche.cli.commands import COMMANDS, CommandSpec
from cloche.cli.invocation import Invocation
from cloche.cli.parser import is_option, options_by_spelling, options_of, split_option
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal, TypeAlias

    from cloche.model.interpreter import Host
    from cloche.model.options import Option

    Paths: TypeAlias = Literal["none", "files", "directories"]

KINDS_OF_PATHS: dict[str, Paths] = {"DIR": "directories", "ENV": "directories", "DEST": "directories", "EXE": "files"}
"""By the name of a value or an operand in help."""

SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,=+")
"""The characters of suggestions; inside a word, they are ordinary characters in every shell."""


@value
class Suggestions:
    """Suggestions for the word at the cursor."""

    words: tuple[tuple[str, str], ...] = ()
    """Words with their meanings, each in one line; they start with the word at the cursor."""
    paths: Paths = "none"
    """Which paths fit as well."""
    before: str = ""
    """The part of the word at the cursor that words and paths do not repeat: `--find-links=`."""


@value
class CursorContext:
    """What the words before the cursor say about the word at the cursor."""

    command: CommandSpec
    named: str
    """The name of our command if it was typed; otherwise empty."""
    operands: tuple[str, ...]
    options: tuple[Option, ...]
    given: frozenset[str]
    """Names of the options that are already given."""
    waiting: Option | None = None
    """The option whose value comes next."""
    handed_on: str = ""
    """`--` if only operands, or words for another program, can follow."""


def suggest(words: Sequence[str], host: Host) -> Suggestions:
    """Return suggestions for the last of these words, which follow `cloche`."""
    word = words[-1] if words else ""
    line = Invocation(words[:-1], host, 0.0)
    context = read_context(line)
    if context.waiting is not None:
        return value_suggestions(context.waiting, word, host)
    if (
        context.command.rest
        and len(context.operands) == context.command.most
        and (context.handed_on or not word.startswith("-"))
    ):
        return Suggestions(matching_words(program_names(context.operands[-1], host), word), "files")
    if context.handed_on and context.command.rest:
        return Suggestions(paths="files")
    if word.startswith("-") and not context.handed_on:
        return option_suggestions(context, word, line)
    return operand_suggestions(context, word, line)


def read_context(line: Invocation) -> CursorContext:
    """Read the words as `cloche.cli.parser` does, but stop before the last one and accept errors."""
    command, named, handed_on = COMMANDS["create"], "", ""
    table: tuple[Option, ...] = options_of(command)
    seen: list[str] = []
    given: set[str] = set()
    waiting: Option | None = None
    for word in line.argv:
        if waiting is not None:
            waiting = None
        elif handed_on:
            seen.append(word)
        elif word == "--":
            handed_on = word
        elif is_option(word):
            option = option_of(word, table)
            if option is None and word.startswith("--") and command.name == "create":
                table = (*table, *(one for one in line.plugin_options if one not in table))
                option = option_of(word, table)
            if option is not None:
                given.add(option.name)
                waiting = option if takes_value(option) and word in spellings_of(option) else None
        elif not named and not seen and word in COMMANDS:
            command, named = COMMANDS[word], word
            table = options_of(command)
        else:
            seen.append(word)
            if command.rest and len(seen) > command.most:
                handed_on = "--"
    return CursorContext(command, named, tuple(seen), table, frozenset(given), waiting, handed_on)


def option_of(word: str, table: Sequence[Option]) -> Option | None:
    spelling, _, _ = split_option(word)
    return options_by_spelling(table).get(spelling)


def spellings_of(option: Option) -> tuple[str, ...]:
    return (f"--{option.name}", *([f"-{option.short}"] if option.short else []))


def takes_value(option: Option) -> bool:
    return option.kind not in ("flag", "count")


def option_suggestions(context: CursorContext, word: str, line: Invocation) -> Suggestions:
    """Return options, or values of the option if it is joined to its value: `--link-mode=co`, `-p3.1`."""
    spelling, joined, text = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
    table = context.options
    if context.command.name == "create":
        table = (*table, *(one for one in line.plugin_options if one not in table))
    option = options_by_spelling(table).get(spelling)
    if joined:
        if option is None or not takes_value(option):
            return Suggestions()
        found = value_suggestions(option, text, line.host)
        return Suggestions(found.words, found.paths, spelling + ("=" if word.startswith("--") else ""))
    shown = [
        (f"--{one.name}", one.help)
        for one in table
        if not one.hidden and (one.name not in context.given or one.kind in ("list", "count"))
    ]
    return Suggestions(matching_words(shown, word))


def value_suggestions(option: Option, word: str, host: Host) -> Suggestions:
    """Return suggestions for the value of an option."""
    paths = KINDS_OF_PATHS.get(option.metavar, "none")
    if option.metavar == "SPEC":
        return known_pythons(word, host)
    if option.name in ("creator", "seeder", "activators"):
        *before, _ = word.split(",") if option.kind == "words" else [word]
        head = "".join(f"{name}," for name in before)
        names = [(f"{head}{name}", what) for name, what in component_names(option.name, host) if name not in before]
        if option.name == "activators" and not before:
            names += (("all", "all activation scripts"), ("none", "no activation script"))
        return Suggestions(matching_words(names, word))
    if option.name == "no-plugin":
        from cloche.plugins.entry_points import find_sources

        return Suggestions(
            matching_words(((one.distribution, f"version {one.version}") for one in find_sources(sys.path)), word)
        )
    return Suggestions(matching_words(((choice, "") for choice in option.choices), word), paths)


def operand_suggestions(context: CursorContext, word: str, line: Invocation) -> Suggestions:
    """Return suggestions for the next operand."""
    names = context.command.operands.replace("[", "").replace("]", "").split()
    number = len(context.operands)
    if context.command.choices:
        return Suggestions(
            matching_words(((choice, "") for choice in context.command.choices), word) if number == 0 else ()
        )
    if not context.named and context.operands and context.operands[0] in (name for name, _ in plugin_commands(line)):
        return Suggestions(paths="files")
    name = names[-1] if names and names[-1].endswith("...") else names[number] if number < len(names) else ""
    if name == "SPEC":
        return known_pythons(word, line.host)
    paths = KINDS_OF_PATHS.get(name.removesuffix("..."), "none")
    if context.named or number or context.handed_on:
        return Suggestions(paths=paths)
    commands = [(command.name, command.summary) for command in COMMANDS.values()]
    return Suggestions(matching_words([*commands, *plugin_commands(line)], word), paths)


def matching_words(found: Iterable[tuple[str, str]], word: str) -> tuple[tuple[str, str], ...]:
    """Return the suggestions that start with the word, without duplicates and without any that a shell could misread."""
    once = {text: what for text, what in found if text.startswith(word) and SAFE.issuperset(text)}
    return tuple((text, " ".join(what.split())) for text, what in once.items())


# Values


def known_pythons(word: str, host: Host) -> Suggestions:
    """Return the versions of Pythons known from earlier runs, the newest first, or paths if the word is the start of one."""
    if "/" in word or "\\" in word or word.startswith(("~", ".")):
        return Suggestions(paths="files")
    from cloche.discovery.cache import ProbeCache
    from cloche.store import Store

    found = {}
    with Store.open(host, host.environ.get("CLOCHE_CACHE_DIR") or None, "read-only") as store:
        for place in store.readable_directories("interpreters"):
            for one in ProbeCache(place, writable=False).cached_interpreters():
                name = "" if one.implementation == "cpython" else one.implementation
                threads = "t" if one.free_threaded else ""
                found[f"{name}{one.python_version}{threads}"] = (one.version, one.name)
    newest = sorted(found.items(), key=lambda item: (item[0][0].isalpha(), [-number for number in item[1][0][:2]]))
    return Suggestions(matching_words(((text, name) for text, (_, name) in newest), word))


def program_names(directory: str, host: Host) -> Iterator[tuple[str, str]]:
    """Yield the names of the programs of an environment; `directory` is as the user typed it and may be anything."""
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


def component_names(option: str, host: Host) -> Iterator[tuple[str, str]]:
    """Yield the names of components that an option (`creator`, `activators`) takes."""
    from cloche.plugins.guard import blocked_names
    from cloche.plugins.registry import load_plugins

    for report in load_plugins(sys.path, blocked_names(host)).reports:
        for one in report.provides:
            if one.kind == option.removesuffix("s"):
                yield one.name, one.summary


def plugin_commands(line: Invocation) -> list[tuple[str, str]]:
    return [(one.name, one.summary) for one in line.plugin_commands]
