"""`cloche move ENV DEST`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from cloche.apply.staging import recover_environment
from cloche.cli import json_output, plan_text, report
from cloche.errors import counted
from cloche.lifecycle.move import move_environment, plan_move
from cloche.planning.destination import absolute_path

if TYPE_CHECKING:
    from cloche.cli.invocation import Invocation
    from cloche.lifecycle.move import MovePlan


def move(invocation: Invocation) -> int:
    """Move or copy an environment and report that; return the exit code."""
    arguments, host, settings = invocation.arguments, invocation.host, invocation.settings
    source, destination = arguments.operands
    is_dry_run = arguments.flag("dry-run")
    with invocation.open_session() as session:
        if not is_dry_run:
            recover_environment(absolute_path(source, host))
        plan = plan_move(source, destination, "copy" if arguments.flag("copy") else "move", session)
        if not is_dry_run:
            session.progress(f"{'copying' if plan.action == 'copy' else 'moving'} `{plan.source}`")
            move_environment(plan, session)
    report.print_warnings(f"`{path}` still contains `{plan.source}`" for path in plan.unchanged_mentions)
    report.print_warnings(f"{reference} still contains `{plan.source}`" for reference in plan.external_references)
    report.print_warnings(plan.outdated_records)
    outcome = ("would be " if is_dry_run else "") + ("moved" if plan.action == "move" else "copied")
    if settings.flag("json"):
        json_output.print_json(**move_json(plan, outcome))
    elif not arguments.count("quiet"):
        new = report.one_line(report.relative_path(plan.destination.location, host))
        old = report.one_line(report.relative_path(plan.source, host))
        count = f"{counted(len(plan.changed), 'file')} {'to update' if is_dry_run else 'updated'}"
        word = f"would {plan.action}" if is_dry_run else outcome
        report.print_result(f"{word} {old} to {new}: {count}, {(perf_counter() - invocation.started) * 1000:.0f} ms")
        if is_dry_run or arguments.count("verbose"):
            for operation in plan.operations:
                report.print_result(f"  {plan_text.operation_text(operation)}")
    return 0


def move_json(plan: MovePlan, outcome: str) -> dict[str, object]:
    """Return the report as JSON."""
    return {
        "outcome": outcome,
        "from": plan.source,
        "to": plan.destination.location,
        "changed": list(plan.changed),
        "unchanged_mentions": list(plan.unchanged_mentions),
        "external_references": list(plan.external_references),
        "residue": list(plan.unchanged_mentions),
        "outside": list(plan.external_references),
    }
