"""Help, formatted by `argparse` from the tables in `cloche.cli.vocabulary`; nothing is parsed here."""

from __future__ import annotations

import argparse

from cloche.cli.vocabulary import COMMON, VERBS, Verb
from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.options import Option


def help_text(verb: Verb, extra: Sequence[Option] = ()) -> str:
    """Return the help of one command; for `create`, the one that needs no name, the other commands as well."""
    return parser_of(verb, extra).format_help().rstrip()


def parser_of(verb: Verb, extra: Sequence[Option] = ()) -> argparse.ArgumentParser:
    """Return an argument parser that shows what a command takes: for help, completion and the reference pages."""
    main = verb.name == "create"
    operands = verb.operands + (f" -- {verb.rest}" if verb.rest else "")
    parser = argparse.ArgumentParser(
        prog="cloche" if main else f"cloche {verb.name}",
        usage=f"cloche{'' if main else f' {verb.name}'} [options] {operands}".rstrip(),
        description=f"{verb.summary[0].upper()}{verb.summary[1:]}.",
        epilog=commands_text() if main else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in (*verb.options, *extra, *COMMON):
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        add(groups[option.group], option)
    return parser


def add(group: argparse._ArgumentGroup, option: Option) -> None:
    spellings = [*([f"-{option.short}"] if option.short else []), f"--{option.name}"]
    text = option.help.replace("%", "%%")
    if option.kind in ("flag", "count"):
        group.add_argument(*spellings, action="store_true", help=text)
    else:
        repeat = "; may be repeated" if option.kind == "list" else ""
        choices = f": {', '.join(option.choices)}" if option.choices else ""
        group.add_argument(*spellings, metavar=option.metavar or "VALUE", help=f"{text}{choices}{repeat}")


def commands_text() -> str:
    """Return the list of commands."""
    width = max(len(name) for name in VERBS) + 2
    lines = [f"  {verb.name:{width}}{verb.summary}" for verb in VERBS.values()]
    return "\n".join(
        [
            "commands:",
            *lines,
            "",
            "`cloche COMMAND --help` tells what each takes. A directory named like a command: `./doctor`.",
        ]
    )
