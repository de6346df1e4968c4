"""`cloche config`: the settings with their values and sources, and the user's config file."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

from cloche.cli import json_output, report, table, terminal
from cloche.cli.precedence import is_option_name, options_by_name
from cloche.cli.settings import OTHER_KEYS, Settings, nearest_file, user_file
from cloche.cli.user_config import set_value, typed_value, unset_value
from cloche.errors import UsageError
from cloche.model.value import Value
from cloche.store import cache_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloche.cli.invocation import Invocation
    from cloche.model.interpreter import Host
    from cloche.model.options import Option


class Row(Value):
    """One setting."""

    name: str
    value: str | bool | tuple[str, ...] | None
    """As in a config file; None if it has no value."""
    origin: str
    """`command line`, `CLOCHE_PROMPT`, the path of a file, `default`."""


def config(invocation: Invocation) -> int:
    """Perform one action on the settings; return the exit code.

    :raises UsageError: the action has too few or too many arguments, or a name or value is not valid.
    """
    action, *arguments = invocation.arguments.operands or ("show",)
    invocation.accept_plugin_options()
    least, most = COUNTS[action]
    if not least <= len(arguments) <= most:
        problem = "missing argument" if len(arguments) < least else f"unexpected argument `{arguments[most]}`"
        raise UsageError(f"{problem} for `cloche config {action}`", hint=f"`cloche config {USAGE[action]}`")
    if action == "show":
        return show(invocation)
    path = user_file(invocation.host)
    if not path:
        raise UsageError("cannot find your config file: the home directory is unknown", hint="set `CLOCHE_CONFIG_FILE`")
    if action == "path":
        print_outcome(invocation, path, path=path, exists=os.path.isfile(path))
        return 0
    name, values = arguments[0].replace("_", "-"), arguments[1:]
    option = named_option(name, known_options(invocation))
    if action == "get":
        return get(name, option, invocation)
    if action == "set":
        given = typed_value(name, values, option, invocation.host)
        from cloche.cli.refused_settings import ConfigFile

        file = ConfigFile(path, invocation.host, invocation.plugin_options, invocation.blocklist)
        set_value(path, name, given, file.refuse)
        report.print_warnings(file.warnings)
        shown = format_value(tuple(given) if isinstance(given, list) else given)
        print_outcome(invocation, f"set {name} = {shown} in {path}", name=name, value=given, path=path)
    elif unset_value(path, name):
        print_outcome(invocation, f"removed {name} from {path}", name=name, path=path, removed=True)
    else:
        print_outcome(invocation, f"{name} is not set in {path}", name=name, path=path, removed=False)
    return 0


COUNTS = {"show": (0, 0), "path": (0, 0), "get": (1, 1), "unset": (1, 1), "set": (2, 1000)}
"""The smallest and the largest number of arguments of each action."""

USAGE = {"show": "show", "path": "path", "get": "get NAME", "unset": "unset NAME", "set": "set NAME VALUE..."}


def print_outcome(invocation: Invocation, line: str, **facts: object) -> None:
    """Print what an action found or did, as a line or as JSON; first warn if a stronger source overrides what it set."""
    name, path = facts.get("name"), facts.get("path")
    setting = invocation.unchecked_settings.chosen.get(str(name))
    if setting is not None and setting.origin != path:
        where = "the command line" if setting.origin == "command line" else f"`{setting.origin}`"
        report.print_warnings([f"{where} also sets `{name}`, and takes precedence over `{path}`"])
    if invocation.unchecked_settings.flag("json"):
        json_output.print_json(**facts)
    elif not invocation.arguments.count("quiet") or "exists" in facts:
        report.print_result(report.one_line(line))


def known_options(invocation: Invocation) -> dict[str, Option]:
    """Return every option that a variable or a config file may set, including options of plugins."""
    return options_by_name(invocation.arguments.command, invocation.plugin_options)


def named_option(name: str, options: Mapping[str, Option]) -> Option | None:
    """Return the option of this name; None for `replace`, which is not an option.

    :raises UsageError: no such option can be set in a file.
    """
    if name in OTHER_KEYS:
        return None
    option = options.get(name)
    if option is not None and not option.hidden:
        return option
    if option is not None and option.alias_of:
        hint = f"it is virtualenv's name for `{option.alias_of}`"
    elif is_option_name(name, "argv"):
        hint = f"`--{name}` works only on the command line"
    else:
        from cloche.plugins.similar_names import nearest_name

        names = [known.name for known in options.values() if not known.hidden]
        near = nearest_name(name, [*names, *OTHER_KEYS])
        hint = f"did you mean `{near}`?" if near else "`cloche config` lists all settings"
    raise UsageError(f"unknown setting `{name}`", hint=hint)


def get(name: str, option: Option | None, invocation: Invocation) -> int:
    """Print the value of a setting, one line for each value of a list; its source goes to standard error."""
    settings = invocation.settings
    row = replacements_row(settings) if option is None else setting_row(option, settings, invocation.host)
    if settings.flag("json"):
        json_output.print_json(name=name, value=row.value, origin=row.origin)
        return 0
    if not invocation.arguments.count("quiet"):
        if row.value is None or row.value == ():
            verb = "is not set"
        else:
            verb = "has its default value" if row.origin == "default" else f"is set by {row.origin}"
        report.print_message(report.one_line(f"cloche: `{name}` {verb}"))
    if row.value is not None:
        for text in row.value if isinstance(row.value, tuple) else (format_value(row.value),):
            report.print_result(report.one_line(text))
    return 0


def replacements_row(settings: Settings) -> Row:
    replacements = tuple(f"{ours}={theirs}" for ours, theirs in settings.replacements.items())
    return Row("replace", replacements, "config file")


def show(invocation: Invocation) -> int:
    """Print every setting with its value and its source."""
    settings, host = invocation.settings, invocation.host
    rows = [
        setting_row(option, settings, host)
        for option in known_options(invocation).values()
        if is_option_shown(option, settings)
    ]
    rows.append(replacements_row(settings))
    files = [path for path in (nearest_file(host.cwd, "pyproject.toml"), user_file(host)) if path]
    report.print_warnings(settings.warnings)
    if settings.flag("json"):
        json_output.print_json(
            settings=[
                {"name": row.name, "value": row.value, "origin": row.origin} for row in rows if is_row_shown(row)
            ],
            files=[{"path": path, "exists": os.path.isfile(path), "there": os.path.isfile(path)} for path in files],
        )
        return 0
    for line in settings_table([row for row in rows if is_row_shown(row)], files):
        report.print_result(line)
    return 0


def is_option_shown(option: Option, settings: Settings) -> bool:
    """Return whether to list an option; another tool's spelling is listed only if some source sets it."""
    if option.alias_of or option.implies:
        return False
    return not option.hidden or option.name in settings.chosen


