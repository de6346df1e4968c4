"""`cloche upgrade ENV`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from cloche.cli import report
from cloche.lifecycle.rebuild import rebuild
from cloche.lifecycle.upgrade import UpgradeResult, outdated_seeds, plan_upgrade, upgrade_in_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.cli.invocation import Invocation
    from cloche.cli.parser import ParsedArguments
    from cloche.lifecycle.upgrade import UpgradePlan
    from cloche.model.interpreter import Host
    from cloche.session import Session


def upgrade(invocation: Invocation) -> int:
    arguments, settings = invocation.arguments, invocation.settings
    code = 0
    with invocation.open_session() as session:
        pythons = arguments.given.get("python", ())
        planned = plan_upgrade(arguments.operands[0], pythons, "newest" if arguments.flag("seeds") else "keep", session)
        if arguments.flag("check"):
            due = planned.kind != "nothing" or bool(outdated_seeds(planned, session))
            outcome, done, code = ("due" if due else "up to date"), None, int(due)
        elif arguments.flag("dry-run"):
            outcome, done = "would be upgraded", rehearse_upgrade(planned, session)
        else:
            outcome, done = "upgraded", perform_upgrade(planned, session, arguments)
        if done and planned.kind == "nothing" and not done.seeds:
            outcome = "up to date"
    report.print_warnings(f"{loss.item} was not carried over: {loss.reason}" for loss in (done.losses if done else ()))
    report.print_warnings(done.notes if done else ())
    if settings.flag("json"):
        report.print_json(**upgrade_json(planned, outcome, done))
    elif not arguments.count("quiet"):
        for line in summary_lines(
            planned, outcome, done, invocation.host, (perf_counter() - invocation.started) * 1000
        ):
            report.print_result(line)
    return code


def perform_upgrade(planned: UpgradePlan, session: Session, arguments: ParsedArguments) -> UpgradeResult:
    if planned.kind == "rebuild":
        session.progress(f"rebuilding for {planned.interpreter.name}")
        return rebuild(planned, session, losses="allowed" if arguments.flag("allow-loss") else "refused")
    return upgrade_in_place(planned, session)


def rehearse_upgrade(planned: UpgradePlan, session: Session) -> UpgradeResult:
    """Do everything except the last step; only pip can tell what it can install."""
    if planned.kind == "rebuild":
        session.progress(f"rehearsing for {planned.interpreter.name}")
        return rebuild(planned, session, losses="allowed", commit="no")
    return UpgradeResult(planned.info.environment, seeds=outdated_seeds(planned, session))


def summary_lines(
    planned: UpgradePlan, outcome: str, done: UpgradeResult | None, host: Host, milliseconds: float
) -> Iterator[str]:
    location = report.one_line(report.relative_path(planned.location, host))
    interpreter, base = planned.interpreter, planned.info.base
    was = planned.info.version_text or (base.version_text if base else "an unknown version")
    change = f"{interpreter.name}" + (f" instead of {was}" if planned.kind != "nothing" else "")
    seeds = "".join(f", {seed}" for seed in (done.seeds if done else ()))
    yield f"{outcome}: {location}: {change}{seeds}, {milliseconds:.0f} ms"
    if planned.inventory is not None:
        inventory = planned.inventory
        yield f"  carried over: {len(inventory.carried)} packages, {len(inventory.loose)} files outside packages"
        if inventory.reinstalled:
            names = ", ".join(f"{distribution.key} {distribution.version}" for distribution in inventory.reinstalled)
            yield f"  installed by pip: {names}"


def upgrade_json(planned: UpgradePlan, outcome: str, done: UpgradeResult | None) -> dict[str, object]:
    inventory = planned.inventory
    return {
        "outcome": outcome,
        "kind": planned.kind,
        "environment": planned.location,
        "from": planned.info.version_text,
        "to": planned.interpreter.version_text,
        "interpreter": report.as_json(planned.interpreter),
        "carried": [f"{distribution.key}=={distribution.version}" for distribution in inventory.carried]
        if inventory
        else [],
        "installed": [f"{distribution.key}=={distribution.version}" for distribution in inventory.reinstalled]
        if inventory
        else [],
        "loose": list(inventory.loose) if inventory else [],
        "seeds": list(done.seeds) if done else [],
        "losses": [{"what": loss.item, "why": loss.reason} for loss in (done.losses if done else ())],
        "notes": list(done.notes) if done else [],
    }
