"""Run a command that a plugin offers: `cloche NAME`. The plugin parses the words after the name."""

from __future__ import annotations

from cloche.cli import report
from cloche.cli.command_spec import CommandSpec
from cloche.cli.precedence import resolve_settings
from cloche.cli.settings import plugin_blocklist
from cloche.errors import ClocheError, PluginError, UsageError
from cloche.model.value import TYPE_CHECKING, replace
from cloche.plugins import describe_exception
from cloche.plugins.registry import load_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.cli.invocation import Invocation
    from cloche.plugins import Source
    from cloche.plugins.components import Component

OURS = frozenset(("no-plugin", "no-plugins", "traceback"))
"""Options of cloche that may come before a plugin's command."""


def run_plugin_command(sources: Sequence[Source], invocation: Invocation) -> int | None:
    """Run the command that the first operand names and return its exit code; None if none of these plugins offers it.

    :raises PluginError: the plugin that offers it is broken or left out, or the command fails.
    :raises UsageError: an option of the command comes before its name.
    """
    arguments, argv = invocation.arguments, invocation.argv
    name, before, after = (
        argv[arguments.command_index],
        argv[: arguments.command_index],
        argv[arguments.command_index + 1 :],
    )
    is_certain = any(source.name == name for source in sources)
    given = arguments.given_before if is_certain else arguments.given  # a DEST may have our options after it
    only_common = replace(arguments, command=CommandSpec(name, "", ""), given=given)
    blocklist = plugin_blocklist(resolve_settings(only_common, invocation.sources), invocation.host)
    report.reserve_stdout()  # plugins may print, and the run may be one with `--json`
    try:
        command, warnings = load_command(name, sources, blocklist)
    finally:
        report.restore_stdout()
    report.print_warnings(warnings)
    if command is None:
        return None
    if not arguments.given_before.keys() <= OURS:
        raise UsageError(
            f"options of command `{name}` of plugin {command.source} must follow its name",
            hint=f"`cloche {name} {' '.join(before)}`, or `./{name}` for the directory of that name",
        )
    return call_command(command, after, invocation)


def call_command(command: Component, argv: Sequence[str], invocation: Invocation) -> int:
    """Call the function of a plugin's command and return its exit code.

    :raises PluginError: the command fails, or does not return an exit code.
    """
    run = command.load()
    try:
        code = run(list(argv), invocation.host)
    except (ClocheError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise PluginError(
            f"command `{command.name}` of plugin {command.source} failed: {describe_exception(error)}",
            hint="set `CLOCHE_TRACEBACK=1` to see where",
        ) from error
    if not isinstance(code, (int, type(None))):
        raise PluginError(
            f"command `{command.name}` of plugin {command.source} failed: it returned {code!r} instead of an exit code"
        )
    return code or 0
