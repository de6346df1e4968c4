"""`cloche run ENV -- CMD`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.cli import report
from cloche.cli.commands import COMMON
from cloche.cli.settings import resolve, session_of
from cloche.errors import UsageError
from cloche.lifecycle.reader import read
from cloche.lifecycle.run import run_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.cli.parser import ParsedArguments
    from cloche.model.interpreter import Host


def run(words: ParsedArguments, host: Host, argv: Sequence[str], started: float) -> int:
    command = (*words.operands[1:], *words.rest)
    if not command:
        raise UsageError("there is nothing to run", hint="`cloche run ENV -- COMMAND`")
    settings = resolve(words, host, COMMON)
    with session_of(settings, host) as session:
        environment = read(words.operands[0], host, session.probes)
    report.release()  # standard output is the command's, whatever asks for JSON
    return run_in(environment, command, host)
