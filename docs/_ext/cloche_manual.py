"""The manual page cloche(1), generated from the definitions of the commands, options and errors.

The build of a wheel runs this module, so it imports nothing that is not in the source tree.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloche import __version__, errors
from cloche.cli.command_spec import COMMON
from cloche.cli.commands import COMMANDS
from cloche.cli.help import EXAMPLES_OF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.cli.command_spec import CommandSpec
    from cloche.model.options import Option

NAME = "cloche.1"

DESCRIPTION = """
Creates Python environments for any CPython (3.6 or later) or PyPy on the machine, with pip and with activation scripts
for the usual shells. If a run fails, the destination is as it was before. cloche also inspects, repairs, moves and
upgrades existing environments, including those that venv, virtualenv or uv created.
"""

ENVIRONMENT = """
Most options can also be set in a variable, in the table `[tool.cloche]` of the nearest `pyproject.toml`, or in your own
`config.toml`. The name of the variable is `CLOCHE_` and the name of the option in capitals, with `_` instead of `-`.
The command line takes precedence over variables, variables over the project, and the project over your own file.
`cloche config` shows every setting and where it comes from.
"""


def manual_page() -> str:
    """Return the manual page as roff with the `man` macros."""
    return "\n".join(page_lines()) + "\n"


def page_lines() -> Iterator[str]:
    create = COMMANDS["create"]
    others = [command for command in COMMANDS.values() if command is not create]
    yield f'.TH CLOCHE 1 "" "cloche {__version__}" "User Commands"'
    yield from (".SH NAME", r"cloche \- create and maintain Python environments", ".SH SYNOPSIS")
    for number, command in enumerate(COMMANDS.values()):
        yield from [*([".br"] if number else []), synopsis(command)]
    yield from (".SH DESCRIPTION", *paragraph(DESCRIPTION))
    yield from (".SH OPTIONS", *paragraph("Options can come before or after the other arguments."))
    yield from option_groups([option for option in create.options if not option.hidden])
    yield from (".SS Every command", *option_entries(COMMON))
    yield ".SH COMMANDS"
    for command in others:
        yield f".SS {quote(synopsis_text(command))}"
        yield from paragraph(f"{command.summary[0].upper()}{command.summary[1:]}.")
        different = (option for option in command.accepted_common_options if option not in COMMON)
        yield from option_entries([*command.options, *different])
    yield ".SH EXAMPLES"
    for name in COMMANDS:
        for line, text in EXAMPLES_OF[name]:
            yield from entry(line, text)
    yield from (".SH ENVIRONMENT", *paragraph(ENVIRONMENT), ".SH EXIT STATUS")
    yield from entry("0", "success")
    for code, meaning in exit_statuses():
        yield from entry(str(code), meaning)
    yield from entry("130", "interrupted")


def synopsis(command: CommandSpec) -> str:
    """Return the usage of a command, with its literal words in bold and its placeholders in italics."""
    name, *operands = synopsis_text(command).split(" [options]")
    return rf"\fB{escape(name)}\fR [\fIoptions\fR]" + "".join(
        f" {escape(word)}" if word.startswith("-") else rf" \fI{escape(word)}\fR" for word in "".join(operands).split()
    )


def synopsis_text(command: CommandSpec) -> str:
    name = "cloche" if command.name == "create" else f"cloche {command.name}"
    return " ".join(filter(None, [name, "[options]", command.synopsis]))


def exit_statuses() -> Iterator[tuple[int, str]]:
    """Yield each exit code with its meaning, taken from the docstring of the error class."""
    classes = [
        item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.ClocheError)
    ]
    first_classes = {error_class.exit_code: error_class for error_class in reversed(classes)}
    for code, error_class in sorted(first_classes.items()):
        text = " ".join(str(error_class.__doc__).split())
        yield code, text.partition("; ")[0].rstrip(".")


def option_groups(options: Iterable[Option]) -> Iterator[str]:
    groups: dict[str, list[Option]] = {}
    for option in options:
        groups.setdefault(option.group, []).append(option)
    for title, group in groups.items():
        yield f".SS {quote(title[0].upper() + title[1:])}"
        yield from option_entries(group)


def option_entries(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        value = "" if option.kind in ("flag", "count") else f" {option.metavar or 'VALUE'}"
        short = f"-{option.short}, " if option.short else ""
        choices = f": {', '.join(option.choices)}" if option.choices else ""
        repeat = "; may be repeated" if option.kind == "list" else ""
        yield from entry(f"{short}--{option.name}{value}", f"{option.help}{choices}{repeat}")


def entry(term: str, text: str) -> Iterator[str]:
    yield from (".TP", rf"\fB{escape(term)}\fR", roff_line(text))


def paragraph(text: str) -> Iterator[str]:
    yield roff_line(" ".join(text.split()))


def roff_line(text: str) -> str:
    """Return text as one line of roff, with text in backticks in bold and a leading dot protected."""
    return r"\&" + re.sub(r"`([^`]*)`", r"\\fB\1\\fR", escape(text))


def quote(text: str) -> str:
    return '"' + escape(text).replace('"', r"\(dq") + '"'


def escape(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
