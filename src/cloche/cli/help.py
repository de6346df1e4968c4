"""Format help from the tables in `cloche.cli.commands`: options by group, in at most 80 columns.

Importing `argparse` would double the run time of `cloche --help`.
"""

from __future__ import annotations

import sys

from cloche.cli import report
from cloche.cli.commands import COMMANDS, COMMON, CommandSpec
from cloche.cli.parser import nearest_command
from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from cloche.cli.invocation import Invocation
    from cloche.model.options import Option
    from cloche.plugins.components import Component

WIDTH = 80
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
        f"{styled_heading('usage')} {usage_line(command)}",
        "",
        *wrap_text(f"{command.summary[0].upper()}{command.summary[1:]}.", 0),
    ]
    for title, options in options_by_group(command, extra).items():
        shown = [option for option in options if spellings == "all" or not option.hidden]
        if shown:
            lines += ["", styled_heading(title), *(line for option in shown for line in option_lines(option))]
    if main:
        lines += ["", styled_heading("commands"), *command_lines(commands), "", *wrap_text(CLOSING, 0)]
    return "\n".join(lines)


CLOSING = (
    "`cloche COMMAND --help` shows the options of a command. Write `./doctor` for a directory named like a command. "
    "The options of virtualenv work too; `cloche --help -v` lists them."
)


def short_help() -> str:
    """Return what `cloche` prints without arguments: the common command lines, and where to find the rest."""
    lines = [f"{styled_heading('usage')} cloche [COMMAND] [options] [ARGUMENTS]", ""]
    for line, text in EXAMPLES:
        lines += entry_lines(line, text)
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

POINTERS = "`cloche --help` lists all options, `cloche help COMMAND` those of a command."


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
    return " ".join(filter(None, [name, "[options]", command.operands, f"-- {command.rest}" if command.rest else ""]))


def styled_heading(text: str) -> str:
    return report.styled(f"{text}:", "bold", sys.stdout)


def options_by_group(command: CommandSpec, extra: Sequence[Option]) -> dict[str, list[Option]]:
    """Return the options of a command by heading."""
    groups: dict[str, list[Option]] = {}
    for option in (*command.options, *extra, *COMMON):
        title = OF_PLUGINS if option in extra and option.group == "options" else option.group
        groups.setdefault(title, []).append(option)
    return groups


def option_lines(option: Option) -> Iterator[str]:
    """Yield the lines for one option."""
    value = "" if option.kind in ("flag", "count") else f" {option.metavar or 'VALUE'}"
    short = f"-{option.short}, " if option.short else ""
    choices = f": {', '.join(option.choices)}" if option.choices else ""
    repeat = "; may be repeated" if option.kind == "list" else ""
    yield from entry_lines(f"{short}--{option.name}{value}", f"{option.help}{choices}{repeat}")


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
    first, *others = wrap_text(text, indent) or [""]
    if len(name) + 4 <= indent:
        yield f"  {name}".ljust(indent) + first.lstrip()
    else:
        yield f"  {name}"
        yield first
    yield from others


def wrap_text(text: str, indent: int) -> list[str]:
    """Wrap text into indented lines; importing `textwrap` would be much slower."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and indent + len(line) + 1 + len(word) > WIDTH:
            lines.append(" " * indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, " " * indent + line] if line else lines
