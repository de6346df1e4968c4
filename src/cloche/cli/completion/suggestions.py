"""Suggest the next word of a command line, from the command tables and from other sources that are cheap to read.

An invalid command line causes no error. Suggestions are safe in any shell; paths are left to the shell.
"""

from __future__ import annotations

import os
import sys

from cloche.cli.command_spec import COMMON, CommandSpec
from cloche.cli.commands import COMMANDS
from cloche.cli.invocation import Invocation
from cloche.cli.parser import options_by_spelling, options_of
from cloche.errors import ClocheError
from cloche.model import PYVENV_CFG
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal, TypeAlias

    from cloche.model.interpreter import Host
    from cloche.model.options import Option

    Paths: TypeAlias = Literal["none", "files", "directories"]

KINDS_OF_PATHS: dict[str, Paths] = {
    "DIR": "directories",
    "ENV": "directories",
    "DEST": "directories",
    "EXE": "files",
    "FILE": "files",
}
"""The kind of path, by the name of a value or operand in help."""

LONGEST_CONFIGURATION = 32_768
"""As many characters of a `pyvenv.cfg` as Python itself reads."""

SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,=+/")
"""The characters that suggestions may contain; inside a word, no shell treats them specially."""


class Suggestions(Value):
    """Suggestions for the word at the cursor."""

    words: tuple[tuple[str, str], ...] = ()
    """Words with one-line descriptions; they start with the word at the cursor."""
    paths: Paths = "none"
    """The kind of paths that the shell should suggest too."""
    before: str = ""
    """The prefix of the word at the cursor that `words` and paths do not include: `--find-links=`."""


class CursorContext(Value):
    """The context of the word at the cursor, from the words before it."""

    command: CommandSpec
    is_named: bool
    """Whether one of our commands was typed; otherwise it is `create`."""
    operands: tuple[str, ...]
    options: tuple[Option, ...]
    given: frozenset[str]
    """Names of the options that are already given."""
    pending: Option | None
    """The option whose value comes next."""
    is_for_program: bool
    """Whether the word belongs to the command line of another program."""
    rest: tuple[str, ...]
    """The words of that command line so far."""
    has_separator: bool
    """Whether there is a `--`, after which no options follow."""


CURSOR = "\0"
"""The word at the cursor while the command line is parsed; no program can receive such a word."""


def suggest(words: Sequence[str], host: Host) -> Suggestions:
    """Return suggestions for the last of the words after `cloche`; none if a setting or the cache is invalid."""
    *before, word = words or [""]
    line = Invocation((*before, CURSOR), host, 0.0)
    try:
        return suggest_word(word, read_context(line), line)
    except ClocheError:
        return Suggestions()


def suggest_word(word: str, context: CursorContext, line: Invocation) -> Suggestions:
    """Return suggestions for the word at the cursor.

    :raises ClocheError: a setting or the cache is invalid.
    """
    if context.pending is not None:
        return value_suggestions(context.pending, word, line)
    if context.rest:
        return Suggestions(paths="files")
    if context.is_for_program and (context.has_separator or not word.startswith("-")):
        return Suggestions(matching_words(program_names(context.operands, line.host), word), "files")
    if word.startswith("-") and not context.has_separator:
        return option_suggestions(context, word, line)
    return operand_suggestions(context, word, line)


def read_context(line: Invocation) -> CursorContext:
    """Return what the parser makes of the word at the cursor, and of the words before it; errors are ignored.

    :raises ClocheError: an option is unknown, and a setting that chooses the plugins is invalid.
    """
    if line.arguments.unknown and line.arguments.command.name == "create":
        line.accept_plugin_options()
        table = options_with_plugins(line)
    else:
        table = options_of(line.arguments.command)
    arguments = line.arguments
    pending = [name for name, values in arguments.given.items() if CURSOR in values]
    return CursorContext(
        command=arguments.command,
        is_named=arguments.is_named,
        operands=tuple(operand for operand in arguments.operands if operand != CURSOR),
        options=table,
        given=frozenset(arguments.given),
        pending=next((option for option in table if option.name in pending), None),
        is_for_program=CURSOR in arguments.rest,
        rest=tuple(word for word in arguments.rest if word != CURSOR),
        has_separator="--" in line.argv,
    )


