"""`virtualenv` and `python -m virtualenv`: what they print and the exit code they end with, 0, 1 or 2."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, NoReturn

from cloche_virtualenv.session import cli_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche_virtualenv.session import Session


def run(args: Sequence[str] | None = None, options: object = None, env: Mapping[str, str] | None = None) -> None:
    """Make the environment that the arguments ask for and say what was made.

    :raises SystemExit: with 2, the arguments make no sense; with 0, they ask for help or the version.
    :raises RuntimeError: the environment cannot be made.
    """
    started = perf_counter()
    session = cli_run(sys.argv[1:] if args is None else args, options, env=env)
    if session.verbosity > 2:
        sys.stderr.writelines(f"virtualenv: {note}\n" for note in session.asked.notes)
    if session.verbosity > 1:
        sys.stdout.write(report(session, (perf_counter() - started) * 1000))


def run_with_catch(args: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> NoReturn:
    """Entry point of the console script."""
    given = sys.argv[1:] if args is None else args
    try:
        run(args, env=env)
    except (RuntimeError, OSError) as error:
        if "--with-traceback" in given or "--traceback" in given:
            raise
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(1) from None
    raise SystemExit(0)


def report(session: Session, milliseconds: float) -> str:
    """Return what was made, in lines that begin as virtualenv's do."""
    assert session.result is not None
    plan, interpreter = session.result.plan, session.result.environment.interpreter
    assert interpreter is not None
    names = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
    name = names.get(interpreter.implementation, interpreter.implementation)
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
    return "".join(f"{line}\n" for line in lines)
