"""`cloche [create] DEST`."""

from __future__ import annotations

import os
from time import perf_counter

from cloche.cli import report
from cloche.cli.commands import COMMON, CREATE, INEFFECTIVE, VIRTUALENV
from cloche.cli.request import request_of
from cloche.cli.settings import resolve, session_of
from cloche.cli.user_shell import activation_hint
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.cli.parser import ParsedArguments
    from cloche.cli.settings import Settings
    from cloche.discovery import Found
    from cloche.model.interpreter import Host
    from cloche.model.options import Option
    from cloche.model.plan import ChosenComponent, Plan, Result


TABLE = (*COMMON, *CREATE, *VIRTUALENV)

KNOWN = frozenset(option.name for option in TABLE)


def create(words: ParsedArguments, host: Host, argv: Sequence[str], started: float) -> int:
    settings = resolve(words, host, TABLE)
    extra: tuple[Option, ...] = ()
    if settings.warnings or not words.given.keys() <= KNOWN:  # a name that is not ours may be a plugin's
        from cloche.cli.plugin_options import declared

        extra = declared(argv, host)
        settings = resolve(words, host, (*TABLE, *extra))
    with session_of(settings, host) as session:
        request = request_of(words.operands[0], settings, host, extra)
        report.warn(
            f"`--find-links` names `{one}`, which is no directory"
            for one in settings.all("find-links")
            if not os.path.isdir(os.path.join(host.cwd, one))
        )
        if words.count("verbose"):
            report.warn(
                f"`--{name}` was taken and has no effect" for name in sorted(INEFFECTIVE & settings.chosen.keys())
            )
        result = None if words.flag("dry-run") else session.create(request)
        plan = session.plan(request) if result is None else result.plan
        if words.count("verbose"):
            report.say(choice(plan, session.found, settings))
    report.warn(plan.notes)
    if result is None:
        show_plan(plan, settings, host)
    else:
        show_result(result, session.activators, settings, words, host, started)
    return 0


def choice(plan: Plan, found: Found | None, settings: Settings) -> str:
    """Return how the Python was chosen: which one, which finder knew of it, and what decided."""
    interpreter = plan.environment.interpreter
    asked = settings.chosen.get("python")
    origin = "" if asked is None or asked.origin == "command line" else f" ({asked.origin})"
    because = plan.chosen_because or (f"{found.because}{origin}" if found else "the Python that runs cloche")
    name = f"{interpreter.name} at `{interpreter.executable}`" if interpreter else "Python"
    return report.one_line(f"cloche: {name}, found by {found.found_by if found else 'current'}: {because}")


def show_plan(plan: Plan, settings: Settings, host: Host) -> None:
    if settings.flag("json"):
        report.print_json(plan=report.plan_json(plan))
    else:
        report.tell(report.plan_text(plan, host))


def show_result(
    result: Result,
    activators: Iterable[ChosenComponent],
    settings: Settings,
    words: ParsedArguments,
    host: Host,
    started: float,
) -> None:
    milliseconds = (perf_counter() - started) * 1000
    if settings.flag("json"):
        report.print_json(
            plan=report.plan_json(result.plan),
            result={
                "outcome": result.plan.outcome,
                "environment": report.environment_json(result.environment),
                "milliseconds": round(milliseconds, 1),
                "warnings": list(result.warnings),
            },
        )
    elif not words.count("quiet"):
        report.tell(report.result_line(result, host, milliseconds, activation_hint(result, activators, host)))
