"""`cloche doctor ENV...`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cloche.apply.staging import recover_environment
from cloche.cli import json_output, report
from cloche.cli.fleet import failure_of, print_failure, requested_environments
from cloche.lifecycle.doctor.case import RepairResult
from cloche.lifecycle.doctor.causes import causes_of
from cloche.lifecycle.doctor.diagnosis import diagnose, open_case
from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.cli.invocation import Invocation
    from cloche.cli.parser import ParsedArguments
    from cloche.errors import ClocheError
    from cloche.lifecycle.doctor.case import Finding
    from cloche.lifecycle.doctor.causes import Cause
    from cloche.model.aliases import StartupRule
    from cloche.session import Session

THREADS = 8
"""The number of environments that are examined at the same time."""


class Outcome(Value):
    """The result for one environment."""

    path: str
    result: RepairResult
    failure: ClocheError | None = None
    """Why it could not be examined or repaired."""

    @property
    def is_healthy(self) -> bool:
        return self.failure is None and not self.result.remaining


def doctor(invocation: Invocation) -> int:
    """Diagnose environments, repair them if `--fix` is given, and report; return 1 if one is not healthy, else 0."""
    arguments, settings = invocation.arguments, invocation.settings
    fix, rule = arguments.flag("fix"), settings.startup_rule
    paths = requested_environments(invocation, "swept" if fix else "kept")
    with invocation.open_session() as session:
        outcomes = []
        for outcome in examine_all(paths, session, fix=fix, rule=rule):
            outcomes.append(outcome)
            if len(paths) > 1:
                done, total = len(outcomes), len(paths)
                session.progress(f"{done} of {total} environments", environments=done, total_environments=total)
    for outcome in outcomes:
        if outcome.failure is not None:
            print_failure(outcome.failure, outcome.path, invocation)
    if settings.flag("json"):
        json_output.print_json(
            environments=[outcome_json(outcome) for outcome in outcomes], summary=summary_json(outcomes)
        )
    else:
        print_outcomes(outcomes, arguments)
        if len(outcomes) > 1 and not arguments.count("quiet"):
            print_summary(outcomes)
    return int(not all(outcome.is_healthy for outcome in outcomes))


def examine_all(paths: Sequence[str], session: Session, *, fix: bool, rule: StartupRule | None) -> Iterator[Outcome]:
    """Yield the results for environments in this order; several are examined at the same time."""

    def examine(path: str) -> Outcome:
        session.observe_plugins()
        return examine_environment(path, session, fix=fix, rule=rule)

    if len(paths) < 2:
        yield from map(examine, paths)
        return
    from cloche.fs.threads import map_in_threads

    session.registry.finders()  # load what the threads share before they start
    _ = session.probes
    yield from map_in_threads(examine, paths, THREADS)


def examine_environment(path: str, session: Session, *, fix: bool, rule: StartupRule | None) -> Outcome:
    """Examine the environment at a path, repair it if `fix` is true, and return the result."""
    try:
        if fix and not os.path.lexists(path):
            recover_environment(path)  # a killed run may have moved it to its staging directory
        case = open_case(path, session)
        if fix:
            from cloche.lifecycle.doctor.repair import repair_environment

            return Outcome(case.root, repair_environment(case, session, rule))
        findings = tuple(diagnose(case))
        return Outcome(case.root, RepairResult(findings, findings))
    except Exception as error:
        return Outcome(path, RepairResult((), ()), failure_of(error))


def print_outcomes(outcomes: Sequence[Outcome], arguments: ParsedArguments) -> None:
    """Print the findings of the environments that could be examined."""
    for outcome in outcomes:
        path = report.one_line(outcome.path)
        for finding in outcome.result.repaired:
            report.print_result(f"{path}: {in_green('repaired')}: {finding_line(finding)}")
        for finding in outcome.result.remaining:
            report.print_result(f"{path}: {finding_line(finding)}; {report.one_line(finding.remedy)}")
        for note in outcome.result.notes:
            report.print_result(f"{path}: note: {report.one_line(note)}")
        if outcome.is_healthy and not arguments.count("quiet"):
            report.print_result(f"{path}: {in_green('healthy')}")


def print_summary(outcomes: Sequence[Outcome]) -> None:
    """Print how many environments are healthy, and how many are affected by each cause."""
    failed = sum(outcome.failure is not None for outcome in outcomes)
    healthy = sum(outcome.is_healthy for outcome in outcomes)
    counts = {"healthy": healthy, "with problems": len(outcomes) - healthy - failed, "could not be examined": failed}
    words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    report.print_result(f"{len(outcomes)} environments: {words}")
    for cause in remaining_causes(outcomes):
        code = report.styled(cause.code, "yellow", sys.stdout)
        fix = "; `--fix` repairs it" if cause.repairable else ""
        report.print_result(f"{len(cause.environments):5} {code}: {report.one_line(cause.message)}{fix}")


def remaining_causes(outcomes: Sequence[Outcome]) -> list[Cause]:
    return causes_of({outcome.path: outcome.result.remaining for outcome in outcomes})


def summary_json(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Return the JSON object that summarizes all environments."""
    return {
        "environments": len(outcomes),
        "healthy": sum(outcome.is_healthy for outcome in outcomes),
        "failed": sum(outcome.failure is not None for outcome in outcomes),
        "causes": [
            {
                "code": cause.code,
                "message": cause.message,
                "environments": list(cause.environments),
                "repairable": cause.repairable,
            }
            for cause in remaining_causes(outcomes)
        ],
    }


def in_green(word: str) -> str:
    return report.styled(word, "green", sys.stdout)


def finding_line(finding: Finding) -> str:
    """Return a finding as one line: `CODE: PATH: MESSAGE`."""
    code = report.styled(finding.code, "yellow", sys.stdout)
    return f"{code}: {report.one_line(f'{finding.path}: {finding.message}')}"


def outcome_json(outcome: Outcome) -> dict[str, object]:
    """Return the JSON object for one environment."""
    repaired = {(finding.code, finding.path) for finding in outcome.result.repaired}
    return {
        "root": outcome.path,
        "healthy": outcome.is_healthy,
        "error": outcome.failure.message if outcome.failure else None,
        "hint": outcome.failure.hint if outcome.failure else None,
        "findings": [
            {
                "code": finding.code,
                "path": finding.path,
                "message": finding.message,
                "remedy": finding.remedy,
                "repairable": finding.repairable,
                "repaired": (finding.code, finding.path) in repaired,
            }
            for finding in dict.fromkeys((*outcome.result.findings, *outcome.result.remaining))
        ],
        "notes": list(outcome.result.notes),
    }