def options_with_plugins(line: Invocation) -> tuple[Option, ...]:
    """Return the options of the command on the line, with those of plugins if they are for this command.

    :raises ClocheError: a setting that chooses the plugins is invalid.
    """
    table = options_of(line.arguments.command)
    return (*table, *line.plugin_options) if line.arguments.command.name == "create" else table


def takes_value(option: Option) -> bool:
    return option.kind not in ("flag", "count")


def option_suggestions(context: CursorContext, word: str, line: Invocation) -> Suggestions:
    """Return options, or values for an option that is joined to its value: `--link-mode=co`, `-p3.1`."""
    spelling, joined, text = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
    table = options_with_plugins(line)
    option = options_by_spelling(table).get(spelling)
    if joined:
        if option is None or not takes_value(option):
            return Suggestions()
        found = value_suggestions(option, text, line)
        return Suggestions(found.words, found.paths, spelling + ("=" if word.startswith("--") else ""))
    shown = [
        (f"--{candidate.name}", candidate.help)
        for candidate in table
        if not candidate.hidden
        and candidate.name not in context.command.ineffective
        and (candidate.name not in context.given or candidate.kind in ("list", "count"))
    ]
    return Suggestions(matching_words(shown, word))


def value_suggestions(option: Option, word: str, line: Invocation) -> Suggestions:
    """Return suggestions for the value of an option."""
    paths = KINDS_OF_PATHS.get(option.metavar, "none")
    if option.metavar == "SPEC":
        return known_pythons(word, line)
    if option.name in ("creator", "seeder", "activators"):
        *before, _ = word.split(",") if option.kind == "words" else [word]
        head = "".join(f"{name}," for name in before)
        components = component_names(option.name, line)
        names = [(f"{head}{name}", description) for name, description in components if name not in before]
        if option.name == "activators" and not before:
            names += (("all", "all activation scripts"), ("none", "no activation script"))
        return Suggestions(matching_words(names, word))
    if option.name == "startup-code":
        from cloche.store.startup_code import POLICIES

        return Suggestions(matching_words(((policy, "") for policy in POLICIES), word))
    if option.name == "no-finder":
        return Suggestions(matching_words(component_names("finder", line), word))
    if option.name == "no-plugin":
        from cloche.plugins.entry_points import find_sources

        return Suggestions(
            matching_words(
                ((source.distribution, f"version {source.version}") for source in find_sources(sys.path)), word
            )
        )
    return Suggestions(matching_words(((choice, "") for choice in option.choices), word), paths)


def operand_suggestions(context: CursorContext, word: str, line: Invocation) -> Suggestions:
    """Return suggestions for the next operand."""
    names = context.command.operands.replace("[", "").replace("]", "").split()
    number = len(context.operands)
    if context.command.name == "config" and number and context.operands[0] in ("get", "set", "unset"):
        return setting_suggestions(context, word, line)
    if context.command.name == "plugins" and number:
        from cloche.cli.new_plugin import PLUGIN_KINDS

        return Suggestions(
            matching_words(((kind, "") for kind in PLUGIN_KINDS), word) if number == 1 else (), "directories"
        )
    if context.command.choices:
        return Suggestions(
            matching_words(((choice, "") for choice in context.command.choices), word) if number == 0 else ()
        )
    if not context.is_named and context.operands and context.operands[0] in (name for name, _ in plugin_commands(line)):
        return Suggestions(paths="files")
    name = names[-1] if names and names[-1].endswith("...") else names[number] if number < len(names) else ""
    if name == "COMMAND":
        return Suggestions(matching_words(((command.name, command.summary) for command in COMMANDS.values()), word))
    if name == "SPEC":
        return known_pythons(word, line)
    paths = KINDS_OF_PATHS.get(name.removesuffix("..."), "none")
    if name.removesuffix("...") == "ENV":
        known = [(path, version) for path, version in environments(word, line.host) if path.startswith(word)]
        if found := matching_words(known, word):
            return Suggestions(found, paths if len(found) < len(known) else "none")  # the shell can quote the others
    if context.is_named or number or context.has_separator:
        return Suggestions(paths=paths)
    commands = [(command.name, command.summary) for command in COMMANDS.values()]
    return Suggestions(matching_words([*commands, *plugin_commands(line)], word), paths)


