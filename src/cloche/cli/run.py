"""`cloche run ENV -- CMD`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.cli import report
from cloche.cli.default_environment import chosen_environment
from cloche.errors import UsageError
from cloche.lifecycle.reader import read_environment
from cloche.lifecycle.run import run_command
from cloche.shells import quote_word

if TYPE_CHECKING:
    from cloche.cli.invocation import Invocation


def run(invocation: Invocation) -> int:
    """Run a command in an environment; return its exit code if this process continues."""
    arguments, host = invocation.arguments, invocation.host
    command = (*arguments.operands[1:], *arguments.rest)
    if not command:
        words = [word for word in arguments.operands if not os.path.isdir(os.path.join(host.cwd, word))]
        hint = "`cloche run [ENV] -- CMD`"
        if words:
            hint += (
                f"; `cloche run -- {quote_word(words[0], os.name)}` uses the active environment or the nearest `.venv`"
            )
        raise UsageError("missing argument CMD", hint=hint)
    with invocation.open_session() as session:
        environment = read_environment(chosen_environment(invocation), host, session.probes)
    report.restore_stdout()  # even with `--json`, standard output belongs to the command
    return run_command(environment, command, host)
