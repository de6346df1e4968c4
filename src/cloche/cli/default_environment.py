"""The environment that a command uses if its operand ENV is missing: the active one, or the nearest `.venv`."""

from __future__ import annotations

import os

from cloche.cli import report
from cloche.errors import DestinationError, UsageError
from cloche.fs import directory_and_parents
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.cli.invocation import Invocation
    from cloche.model.interpreter import Host

NAME = ".venv"
"""The directory that cloche creates and uses by default."""


def chosen_environment(invocation: Invocation) -> str:
    """Return the operand ENV; if it is missing, the default environment, after a line on standard error that names it.

    :raises UsageError: it is missing, and there is no default environment.
    :raises DestinationError: `VIRTUAL_ENV` is set to something that does not exist.
    """
    operands = invocation.arguments.operands
    if operands:
        return operands[0]
    path, because = default_environment(invocation.host)
    if not invocation.arguments.count("quiet"):
        report.print_message(report.one_line(f"cloche: using `{path}` ({because})"))
    return path


def default_environment(host: Host) -> tuple[str, str]:
    """Return the default environment, and how it was found.

    :raises UsageError: there is none.
    :raises DestinationError: `VIRTUAL_ENV` is set to something that does not exist.
    """
    active = host.environ.get("VIRTUAL_ENV", "")
    if active.strip():
        if not os.path.isdir(active):
            raise DestinationError(
                f"`VIRTUAL_ENV` is set to `{active}`, which is not a directory",
                hint="name an environment, or unset the variable (in an activated shell, with `deactivate`)",
            )
        return active, "`VIRTUAL_ENV`"
    for directory in directory_and_parents(host.cwd):
        path = os.path.join(directory, NAME)
        if os.path.isdir(path):
            return path, f"the nearest `{NAME}`"
    raise UsageError(
        f"missing argument ENV: no environment is active, and no `{NAME}` exists in the current directory or above it",
        hint=f"name an environment, or create one with `cloche {NAME}`",
    )
