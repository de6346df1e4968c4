"""`cloche upgrade ENV...`."""

from __future__ import annotations

import os
from time import perf_counter
from typing import TYPE_CHECKING

from cloche.apply.staging import recover_environment
from cloche.cli import json_output, report
from cloche.cli.fleet import failure_of, is_fleet, print_failure, requested_environments
from cloche.errors import UsageError, counted
from cloche.fs.locks import ReplacedMeanwhile
from cloche.lifecycle.reader import was_created_for
from cloche.lifecycle.upgrade.in_place import lost_in_place, outdated_seeds, upgrade_in_place
from cloche.lifecycle.upgrade.plan import UpgradeResult, plan_upgrade
from cloche.lifecycle.upgrade.rebuild import rebuild, rehearse_rebuild
from cloche.model.spec import parse_spec
from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.cli.invocation import Invocation
    from cloche.cli.parser import ParsedArguments
    from cloche.errors import ClocheError
    from cloche.lifecycle.upgrade.plan import UpgradePlan
    from cloche.model.aliases import StartupRule
    from cloche.model.interpreter import Host
    from cloche.session import Session


class Outcome(Value):
    """The result for one environment."""

    path: str
    word: str
    """What happened, or would happen: `upgraded`, `up to date`, `due`, `would be upgraded`, `would be refused` or `failed`."""
    plan: UpgradePlan | None = None
    """None if the upgrade could not be planned."""
    result: UpgradeResult | None = None
    """None if it was not carried out or rehearsed."""
    failure: ClocheError | None = None


def upgrade(invocation: Invocation) -> int:
    """Upgrade environments, or only report with `--check` or `--dry-run`; return the exit code."""
    arguments, settings = invocation.arguments, invocation.settings
    rule = settings.startup_rule
    paths = requested_environments(invocation, "kept" if changes_nothing(arguments) else "swept")
    several = is_fleet(invocation) or "from" in arguments.given
    chosen, outcomes = chosen_by_python(paths, arguments)
    for outcome in outcomes:
        print_outcome(outcome, invocation, 0)
    with invocation.open_session() as session:
        total = len(chosen)
        for done, path in enumerate(chosen):
            if total > 1:
                session.progress(f"{done} of {total} environments", environments=done, total_environments=total)
            started = perf_counter() if several else invocation.started
            try:
                outcome = upgrade_environment(path, session, arguments, rule)
            except Exception as error:
                if not several:
                    raise
                outcome = Outcome(path, "failed", failure=failure_of(error))
            milliseconds = (perf_counter() - started) * 1000
            outcomes.append(outcome)
            session.print_new_warnings()
            print_outcome(outcome, invocation, milliseconds)
    if several and settings.flag("json"):
        json_output.print_json(
            environments=[outcome_json(outcome) for outcome in outcomes],
            summary={"found": len(paths), "chosen": len(outcomes), "outcomes": count_outcomes(outcomes)},
        )
    elif settings.flag("json"):
        json_output.print_json(**outcome_json(outcomes[0]))
    elif several and not arguments.count("quiet"):
        report.print_result(summary_of(outcomes, len(paths) - len(outcomes)))
    return int(any(outcome.word in ("failed", "due", "would be refused") for outcome in outcomes))


def changes_nothing(arguments: ParsedArguments) -> bool:
    """Return whether the command only reports."""
    return arguments.flag("check") or arguments.flag("dry-run")


def chosen_by_python(paths: Sequence[str], arguments: ParsedArguments) -> tuple[list[str], list[Outcome]]:
    """Return the environments that were created for the Python in `--from`, and those for which that cannot be decided.

    Without `--from`, all of them are chosen.

    :raises UsageError: `--from` is not a Python request, or names a command.
    """
    if not (words := arguments.given.get("from", ())):
        return list(paths), []
    spec = parse_spec(words[-1])
    if spec.name:
        raise UsageError(
            f"invalid value `{words[-1]}` for `--from`", hint="write a version (`3.12.1`), a range (`<3.12`) or a path"
        )
    chosen, failed = [], []
    for path in paths:
        try:
            if was_created_for(path, spec):
                chosen.append(path)
        except Exception as error:
            failed.append(Outcome(path, "failed", failure=failure_of(error)))
    return chosen, failed


def upgrade_environment(path: str, session: Session, arguments: ParsedArguments, rule: StartupRule | None) -> Outcome:
    """Upgrade the environment at a path, or only report, as the arguments say.

    :raises ClocheError: it cannot be upgraded; it is unchanged.
    """
    try:
        return upgrade_once(path, session, arguments, rule)
    except ReplacedMeanwhile:  # another run has upgraded it, so that there may be nothing left to do
        return upgrade_once(path, session, arguments, rule)


