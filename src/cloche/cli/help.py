"""Format help from the tables in `cloche.cli.commands`: options by group, as wide as the terminal.

Importing `argparse` would double the run time of `cloche --help`.
"""

from __future__ import annotations

import sys

from cloche.cli import report, terminal
from cloche.cli.commands import COMMANDS
from cloche.cli.mistakes import nearest_command
from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from cloche.cli.command_spec import CommandSpec
    from cloche.cli.invocation import Invocation
    from cloche.model.options import Option
    from cloche.plugins.components import Component

WIDTH, NARROWEST = 80, 20
"""The columns of help that does not go to a terminal, as in `argparse`, and the fewest that it fills."""

INDENT = 24
"""Column at which descriptions begin."""

OF_PLUGINS = "options of plugins"
"""Heading for options of plugins that set no group."""


def help_text(
    command: CommandSpec,
    extra: Sequence[Option] = (),
    commands: Sequence[Component] = (),
    spellings: Literal["ours", "all"] = "ours",
) -> str:
    """Return the help of one command; the help of `create`, the default, also lists the other commands.

    :param extra: options that plugins declare.
    :param commands: commands that plugins offer.
    :param spellings: `all` also shows the spellings of other tools.
    """
    main = command.name == "create"
    lines = [
        *usage_lines(usage_line(command)),
        "",
        *wrap_text(f"{command.summary[0].upper()}{command.summary[1:]}.", 0),
        "",
        styled_heading("examples"),
        *example_lines(EXAMPLES_OF[command.name]),
    ]
    for title, options in options_by_group(command, extra).items():
        shown = [option for option in options if spellings == "all" or not option.hidden]
        if shown:
            lines += ["", styled_heading(title), *(line for option in shown for line in option_lines(option))]
    if main:
        lines += ["", styled_heading("commands"), *command_lines(commands), "", *wrap_text(CLOSING, 0)]
    return "\n".join(lines)


CLOSING = (
    "`cloche COMMAND --help` shows the options of a command. If a directory has the name of a command, write `./doctor`. "
    "The options of virtualenv work too; `cloche --help -v` lists them."
)


def short_help() -> str:
    """Return what `cloche` prints without arguments: the common command lines, and where to find the rest."""
    lines = [*usage_lines("cloche [COMMAND] [options] [ARGUMENTS]"), "", *example_lines(EXAMPLES)]
    return "\n".join(
        [*lines, "", styled_heading("commands"), *wrap_text(", ".join(COMMANDS), 2), "", *wrap_text(POINTERS, 0)]
    )


EXAMPLES = (
    ("cloche .venv", "create an environment in the directory `.venv`"),
    ("cloche -p 3.12", "the same for Python 3.12; `.venv` is the default"),
    ("cloche pythons", "list the interpreters that can be found"),
    ("cloche run -- CMD", "run a command in the environment"),
    ("cloche doctor", "find problems in the environment"),
)

EXAMPLES_OF = {
    "create": (
        ("cloche .venv -p 3.12", "create `.venv` for Python 3.12"),
        ("cloche .venv --lock pylock.toml", "create or update it with exactly the packages of a lock file"),
    ),
    "pythons": (
        ("cloche pythons", "list all of them; a star marks the default"),
        ('cloche pythons ">=3.11"', "list those that match"),
    ),
    "info": (
        ("cloche info", "describe the active environment, or the nearest `.venv`"),
        ("cloche info .venv --json", "print the description as JSON"),
    ),
    "doctor": (
        ("cloche doctor --fix .venv", "repair an environment, for example after `mv`"),
        ("cloche doctor --find ~/src", "examine every environment below a directory"),
    ),
    "verify": (
        ("cloche verify .venv", "list what was added, changed or removed"),
        ("cloche verify .venv --json", "print the differences as JSON"),
    ),
    "move": (
        ("cloche move .venv ../other/.venv", "move an environment"),
        ("cloche move --copy .venv .venv-backup", "keep the original"),
    ),
    "upgrade": (
        ("cloche upgrade .venv -p 3.13", "switch to Python 3.13"),
        ("cloche upgrade --check", "find out whether a newer patch release is installed"),
    ),
    "pack": (
        ("cloche pack env -o env.tar.gz", "write a portable environment as an archive"),
        ("cloche pack env -o env.zip --exclude tests", "leave out directories called `tests`"),
    ),
    "unpack": (
        ("cloche unpack env.tar.gz /opt/env", "put it in place, after checking every file"),
        ("cloche unpack env.zip env --json", "print the result as JSON"),
    ),
    "run": (
        ("cloche run -- pytest -x", "run pytest in the active environment or the nearest `.venv`"),
        ("cloche run ~/envs/tools -- ruff check", "run a program of another environment"),
    ),
    "activate": (
        ('eval "$(cloche activate .venv)"', "activate it in this shell: bash, zsh or sh"),
        ("cloche activate .venv --print-env json", "print the variables that activation sets"),
    ),
    "plugins": (
        ("cloche plugins", "list them"),
        ("cloche plugins new activator cloche-acme", "create a new one, with tests"),
    ),
    "cache": (
        ("cloche cache size", "show how large the cache is, and what is in it"),
        ("cloche cache prune", "remove what is no longer useful"),
    ),
    "config": (
        ("cloche config", "show every setting, and where it comes from"),
        ("cloche config set python 3.12", "use Python 3.12 from now on"),
    ),
    "completion": (
        ('eval "$(cloche completion bash)"', "turn on completion in this bash session"),
        ("cloche completion fish | source", "turn on completion in this fish session"),
    ),
    "help": (
        ("cloche help upgrade", "show the help of `upgrade`"),
        ("cloche help -v", "also show the options of virtualenv"),
    ),
}
"""Examples of each command."""