def setting_suggestions(context: CursorContext, word: str, line: Invocation) -> Suggestions:
    """Return suggestions for the name of a setting, and after `cloche config set NAME` for its value."""
    options = [option for option in (*COMMANDS[COMMANDS["config"].inherits].options, *COMMON) if not option.hidden]
    settable = {option.name: option for option in options if option.sources == "all"}
    action, *named = context.operands
    if not named:
        return Suggestions(matching_words(((name, option.help) for name, option in settable.items()), word))
    option = settable.get(named[0])
    if action != "set" or option is None:
        return Suggestions()
    if option.kind == "flag":
        return Suggestions(matching_words((("true", ""), ("false", "")), word))
    return value_suggestions(option, word, line)


def matching_words(found: Iterable[tuple[str, str]], word: str) -> tuple[tuple[str, str], ...]:
    """Return the suggestions that start with the word, without duplicates and without unsafe characters."""
    unique = {text: description for text, description in found if text.startswith(word) and SAFE.issuperset(text)}
    return tuple((text, " ".join(description.split())) for text, description in unique.items())


# Values


def known_pythons(word: str, line: Invocation) -> Suggestions:
    """Return the versions of Pythons known from earlier runs, newest first; or paths if the word looks like one.

    :raises ClocheError: the cache directory cannot be used.
    """
    if "/" in word or "\\" in word or word.startswith(("~", ".")):
        return Suggestions(paths="files")
    from cloche.discovery.cache import ProbeCache
    from cloche.store import Store

    found = {}
    host, directory = line.host, line.unchecked_settings.last("cache-dir")
    with Store.open(host, os.path.join(host.cwd, directory) if directory else None, "read-only") as store:
        for directory in store.readable_directories("interpreters"):
            for python in ProbeCache(directory, writable=False).cached_interpreters():
                implementation = "" if python.implementation == "cpython" else python.implementation
                found[f"{implementation}{python.python_version}{python.build}"] = (python.version, python.name)
    newest = sorted(found.items(), key=lambda item: (item[0][0].isalpha(), [-number for number in item[1][0][:2]]))
    return Suggestions(matching_words(((text, name) for text, (_, name) in newest), word))


def environments(word: str, host: Host) -> Iterator[tuple[str, str]]:
    """Yield the environments in a directory, and each `.venv` in one of its subdirectories, with their Python versions.

    :param word: the beginning of a path; its directory is searched.
    """
    from cloche.cli.default_environment import NAME

    parent = word[: word.rfind("/") + 1]
    try:
        with os.scandir(os.path.join(host.cwd, parent)) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except (OSError, ValueError):
        return
    for name in names:
        for path in (parent + name, f"{parent}{name}/{NAME}"):
            try:
                with open(os.path.join(host.cwd, path, PYVENV_CFG), encoding="utf-8", errors="replace") as file:
                    lines = [line.partition("=") for line in file.read(LONGEST_CONFIGURATION).splitlines()]
            except OSError:
                continue
            versions = [text.strip() for key, _, text in lines if key.strip() in ("version", "version_info")]
            yield path, f"Python {versions[0]}" if versions else ""


def program_names(operands: Sequence[str], host: Host) -> Iterator[tuple[str, str]]:
    """Yield the names of the programs of an environment: of the operand, which is untrusted, or the default one."""
    from cloche.cli.default_environment import default_environment

    try:
        directory = operands[0] if operands else default_environment(host)[0]
    except ClocheError:
        return
    root = os.path.join(host.cwd, os.path.expanduser(directory))
    scripts = os.path.join(root, "Scripts" if host.os_name == "nt" else "bin")
    try:
        with os.scandir(scripts) as entries:
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


def component_names(option: str, line: Invocation) -> Iterator[tuple[str, str]]:
    """Yield the names of components that an option (`creator`, `activators`) accepts.

    :raises ClocheError: a setting that chooses the plugins is invalid.
    """
    from contextlib import redirect_stdout

    from cloche.plugins.registry import load_plugins

    with redirect_stdout(sys.stderr):  # plugins may print, and the shell reads what this command prints
        registry = load_plugins(sys.path, line.blocklist)
    for report in registry.reports:
        for component in report.provides:
            if component.kind == option.removesuffix("s"):
                yield component.name, component.summary


def plugin_commands(line: Invocation) -> list[tuple[str, str]]:
    return [(command.name, command.summary) for command in line.plugin_commands]
