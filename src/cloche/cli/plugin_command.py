"""Run a command that a plugin gives: `cloche NAME`; what follows the name is the plugin's own to read."""

from __future__ import annotations

import sys

from cloche.cli import report
from cloche.cli.commands import COMMON, CommandSpec
from cloche.cli.parser import ParsedArguments, parse
from cloche.cli.settings import blocklist_of, resolve
from cloche.errors import ClocheError, PluginError, UsageError
from cloche.model.value import TYPE_CHECKING
from cloche.plugins.entry_points import command_sources
from cloche.plugins.guard import cause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.interpreter import Host


CHOOSING = frozenset(("no-plugin", "no-plugins", "traceback"))
"""Our options that may stand before a plugin's command: they are about plugins, and not for the command."""


def run_foreign(name: str, before: Sequence[str], argv: Sequence[str], host: Host) -> int | None:
    """Run the command of that name and return its exit code; None if no plugin has one.

    :param before: options that stand before the name.
    :raises PluginError: the plugin that has it is broken or left out, or the command fails.
    :raises UsageError: an option stands before the name that can only have been meant for the command.
    """
    sources = command_sources(name, sys.path)
    if not sources:
        return None
    given = parse([*before, name]).given
    settings = resolve(ParsedArguments(CommandSpec(name, "", ""), given, ()), host, COMMON)
    blocklist = blocklist_of(settings, host)
    if not any(source.name == name for source in sources):  # it looks like a directory, and what follows like ours
        from cloche.cli.plugin_options import left_out

        blocklist |= left_out(argv, host)
    from cloche.plugins.registry import load_command

    command, warnings = load_command(name, sources, blocklist)
    report.warn(warnings)
    if command is None:
        return None
    if not given.keys() <= CHOOSING:
        raise UsageError(
            f"`{name}` is a command of plugin {command.source}, and its options stand behind it",
            hint=f"`cloche {name} {' '.join(before)}`, or `./{name}` for the directory of that name",
        )
    run = command.load()
    try:
        code = run(list(argv), host)
    except (ClocheError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise PluginError(
            f"command `{name}` of plugin {command.source} failed: {cause(error)}",
            hint="`CLOCHE_TRACEBACK=1` shows where",
        ) from error
    if not isinstance(code, (int, type(None))):
        raise PluginError(
            f"command `{name}` of plugin {command.source} failed: it returned {code!r}, and not an exit code"
        )
    return code or 0
