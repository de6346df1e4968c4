"""`cloche config [show]`: every setting, its value and its source."""

from __future__ import annotations

import os.path
import sys
from typing import TYPE_CHECKING

from cloche.cli import report
from cloche.cli.settings import Settings, nearest_file, user_file
from cloche.model.value import value
from cloche.store import cache_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.cli.invocation import Invocation
    from cloche.model.interpreter import Host
    from cloche.model.options import Option


@value
class Row:
    """One setting."""

    name: str
    value: str | bool | tuple[str, ...] | None
    """As in a config file; None if it has no value."""
    origin: str
    """`command line`, `CLOCHE_PROMPT`, the path of a file, `default`."""


def config(invocation: Invocation) -> int:
    invocation.accept_plugin_options()
    settings, host = invocation.settings, invocation.host
    rows = [
        setting_row(option, settings, host) for option in settings.options.values() if is_option_shown(option, settings)
    ]
    rows += [Row("replace", tuple(f"{ours}={theirs}" for ours, theirs in settings.replacements.items()), "config file")]
    files = [path for path in (nearest_file(host.cwd, "pyproject.toml"), user_file(host)) if path]
    report.print_warnings(settings.warnings)
    if settings.flag("json"):
        report.print_json(
            settings=[
                {"name": row.name, "value": row.value, "origin": row.origin} for row in rows if is_row_shown(row)
            ],
            files=[{"path": path, "there": os.path.isfile(path)} for path in files],
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
    cells = [
        ("setting", "value", "from"),
        *((row.name, format_value(row.value), row.origin) for row in (*chosen, *defaults)),
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(2)]
    for row in cells:
        line = report.one_line(f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}".rstrip())
        yield report.styled(line, "bold", sys.stdout) if row is cells[0] else line
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
