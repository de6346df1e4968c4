"""The program `virtualenv`: what it prints, and its exit codes 0, 1 and 2."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, NoReturn

from cloche_virtualenv.arguments import ignored_options
from cloche_virtualenv.options import Options
from cloche_virtualenv.session import cli_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche_virtualenv.arguments import Announced
    from cloche_virtualenv.session import Session

IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}


def run(
    args: Sequence[str] | None, options: Options | None, env: Mapping[str, str] | None, announced: Announced
) -> None:
    """Create the environment that the arguments describe, and print a report.

    :raises SystemExit: with 2 for invalid arguments, or with 0 after printing the help or the version.
    :raises RuntimeError: the environment cannot be created.
    """
    started = perf_counter()
    session = cli_run(sys.argv[1:] if args is None else args, options, True, env, announced)
    if session.verbosity > 2:
        for name in ignored_options(session.options):
            print(f"virtualenv: `{name}` is accepted for compatibility and ignored", file=sys.stderr)
    if session.verbosity > 1:
        print(report_of(session, (perf_counter() - started) * 1000))


def run_with_catch(args: Sequence[str] | None, env: Mapping[str, str] | None, announced: Announced) -> NoReturn:
    """Run the program and exit: with 0, with 1 for a failure, or with 2 for invalid arguments."""
    options = Options()
    try:
        run(args, options, env, announced)
    except (RuntimeError, OSError) as error:
        if getattr(options, "with_traceback", False):
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(1) from None
    raise SystemExit(0)


def report_of(session: Session, milliseconds: float) -> str:
    """Return a report about the created environment, in which each line begins as it does in virtualenv."""
    assert session.result is not None
    plan, interpreter = session.result.plan, session.result.environment.interpreter
    assert interpreter is not None
    name = IMPLEMENTATIONS.get(interpreter.implementation, interpreter.implementation)
    spec = name + ".".join(map(str, interpreter.version))
    lines = [
        f"created virtual environment {spec}-{interpreter.bits} in {milliseconds:.0f}ms",
        f"  creator {plan.creator} of cloche (dest={session.creator.dest})",
    ]
    if plan.images:
        seeds = ", ".join(f"{image.distribution}=={image.version}" for image in plan.images)
        lines.append(f"    added seed packages: {seeds}")
    if plan.activators:
        lines.append(f"  activators {','.join(plan.activators)}")
    return "\n".join(lines)
