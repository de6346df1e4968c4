"""`cloche [create] DEST`: create an environment."""

from __future__ import annotations

import os
from time import perf_counter

from cloche.cli import report
from cloche.cli.commands import INEFFECTIVE
from cloche.cli.request import build_request
from cloche.cli.user_shell import activation_hint
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from cloche.cli.invocation import Invocation
    from cloche.cli.settings import Settings
    from cloche.discovery import FoundInterpreter
    from cloche.model.interpreter import Host
    from cloche.model.plan import ChosenComponent, Plan, Result
    from cloche.model.request import Request
    from cloche.session import Session


def create(invocation: Invocation) -> int:
    host = invocation.host
    with invocation.open_session() as session:
        arguments, settings = invocation.arguments, invocation.settings
        request = build_request(arguments.operands[0], settings, host)
        report.print_warnings(
            f"`--find-links` is set to `{directory}`, which is not a directory"
            for directory in settings.all("find-links")
            if not os.path.isdir(os.path.join(host.cwd, directory))
        )
        if arguments.count("verbose"):
            report.print_warnings(
                f"`--{name}` is accepted for compatibility and ignored"
                for name in sorted(INEFFECTIVE & settings.chosen.keys())
            )
        plan, result = perform(request, session, commit="no" if arguments.flag("dry-run") else "yes")
        if arguments.count("verbose"):
            report.print_message(describe_choice(plan, session.found, settings))
    report.print_warnings(plan.notes)
    if result is None:
        print_plan(plan, settings, host)
    else:
        print_created(result, session.activators, invocation)
    return 0


def perform(request: Request, session: Session, commit: Literal["yes", "no"]) -> tuple[Plan, Result | None]:
    """Create the environment that a request describes, or only plan it; return the plan and the result."""
    if request.spec.wanted is not None and request.spec.wanted.lock is not None:
        from cloche.lifecycle.locked import create_locked, plan_locked

        result = create_locked(request, session) if commit == "yes" else None
        return (result.plan if result else plan_locked(request, session)), result
    result = session.create(request) if commit == "yes" else None
    return (result.plan if result else session.plan(request)), result


def describe_choice(plan: Plan, found: FoundInterpreter | None, settings: Settings) -> str:
    """Return a line with the chosen Python, the finder that found it, and the reason for the choice."""
    interpreter = plan.environment.interpreter
    requested = settings.chosen.get("python")
    origin = "" if requested is None or requested.origin == "command line" else f" ({requested.origin})"
    because = plan.chosen_because or (f"{found.because}{origin}" if found else "the Python that runs cloche")
    name = f"{interpreter.name} at `{interpreter.executable}`" if interpreter else "Python"
    return report.one_line(f"cloche: {name}, found by {found.found_by if found else 'current'}: {because}")


def print_plan(plan: Plan, settings: Settings, host: Host) -> None:
    if settings.flag("json"):
        report.print_json(plan=report.plan_json(plan))
    else:
        report.print_result(report.plan_text(plan, host))


def print_created(result: Result, activators: Iterable[ChosenComponent], invocation: Invocation) -> None:
    milliseconds = (perf_counter() - invocation.started) * 1000
    if invocation.settings.flag("json"):
        report.print_json(
            plan=report.plan_json(result.plan),
            result={
                "outcome": result.plan.outcome,
                "environment": report.environment_json(result.environment),
                "milliseconds": round(milliseconds, 1),
                "warnings": list(result.warnings),
            },
        )
    elif not invocation.arguments.count("quiet"):
        hint = activation_hint(result, activators, invocation.host)
        lines = [report.result_line(result, invocation.host, milliseconds, hint)]
        if invocation.arguments.count("verbose"):
            lines += report.package_lines(result.plan)
        report.print_result("\n".join(lines))
