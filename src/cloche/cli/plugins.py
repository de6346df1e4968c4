"""`cloche plugins`: list the plugins, what they offer, and which of them failed."""

from __future__ import annotations

import traceback

from cloche.cli import json_output, report, terminal
from cloche.cli.commands import COMMANDS
from cloche.cli.table import Row, table_lines
from cloche.errors import UsageError
from cloche.model import VERSION
from cloche.model.value import TYPE_CHECKING, replace
from cloche.plugins import SLOW
from cloche.plugins.hookspecs import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.cli.invocation import Invocation
    from cloche.plugins.components import Component
    from cloche.plugins.registry import Registry, Report


STYLES = {"failed": "red", "blocked": "yellow", "shadowed": "yellow"}
"""Styles of the states that need attention."""


def plugins(invocation: Invocation) -> int:
    """List every plugin and its status, or write a new one; return 0, even if a plugin is broken or in conflict."""
    settings = invocation.settings
    if invocation.arguments.operands:
        return new(invocation)
    with invocation.open_session() as session:
        registry = session.registry
        session.warnings[:] = registry.name_warnings  # the table shows the plugins that failed
        session.plugin_errors.clear()  # shown below, each with its plugin
    reports = [mark_command_conflict(plugin) for plugin in registry.reports]
    for plugin in reports if settings.flag("traceback") else ():
        if plugin.error is not None:
            report.print_message(
                f"plugin {plugin.source}:\n{''.join(traceback.format_exception(plugin.error)).rstrip()}"
            )
    if settings.flag("json"):
        json_output.print_json(
            api_version=API_VERSION,
            plugins=[plugin_json(plugin, registry) for plugin in reports],
            conflicts=[{"message": conflict.message, "hint": conflict.hint} for conflict in registry.conflicts],
        )
    else:
        details = invocation.arguments.count("verbose")
        report.print_result("\n".join(plugin_table(reports, registry, details)))
    return 0


def new(invocation: Invocation) -> int:
    """Write a plugin to start from.

    :raises UsageError: the kind is missing or unknown.
    """
    from cloche.cli.new_plugin import PLUGIN_KINDS, write_plugin

    _, *arguments = invocation.arguments.operands
    if not arguments:
        raise UsageError(
            "missing argument KIND", hint=f"`cloche plugins new KIND`; choose one of {', '.join(PLUGIN_KINDS)}"
        )
    kind, directory = arguments[0], arguments[1] if len(arguments) > 1 else f"cloche-my-{arguments[0]}"
    location, files = write_plugin(kind, directory, invocation.host)
    if invocation.settings.flag("json"):
        json_output.print_json(path=location, files=files)
    elif not invocation.arguments.count("quiet"):
        shown = report.one_line(report.relative_path(location, invocation.host))
        report.print_result(f"created {shown}: {', '.join(files)}; install it with: pip install --editable {shown}")
    return 0


def mark_command_conflict(plugin: Report) -> Report:
    """Mark a report as failed if the plugin offers a command with the name of one of ours, which is never run."""
    taken = [item.name for item in plugin.provides if item.kind == "command" and item.name in COMMANDS]
    return replace(plugin, status="failed", reason=f"`{taken[0]}` is a command of cloche itself") if taken else plugin


def plugin_json(plugin: Report, registry: Registry) -> dict[str, object]:
    return {
        "name": plugin.source.name,
        "distribution": plugin.source.distribution,
        "version": plugin_version(plugin),
        "implementation": plugin.source.implementation,
        "status": plugin.status,
        "reason": plugin.reason,
        "hooks": list(plugin.hooks),
        "milliseconds": round(plugin.seconds * 1000, 1),
        "provides": [
            {
                "kind": given.kind,
                "name": given.name,
                "summary": given.summary,
                "replaces": given.replaces,
                "replaced_by": registry.replaced_by(given),
            }
            for given in plugin.provides
        ],
    }


def plugin_version(plugin: Report) -> str:
    return plugin.source.version or (VERSION if plugin.source.distribution == "cloche" else "")


def plugin_table(reports: Sequence[Report], registry: Registry, details: int = 0) -> Iterator[str]:
    """Return the lines of a table that fits the terminal, or 80 columns.

    :param details: whether to show how long each plugin took to load.
    """
    rows = [
        Row(
            (plugin.source.name, f"{plugin.source.distribution} {plugin_version(plugin)}".strip(), plugin.status),
            (*describe_offers(plugin, registry), *(load_time(plugin) if details else [])),
            STYLES.get(plugin.status, ""),
            styled=2,
        )
        for plugin in reports
    ]
    return table_lines(("plugin", "distribution", "status", "offers"), rows, terminal.terminal_columns() or 80)


def load_time(plugin: Report) -> list[str]:
    """Return how long a plugin took to load; nothing if it was not loaded."""
    if not plugin.seconds:
        return []
    return [f"loaded in {plugin.seconds * 1000:.1f} ms{', which is slow' if plugin.seconds > SLOW else ''}"]


def describe_offers(plugin: Report, registry: Registry) -> list[str]:
    """Return what a plugin offers, one text per kind, or why it offers nothing."""
    if plugin.status != "loaded":
        return [plugin.reason]
    kinds: dict[str, list[str]] = {}
    for given in plugin.provides:
        kinds.setdefault(given.kind, []).append(describe_component(given, registry))
    texts = [f"{kind}{'s' if len(names) > 1 else ''}: {', '.join(names)}" for kind, names in kinds.items()]
    texts += ["listens for new environments"] * ("cloche_created" in plugin.hooks)
    texts += ["listens for moved environments"] * ("cloche_moved" in plugin.hooks)
    return texts or ["nothing" if plugin.hooks else "nothing, because it implements no hook"]


def describe_component(given: Component, registry: Registry) -> str:
    if conflict := registry.conflict_of(given):
        return f"{given.name} (left out: {conflict.used.source} also offers it)"
    if other := registry.replaced_by(given):
        return f"{given.name} (replaced by {other})"
    return given.name
