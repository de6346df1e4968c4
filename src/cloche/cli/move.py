"""`cloche move ENV DEST`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from cloche.cli import report
from cloche.cli.commands import COMMON
from cloche.cli.settings import resolve, session_of
from cloche.lifecycle.move import move_environment, plan_move

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.cli.parser import ParsedArguments
    from cloche.lifecycle.move import MovePlan
    from cloche.model.interpreter import Host


def move(words: ParsedArguments, host: Host, argv: Sequence[str], started: float) -> int:
    settings = resolve(words, host, COMMON)
    source, destination = words.operands
    is_dry = words.flag("dry-run")
    with session_of(settings, host) as session:
        moving = plan_move(source, destination, "copy" if words.flag("copy") else "move", session)
        if not is_dry:
            session.progress(f"{'copying' if moving.action == 'copy' else 'moving'} `{moving.source}`")
            move_environment(moving, session)
    report.warn(f"`{path}` still names `{moving.source}`" for path in moving.residue)
    report.warn(f"{what} still names `{moving.source}`" for what in moving.mentions)
    outcome = ("would be " if is_dry else "") + ("moved" if moving.action == "move" else "copied")
    if settings.flag("json"):
        report.print_json(**as_json(moving, outcome))
    elif not words.count("quiet"):
        there = report.one_line(report.shown(moving.destination.location, host))
        here = report.one_line(report.shown(moving.source, host))
        count = f"{len(moving.changed)} files name the new place"
        report.tell(f"{outcome} {here} to {there}: {count}, {(perf_counter() - started) * 1000:.0f} ms")
        if is_dry or words.count("verbose"):
            for operation in moving.operations:
                report.tell(f"  {report.operation_text(operation)}")
    return 0


def as_json(moving: MovePlan, outcome: str) -> dict[str, object]:
    return {
        "outcome": outcome,
        "from": moving.source,
        "to": moving.destination.location,
        "changed": list(moving.changed),
        "residue": list(moving.residue),
        "outside": list(moving.mentions),
    }
