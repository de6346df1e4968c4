"""`cloche move ENV DEST`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from cloche.cli import report
from cloche.lifecycle.move import move_environment, plan_move

if TYPE_CHECKING:
    from cloche.cli.invocation import Invocation
    from cloche.lifecycle.move import MovePlan


def move(invocation: Invocation) -> int:
    arguments, host, settings = invocation.arguments, invocation.host, invocation.settings
    source, destination = arguments.operands
    is_dry = arguments.flag("dry-run")
    with invocation.open_session() as session:
        moving = plan_move(source, destination, "copy" if arguments.flag("copy") else "move", session)
        if not is_dry:
            session.progress(f"{'copying' if moving.action == 'copy' else 'moving'} `{moving.source}`")
            move_environment(moving, session)
    report.print_warnings(f"`{path}` still contains `{moving.source}`" for path in moving.residue)
    report.print_warnings(f"{what} still contains `{moving.source}`" for what in moving.mentions)
    outcome = ("would be " if is_dry else "") + ("moved" if moving.action == "move" else "copied")
    if settings.flag("json"):
        report.print_json(**move_json(moving, outcome))
    elif not arguments.count("quiet"):
        there = report.one_line(report.relative_path(moving.destination.location, host))
        here = report.one_line(report.relative_path(moving.source, host))
        count = f"{len(moving.changed)} files updated"
        report.print_result(
            f"{outcome} {here} to {there}: {count}, {(perf_counter() - invocation.started) * 1000:.0f} ms"
        )
        if is_dry or arguments.count("verbose"):
            for operation in moving.operations:
                report.print_result(f"  {report.operation_text(operation)}")
    return 0


def move_json(moving: MovePlan, outcome: str) -> dict[str, object]:
    return {
        "outcome": outcome,
        "from": moving.source,
        "to": moving.destination.location,
        "changed": list(moving.changed),
        "residue": list(moving.residue),
        "outside": list(moving.mentions),
    }
