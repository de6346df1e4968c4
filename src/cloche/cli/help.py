"""Help, made from the tables in `cloche.cli.commands`: options under what they are for, in at most 80 columns.

`argparse` would make it as well, from the same tables, and cost as much time as all the rest of `cloche --help`.
"""

from __future__ import annotations

import sys

from cloche.cli import report
from cloche.cli.commands import COMMANDS, COMMON, CommandSpec
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from cloche.model.options import Option
    from cloche.plugins.components import Component

WIDTH = 80
INDENT = 24
"""Column at which what something does begins."""

OF_PLUGINS = "options of plugins"
"""Heading of options whose plugin has chosen none."""


def help_text(
    verb: CommandSpec,
    extra: Sequence[Option] = (),
    commands: Sequence[Component] = (),
    spellings: Literal["ours", "all"] = "ours",
) -> str:
    """Return the help of one command; for `create`, the one that needs no name, the other commands as well.

    :param extra: options that plugins declare.
    :param commands: commands that plugins give.
    :param spellings: whether other tools' spellings are shown too.
    """
    main = verb.name == "create"
    lines = [
        f"{heading('usage')} {usage(verb)}",
        "",
        *wrapped(f"{verb.summary[0].upper()}{verb.summary[1:]}.", 0),
    ]
    for title, options in by_group(verb, extra).items():
        shown = [option for option in options if spellings == "all" or not option.hidden]
        if shown:
            lines += ["", heading(title), *(line for option in shown for line in described(option))]
    if main:
        lines += ["", heading("commands"), *commands_lines(commands), "", *wrapped(CLOSING, 0)]
    return "\n".join(lines)


CLOSING = (
    "`cloche COMMAND --help` tells what each takes. A directory named like a command: `./doctor`. "
    "Options of virtualenv are understood too; `cloche --help -v` lists them."
)


def usage(verb: CommandSpec) -> str:
    """Return how a command is written: `cloche run [options] ENV -- CMD`."""
    name = "cloche" if verb.name == "create" else f"cloche {verb.name}"
    return " ".join(filter(None, [name, "[options]", verb.operands, f"-- {verb.rest}" if verb.rest else ""]))


def heading(text: str) -> str:
    return report.painted(f"{text}:", "bold", sys.stdout)


def by_group(verb: CommandSpec, extra: Sequence[Option]) -> dict[str, list[Option]]:
    """Return what a command takes, by the heading that it stands under."""
    groups: dict[str, list[Option]] = {}
    for option in (*verb.options, *extra, *COMMON):
        title = OF_PLUGINS if option in extra and option.group == "options" else option.group
        groups.setdefault(title, []).append(option)
    return groups


def described(option: Option) -> Iterator[str]:
    """Yield the lines on one option."""
    value = "" if option.kind in ("flag", "count") else f" {option.metavar or 'VALUE'}"
    short = f"-{option.short}, " if option.short else ""
    choices = f": {', '.join(option.choices)}" if option.choices else ""
    repeat = "; may be repeated" if option.kind == "list" else ""
    yield from entry(f"{short}--{option.name}{value}", f"{option.help}{choices}{repeat}")


def commands_lines(given: Sequence[Component]) -> Iterator[str]:
    """Yield the list of commands: ours, and those of plugins with whose they are."""
    for verb in COMMANDS.values():
        yield from entry(verb.name, verb.summary, 14)
    for one in given:
        summary = f"{one.summary} ({one.source.distribution})"
        if one.name in COMMANDS:
            summary = f"is cloche's own; that of {one.source.distribution} is never run"
        yield from entry(report.one_line(one.name), report.one_line(summary), 14)


def entry(name: str, text: str, indent: int = INDENT) -> Iterator[str]:
    """Yield the lines on one thing: its name, and behind or below it what it does."""
    first, *others = wrapped(text, indent) or [""]
    if len(name) + 4 <= indent:
        yield f"  {name}".ljust(indent) + first.lstrip()
    else:
        yield f"  {name}"
        yield first
    yield from others


def wrapped(text: str, indent: int) -> list[str]:
    """Return text as lines that fit, each behind a margin; importing `textwrap` would take longer than all of them."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and indent + len(line) + 1 + len(word) > WIDTH:
            lines.append(" " * indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, " " * indent + line] if line else lines
