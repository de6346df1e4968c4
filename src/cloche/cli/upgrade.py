"""`cloche upgrade ENV`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from cloche.cli import json_output, report
from cloche.cli.default_environment import chosen_environment
from cloche.errors import counted
from cloche.lifecycle.rebuild import rebuild
from cloche.lifecycle.upgrade import UpgradeResult, lost_in_place, outdated_seeds, plan_upgrade, upgrade_in_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.cli.invocation import Invocation
    from cloche.cli.parser import ParsedArguments
    from cloche.lifecycle.upgrade import UpgradePlan
    from cloche.model.interpreter import Host
    from cloche.session import Session


def upgrade(invocation: Invocation) -> int:
    """Upgrade an environment, or only report with `--check` or `--dry-run`; return the exit code."""
    arguments, settings = invocation.arguments, invocation.settings
    code = 0
    with invocation.open_session() as session:
        pythons = arguments.given.get("python", ())
        plan = plan_upgrade(
            chosen_environment(invocation), pythons, "newest" if arguments.flag("seeds") else "keep", session
        )
        if arguments.flag("check"):
            due = plan.kind != "nothing" or bool(outdated_seeds(plan, session))
            outcome, result, code = ("due" if due else "up to date"), None, int(due)
        elif arguments.flag("dry-run"):
            outcome, result = "would be upgraded", rehearse_upgrade(plan, session)
        else:
            outcome, result = "upgraded", perform_upgrade(plan, session, arguments)
        if result and plan.kind == "nothing" and not result.seeds:
            outcome = "up to date"
    report.print_warnings(
        f"{loss.item}{' was not carried over' if loss.is_absent == 'yes' else ''}: {loss.reason}"
        for loss in (result.losses if result else ())
    )
    report.print_warnings(result.notes if result else ())
    if settings.flag("json"):
        json_output.print_json(**upgrade_json(plan, outcome, result))
    elif not arguments.count("quiet"):
        milliseconds, details = (perf_counter() - invocation.started) * 1000, arguments.count("verbose")
        for line in summary_lines(plan, outcome, result, invocation.host, milliseconds, details):
            report.print_result(line)
    return code


def perform_upgrade(plan: UpgradePlan, session: Session, arguments: ParsedArguments) -> UpgradeResult:
    """Carry out a planned upgrade; return its result."""
    if plan.kind == "rebuild":
        session.progress(f"rebuilding for {plan.interpreter.name}")
        return rebuild(plan, session, losses="allowed" if arguments.flag("allow-loss") else "refused")
    return upgrade_in_place(plan, session, losses="allowed" if arguments.flag("allow-loss") else "refused")


def rehearse_upgrade(plan: UpgradePlan, session: Session) -> UpgradeResult:
    """Return the result that an upgrade would have; rehearse a rebuild, because only pip knows what it can install."""
    if plan.kind == "rebuild":
        session.progress(f"rehearsing the upgrade to {plan.interpreter.name}")
        return rebuild(plan, session, losses="allowed", commit="no")
    return UpgradeResult(
        plan.info.environment, tuple(lost_in_place(plan, session)), seeds=outdated_seeds(plan, session)
    )


def summary_lines(
    plan: UpgradePlan, outcome: str, result: UpgradeResult | None, host: Host, milliseconds: float, details: int
) -> Iterator[str]:
    """Yield the lines of the report."""
    location = report.one_line(report.relative_path(plan.location, host))
    change = describe_change(plan)
    seeds = report.summarize(result.seeds, details) if result else ""
    yield f"{outcome}: {location}: {change}{', ' if seeds else ''}{seeds}, {milliseconds:.0f} ms"
    if plan.inventory is not None:
        inventory = plan.inventory
        packages, files = counted(len(inventory.carried), "package"), counted(len(inventory.loose), "file")
        yield f"  carried over: {packages}, {files} outside packages"
        if inventory.reinstalled:
            names = [f"{distribution.key} {distribution.version}" for distribution in inventory.reinstalled]
            yield f"  installed by pip: {report.summarize(names, details)}"


def describe_change(plan: UpgradePlan) -> str:
    """Return the new Python, and the old one by what differs: the version, the build, or only the path."""
    new, base = plan.interpreter, plan.info.base
    if plan.kind == "nothing":
        return new.name
    was = plan.info.version_text or (base.version_text if base else "an unknown version")
    if was != new.version_text:
        return f"{new.name} instead of {was}"
    if base is None:
        return f"{new.name} at `{new.executable}` instead of one that no longer exists"
    if base.name != new.name:
        return f"{new.name} instead of {base.name}"
    return f"{new.name} at `{new.executable}` instead of `{base.executable}`"


def upgrade_json(plan: UpgradePlan, outcome: str, result: UpgradeResult | None) -> dict[str, object]:
    """Return the report as JSON."""
    inventory = plan.inventory
    return {
        "outcome": outcome,
        "kind": plan.kind,
        "environment": plan.location,
        "from": plan.info.version_text,
        "to": plan.interpreter.version_text,
        "interpreter": json_output.as_json(plan.interpreter),
        "carried": [f"{distribution.key}=={distribution.version}" for distribution in inventory.carried]
        if inventory
        else [],
        "installed": [f"{distribution.key}=={distribution.version}" for distribution in inventory.reinstalled]
        if inventory
        else [],
        "loose": list(inventory.loose) if inventory else [],
        "seeds": list(result.seeds) if result else [],
        "losses": [{"what": loss.item, "why": loss.reason} for loss in (result.losses if result else ())],
        "notes": list(result.notes) if result else [],
    }
