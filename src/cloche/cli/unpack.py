"""`cloche unpack FILE DEST`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from cloche.cli import json_output, report
from cloche.errors import counted
from cloche.lifecycle.unpack import unpack as unpack_archive

if TYPE_CHECKING:
    from cloche.cli.invocation import Invocation


def unpack(invocation: Invocation) -> int:
    """Unpack an environment and report that; return the exit code."""
    file, to = invocation.arguments.operands
    rule = invocation.settings.startup_rule
    with invocation.open_session() as session:
        session.progress(f"unpacking `{file}`")
        location, count = unpack_archive(file, to, session, rule or ("list", ()))
    if invocation.settings.flag("json"):
        json_output.print_json(outcome="unpacked", location=location, files=count)
    elif not invocation.arguments.count("quiet"):
        shown = report.one_line(report.relative_path(location, invocation.host))
        milliseconds = (perf_counter() - invocation.started) * 1000
        report.print_result(f"unpacked {shown}: {counted(count, 'file')} verified, {milliseconds:.0f} ms")
    return 0
