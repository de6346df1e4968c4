"""The environments that a command works on, if it accepts several: its operands, and those that `--find` finds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.cli import report
from cloche.cli.default_environment import chosen_environment
from cloche.errors import ClocheError, UsageError, reason_of, system_error
from cloche.lifecycle.finder import environments_below
from cloche.planning.destination import absolute_path
from cloche.plugins import describe_exception

if TYPE_CHECKING:
    from typing import Literal

    from cloche.cli.invocation import Invocation


def is_fleet(invocation: Invocation) -> bool:
    """Return whether the arguments name several environments, or use `--find`, which may find any number."""
    arguments = invocation.arguments
    return len(arguments.operands) > 1 or "find" in arguments.given


def requested_environments(invocation: Invocation, leftovers: Literal["kept", "swept"]) -> list[str]:
    """Return the paths of the environments in the arguments, and of those below the `--find` directories.

    :param leftovers: what happens to leftovers of killed runs below these directories (see `environments_below`).
    :raises UsageError: there are no arguments and no default environment, one is blank, or a `--find` path is
        not a directory.
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
        below = environments_below(location, warn_about, leftovers)
        if not below:
            report.print_warnings([f"no environment found below `{directory}`"])
        paths += below
    return list(dict.fromkeys(os.path.normpath(path) for path in paths))


def warn_about(error: ClocheError | OSError) -> None:
    """Warn about a directory that could not be searched, or in which an environment could not be restored."""
    if isinstance(error, OSError):
        report.print_warnings([f"`{error.filename}` was not searched: {reason_of(error)}"])
    else:
        report.print_warnings([error.message])


def failure_of(error: Exception) -> ClocheError:
    """Return the error to report for one of several environments; it must not hide the state of the others."""
    if isinstance(error, ClocheError):
        return error
    if isinstance(error, OSError):
        from cloche.apply.obstacles import remedy_for

        return system_error(error, hint=remedy_for(error))
    failure = ClocheError(
        f"unexpected error: {describe_exception(error)}",
        hint="this is a bug in cloche: please report it with the output of `--traceback`",
    )
    failure.__cause__ = error
    return failure


def print_failure(failure: ClocheError, path: str, invocation: Invocation) -> None:
    """Print the error of one environment among several, after its traceback with `--traceback`; none with `--json`."""
    if invocation.wants_traceback:
        from traceback import format_exception

        report.print_message("".join(format_exception(failure)).rstrip())
    if not invocation.settings.flag("json"):
        report.print_error(failure, path)