def upgrade_once(path: str, session: Session, arguments: ParsedArguments, rule: StartupRule | None) -> Outcome:
    """Plan an upgrade and carry it out.

    :raises ReplacedMeanwhile: the environment is no longer the one that the upgrade was planned for.
    :raises ClocheError: it cannot be upgraded; it is unchanged.
    """
    pythons = arguments.given.get("python", ())
    if not changes_nothing(arguments):
        recover_environment(os.path.realpath(path) if os.path.islink(path) else path)
    plan = plan_upgrade(path, pythons, "newest" if arguments.flag("seeds") else "keep", session, rule)
    if arguments.flag("check"):
        is_due = plan.kind != "nothing" or bool(outdated_seeds(plan, session))
        return Outcome(path, "due" if is_due else "up to date", plan)
    if arguments.flag("dry-run"):
        result = rehearse_upgrade(plan, session)
        is_refused = bool(result.losses) and not arguments.flag("allow-loss")
        word = "would be refused" if is_refused else "would be upgraded"
    else:
        word, result = "upgraded", perform_upgrade(plan, session, arguments)
    return Outcome(path, "up to date" if plan.kind == "nothing" and not result.seeds else word, plan, result)


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
        return rehearse_rebuild(plan, session)
    return UpgradeResult(
        plan.info.environment, tuple(lost_in_place(plan, session)), seeds=outdated_seeds(plan, session)
    )


def print_outcome(outcome: Outcome, invocation: Invocation, milliseconds: float) -> None:
    """Print the warnings about one environment and, without `--json`, its result or its error."""
    arguments, result = invocation.arguments, outcome.result
    subject = f"{outcome.path}: " if is_fleet(invocation) else ""
    losses = result.losses if result else ()
    absent = " would not be carried over" if arguments.flag("dry-run") else " was not carried over"
    report.print_warnings(f"{subject}{loss.item}{absent if loss.is_absent else ''}: {loss.reason}" for loss in losses)
    report.print_warnings(f"{subject}{note}" for note in (result.notes if result else ()))
    if outcome.failure is not None:
        print_failure(outcome.failure, outcome.path, invocation)
    if invocation.settings.flag("json"):
        return
    if outcome.plan is not None and not arguments.count("quiet"):
        details = arguments.count("verbose")
        for line in report_lines(outcome.plan, outcome.word, result, invocation.host, milliseconds, details):
            report.print_result(line)


DRY_RUN_WORDS = {"would be upgraded": "would upgrade", "would be refused": "would not upgrade"}
"""The words before the path in the report, if they differ from the outcome."""


def report_lines(
    plan: UpgradePlan, outcome: str, result: UpgradeResult | None, host: Host, milliseconds: float, details: int
) -> Iterator[str]:
    """Yield the lines of the report about one environment."""
    location = report.one_line(report.relative_path(plan.location, host))
    change = describe_change(plan)
    seeds = report.summarize(result.seeds, details) if result else ""
    condition = " without `--allow-loss`" if outcome == "would be refused" else ""
    words = f"{DRY_RUN_WORDS.get(outcome, outcome)} {location}{condition}"
    yield f"{words}: {change}{', ' if seeds else ''}{seeds}, {milliseconds:.0f} ms"
    if plan.inventory is not None:
        inventory = plan.inventory
        packages, files = counted(len(inventory.carried), "package"), counted(len(inventory.loose), "file")
        if inventory.carried or inventory.loose:
            yield f"  carried over: {packages}, {files} outside packages"
        if inventory.reinstalled:
            names = [f"{distribution.key} {distribution.version}" for distribution in inventory.reinstalled]
            yield f"  reinstalled by pip, in a build for the new Python: {report.summarize(names, details)}"


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
    if base.executable == new.executable:
        return f"{new.name} as before"
    return f"{new.name} at `{new.executable}` instead of `{base.executable}`"


def summary_of(outcomes: Sequence[Outcome], others: int) -> str:
    """Return one line that summarizes the upgrades.

    :param others: the number of environments that `--from` left out.
    """
    words = [f"{count} {word}" for word, count in count_outcomes(outcomes).items()]
    number = counted(len(outcomes), "environment")
    left_out = f"; left out {others} that {'uses' if others == 1 else 'use'} a different Python" if others else ""
    return f"{number}{': ' if words else ''}{', '.join(words)}{left_out}"


def count_outcomes(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return the number of environments by the word for their outcome."""
    words = [outcome.word for outcome in outcomes]
    return {word: words.count(word) for word in dict.fromkeys(sorted(words))}


def outcome_json(outcome: Outcome) -> dict[str, object]:
    """Return the JSON object for one environment."""
    if outcome.plan is None:
        failure = json_output.error_json(outcome.failure) if outcome.failure else None
        return {"outcome": outcome.word, "environment": outcome.path, "error": failure}
    plan, result = outcome.plan, outcome.result
    inventory = plan.inventory
    return {
        "outcome": outcome.word,
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
        "error": None,
    }