def is_row_shown(row: Row) -> bool:
    """Return whether to list a row; `replace`, which is not an option, is listed only if it is set."""
    return row.name != "replace" or bool(row.value)


def setting_row(option: Option, settings: Settings, host: Host) -> Row:
    """Return the row for one option, with the default if no source sets it."""
    setting = settings.chosen.get(option.name)
    if setting is None:
        defaults = {
            "activators": "all",
            "cache-dir": cache_directory(host) or None,
            "creator": "copy" if host.os_name == "nt" else "symlink",
            "link-mode": "auto",
            "seeder": "pip",
        }
        empty = False if option.kind == "flag" else () if option.kind == "list" else None
        return Row(option.name, defaults.get(option.name, empty), "default")
    if option.kind == "flag":
        return Row(option.name, setting.values[-1] == "true", setting.origin)
    return Row(option.name, setting.values if option.kind == "list" else setting.values[-1], setting.origin)


def settings_table(rows: Sequence[Row], files: Sequence[str]) -> Iterator[str]:
    """Yield a table of the settings, defaults last, and the config files."""
    chosen = [row for row in rows if row.origin != "default"]
    defaults = [row for row in rows if row.origin == "default"]
    lines = [table.Row((row.name, format_value(row.value)), (row.origin,)) for row in (*chosen, *defaults)]
    yield from table.table_lines(("setting", "value", "from"), lines, terminal.terminal_columns())
    yield ""
    for path in files:
        yield report.one_line(f"file: {path}") + ("" if os.path.isfile(path) else " (does not exist)")


def format_value(given: str | bool | tuple[str, ...] | None) -> str:
    """Return a value as in a config file, or a dash for no value."""
    if given is None or given == ():
        return "-"
    if isinstance(given, bool):
        return str(given).lower()
    return given if isinstance(given, str) else ", ".join(given)
