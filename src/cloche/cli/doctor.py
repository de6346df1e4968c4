"""`cloche doctor ENV...`."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cloche.apply.staging import recover_environment
from cloche.cli import json_output, report
from cloche.cli.default_environment import chosen_environment
from cloche.errors import ClocheError, UsageError
from cloche.lifecycle.diagnosis import diagnose, open_case
from cloche.lifecycle.finder import environments_below
from cloche.lifecycle.repair import RepairResult, repair_environment
from cloche.model.value import value
from cloche.planning.destination import absolute_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.cli.invocation import Invocation
    from cloche.cli.parser import ParsedArguments
    from cloche.lifecycle.case import Finding
    from cloche.session import Session

THREADS = 8
"""The number of environments that are examined at the same time."""


@value
class Outcome:
    """The result for one environment."""

    path: str
    result: RepairResult
    failure: ClocheError | None = None
    """Why it could not be examined or repaired."""


def doctor(invocation: Invocation) -> int:
    """Diagnose environments, repair them if `--fix` is given, and report; return 1 if one is not healthy, else 0."""
    arguments, settings = invocation.arguments, invocation.settings
    paths = requested_environments(invocation)
    fix = arguments.flag("fix")
    with invocation.open_session() as session:
        session.registry.finders()  # load what the threads share before they start
        _ = session.probes
        outcomes = []
        with ThreadPoolExecutor(min(THREADS, len(paths) or 1)) as pool:
            for outcome in pool.map(lambda path: examine_environment(path, session, fix=fix), paths):
                outcomes.append(outcome)
                if len(paths) > 1:
                    session.progress(f"{len(outcomes)} of {len(paths)} environments")
    if settings.flag("json"):
        json_output.print_json(environments=[outcome_json(outcome) for outcome in outcomes])
    else:
        print_outcomes(outcomes, arguments)
    return int(any(outcome.failure or outcome.result.remaining for outcome in outcomes))


def requested_environments(invocation: Invocation) -> list[str]:
    """Return the paths of the environments in the arguments, and of those below the `--find` directories.

    :raises UsageError: there are no arguments and no default environment, one is blank, or a `--find` path is not a directory.
    """
    arguments, host = invocation.arguments, invocation.host
    directories = arguments.given.get("find", ())
    operands = arguments.operands if arguments.operands or directories else (chosen_environment(invocation),)
    paths = [absolute_path(operand, host) for operand in operands]
    for directory in directories:
        location = absolute_path(directory, host)
        if not os.path.isdir(location):
            raise UsageError(
                f"`{directory}` is not a directory",
                hint="`--find` takes a directory that contains environments at any depth",
            )
        below = environments_below(location)
        if not below:
            report.print_warnings([f"no environment found below `{directory}`"])
        paths += below
    return list(dict.fromkeys(os.path.normpath(path) for path in paths))


def examine_environment(path: str, session: Session, *, fix: bool) -> Outcome:
    """Examine the environment at a path, repair it if `fix` is true, and return the result."""
    try:
        if fix and not os.path.lexists(path):
            recover_environment(path)  # a killed run may have moved it to its staging directory
        case = open_case(path, session)
        if fix:
            return Outcome(case.root, repair_environment(case, session))
        findings = tuple(diagnose(case))
        return Outcome(case.root, RepairResult(findings, findings))
    except ClocheError as problem:
        return Outcome(path, RepairResult((), ()), problem)


def print_outcomes(outcomes: Iterable[Outcome], arguments: ParsedArguments) -> None:
    for outcome in outcomes:
        path = report.one_line(outcome.path)
        if outcome.failure is not None:
            report.print_error(outcome.failure)
            continue
        for finding in outcome.result.repaired:
            report.print_result(f"{path}: {in_green('repaired')}: {finding_line(finding)}")
        for finding in outcome.result.remaining:
            report.print_result(f"{path}: {finding_line(finding)}; {report.one_line(finding.remedy)}")
        for note in outcome.result.notes:
            report.print_result(f"{path}: note: {report.one_line(note)}")
        if not outcome.result.remaining and not arguments.count("quiet"):
            report.print_result(f"{path}: {in_green('healthy')}")


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
        "healthy": not outcome.failure and not outcome.result.remaining,
        "error": outcome.failure.message if outcome.failure else None,
        "hint": outcome.failure.hint if outcome.failure else None,
        "findings": [
            {
                "code": finding.code,
                "path": finding.path,
                "message": finding.message,
                "remedy": finding.remedy,
                "repairable": finding.repairable == "yes",
                "repaired": (finding.code, finding.path) in repaired,
            }
            for finding in dict.fromkeys((*outcome.result.findings, *outcome.result.remaining))
        ],
        "notes": list(outcome.result.notes),
    }