POINTERS = "`cloche --help` lists all options; `cloche help COMMAND` lists those of one command."


def show_help(invocation: Invocation) -> int:
    """`cloche help [COMMAND]`: print the help of a command, by default that of `create`, like `--help`.

    :raises UsageError: the command does not exist, or is a plugin's, which has its own help.
    """
    name = next(iter(invocation.arguments.operands), "create")
    if name not in COMMANDS:
        if any(name == offered.name for offered in invocation.plugin_commands):
            hint = f"it is a command of a plugin; `cloche {name} --help` may describe it"
        else:
            near = nearest_command(name, COMMANDS)
            hint = f"did you mean `cloche help {near}`?" if near else f"choose one of {', '.join(COMMANDS)}"
        raise UsageError(f"no help for `{name}`", hint=hint)
    return print_help(COMMANDS[name], invocation)


def print_help(command: CommandSpec, invocation: Invocation) -> int:
    """Print the help of a command; return the exit code."""
    spellings: Literal["all", "ours"] = "all" if invocation.arguments.count("verbose") else "ours"
    if command.name == "create":
        text = help_text(command, invocation.plugin_options, invocation.plugin_commands, spellings)
    else:
        text = help_text(command, spellings=spellings)
    report.print_result(text)
    return 0


def usage_line(command: CommandSpec) -> str:
    """Return the synopsis of a command: `cloche run [options] ENV -- CMD`."""
    name = "cloche" if command.name == "create" else f"cloche {command.name}"
    return " ".join(filter(None, [name, "[options]", command.synopsis]))


def usage_lines(usage: str) -> Iterator[str]:
    """Yield the lines of a synopsis, with its heading."""
    first, *others = wrap_text(usage, 7)
    yield f"{styled_heading('usage')} {first.lstrip()}"
    yield from others


def styled_heading(text: str) -> str:
    return report.styled(f"{text}:", "bold", sys.stdout)


def options_by_group(command: CommandSpec, extra: Sequence[Option]) -> dict[str, list[Option]]:
    """Return the options of a command by heading."""
    groups: dict[str, list[Option]] = {}
    for option in (*command.options, *extra, *command.common_options):
        title = OF_PLUGINS if option in extra and option.group == "options" else option.group
        groups.setdefault(title, []).append(option)
    return groups


def option_lines(option: Option) -> Iterator[str]:
    """Yield the lines for one option."""
    value = "" if option.kind in ("flag", "count") else f" {option.metavar or 'VALUE'}"
    short = f"-{option.short}, " if option.short else ""
    choices = f" ({', '.join(option.choices)})" if option.choices else ""
    repeat = "; may be repeated" if option.kind == "list" else ""
    yield from entry_lines(f"{short}--{option.name}{value}", f"{option.help}{choices}{repeat}")


def example_lines(examples: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield command lines with descriptions beside them, or below them if the terminal is too narrow for that.

    A command is never wrapped, because a copy of the lines would be several commands.
    """
    longest = max(len(line) for line, _ in examples)
    beside = longest + 4 <= terminal_width() // 2
    for line, text in examples:
        if beside:
            yield from entry_lines(line, text, max(INDENT, longest + 4))
        else:
            yield from (f"  {line}", *wrap_text(text, indent_below()))


def command_lines(plugin_commands: Sequence[Component]) -> Iterator[str]:
    """Yield the list of commands: ours, then those of plugins with their distributions."""
    for own in COMMANDS.values():
        yield from entry_lines(own.name, own.summary, 14)
    for command in plugin_commands:
        summary = f"{command.summary} ({command.source.distribution})"
        if command.name in COMMANDS:
            summary = f"never run ({command.source.distribution}): cloche has a command of this name"
        yield from entry_lines(report.one_line(command.name), report.one_line(summary), 14)


def entry_lines(name: str, text: str, indent: int = INDENT) -> Iterator[str]:
    """Yield the lines for one entry: its name, with the description beside or below it."""
    if indent > terminal_width() // 2:
        indent = indent_below()
    first, *others = wrap_text(text, indent) or [""]
    room = indent - 2 - terminal.display_width(name)
    if room >= 2:
        yield f"  {name}{' ' * room}{first.lstrip()}"
    else:
        yield from wrap_text(name, 2)
        yield first
    yield from others


def indent_below() -> int:
    """Return the column of a description that is printed below its entry."""
    return 6 if terminal_width() >= 40 else 4


def wrap_text(text: str, indent: int) -> list[str]:
    """Wrap text into indented lines; importing `textwrap` would be much slower."""
    width = terminal_width()
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and indent + terminal.display_width(f"{line} {word}") > width:
            lines.append(" " * indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, " " * indent + line] if line else lines


def terminal_width() -> int:
    """Return the columns to fill."""
    return max(NARROWEST, terminal.terminal_columns() or WIDTH)
