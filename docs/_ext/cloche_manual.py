"""Write the manual page cloche(1) from the program's own tables; the wheel has it in `share/man/man1`.

It needs nothing that is not in the source, because it runs while a wheel is built.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloche import __version__, errors
from cloche.cli.commands import COMMANDS, COMMON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.cli.commands import CommandSpec
    from cloche.model.options import Option

NAME = "cloche.1"

DESCRIPTION = """
Makes Python environments: for any CPython (3.6 and later) or PyPy on the machine, all or nothing, with pip in them and
activation scripts for the shells that people use. It also looks after environments that exist, whoever made them.
"""

SOURCES = """
Every option but those that are for the command line only may stand in a variable, `CLOCHE_` and its name in capitals
with `_` for `-`; in the table `[tool.cloche]` of the nearest `pyproject.toml`; and in the user's `config.toml`. The
command line wins over variables, variables over the project, the project over the user. `cloche config` shows what each
of them says.
"""


def manual() -> str:
    """Return the page, as the `man` macros of roff have it."""
    return "\n".join(lines()) + "\n"


def lines() -> Iterator[str]:
    create = COMMANDS["create"]
    others = [command for command in COMMANDS.values() if command is not create]
    yield f'.TH CLOCHE 1 "" "cloche {__version__}" "User Commands"'
    yield from (".SH NAME", r"cloche \- make and look after Python environments", ".SH SYNOPSIS")
    for number, command in enumerate(COMMANDS.values()):
        yield from [*([".br"] if number else []), synopsis(command)]
    yield from (".SH DESCRIPTION", *paragraph(DESCRIPTION))
    yield from (".SH OPTIONS", *paragraph("Options may stand before or after what they are for."))
    yield from grouped([option for option in create.options if not option.hidden])
    yield from (".SS Of every command", *entries(COMMON))
    yield ".SH COMMANDS"
    for command in others:
        yield f".SS {quoted(synopsis_text(command))}"
        yield from paragraph(f"{command.summary[0].upper()}{command.summary[1:]}.")
        yield from entries(command.options)
    yield from (".SH ENVIRONMENT", *paragraph(SOURCES), ".SH EXIT STATUS")
    yield from entry("0", "done")
    for code, meaning in statuses():
        yield from entry(str(code), meaning)
    yield from entry("130", "interrupted")


def synopsis(command: CommandSpec) -> str:
    """Return how a command is written: its words bold, what stands for others in italics."""
    name, *operands = synopsis_text(command).split(" [options]")
    return rf"\fB{escaped(name)}\fR [\fIoptions\fR]" + "".join(
        f" {escaped(word)}" if word == "--" else rf" \fI{escaped(word)}\fR" for word in "".join(operands).split()
    )


def synopsis_text(command: CommandSpec) -> str:
    name = "cloche" if command.name == "create" else f"cloche {command.name}"
    return " ".join(filter(None, [name, "[options]", command.operands, f"-- {command.rest}" if command.rest else ""]))


def statuses() -> Iterator[tuple[int, str]]:
    """Yield exit codes with what they mean, in the words of the errors that have them."""
    of_cloche = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.ClocheError)]
    for code, error in sorted({one.exit_code: one for one in reversed(of_cloche)}.items()):
        text = " ".join(str(error.__doc__).split())
        yield code, text.partition("; ")[0].rstrip(".")


def grouped(options: Iterable[Option]) -> Iterator[str]:
    groups: dict[str, list[Option]] = {}
    for option in options:
        groups.setdefault(option.group, []).append(option)
    for title, group in groups.items():
        yield f".SS {quoted(title[0].upper() + title[1:])}"
        yield from entries(group)


def entries(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        value = "" if option.kind in ("flag", "count") else f" {option.metavar or 'VALUE'}"
        short = f"-{option.short}, " if option.short else ""
        choices = f": {', '.join(option.choices)}" if option.choices else ""
        repeat = "; may be repeated" if option.kind == "list" else ""
        yield from entry(f"{short}--{option.name}{value}", f"{option.help}{choices}{repeat}")


def entry(term: str, text: str) -> Iterator[str]:
    yield from (".TP", rf"\fB{escaped(term)}\fR", line(text))


def paragraph(text: str) -> Iterator[str]:
    yield line(" ".join(text.split()))


def line(text: str) -> str:
    """Return text as one line of input: what stands between back-quotes becomes bold, a leading dot stays a dot."""
    return r"\&" + re.sub(r"`([^`]*)`", r"\\fB\1\\fR", escaped(text))


def quoted(text: str) -> str:
    return '"' + escaped(text).replace('"', r"\(dq") + '"'


def escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
