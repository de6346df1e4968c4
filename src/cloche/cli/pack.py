"""`cloche pack [ENV] -o FILE`."""

from __future__ import annotations

import os
from time import perf_counter
from typing import TYPE_CHECKING

from cloche.cli import json_output, report
from cloche.cli.default_environment import chosen_environment
from cloche.errors import UsageError, counted, human_size
from cloche.fs.locks import DirectoryLock
from cloche.lifecycle.pack import pack_environment, plan_pack
from cloche.lifecycle.pack.entries import PackRequest
from cloche.planning.destination import absolute_path

if TYPE_CHECKING:
    from cloche.cli.invocation import Invocation

SHOWN = 3
"""The number of files with the path of the environment that are named; the others are counted."""


def pack(invocation: Invocation) -> int:
    """Pack an environment and report that; return the exit code.

    :raises UsageError: `--output` is missing.
    """
    arguments, host, settings = invocation.arguments, invocation.host, invocation.settings
    given = arguments.given
    output = last(given.get("output", ()))
    if not output:
        raise UsageError("missing option `--output FILE`", hint="`cloche pack ENV -o env.tar.gz` writes that file")
    request = PackRequest(
        path=chosen_environment(invocation),
        output=output,
        format=last(given.get("format", ())),
        prefix=last(given.get("prefix", ())),
        exclude=tuple(given.get("exclude", ())),
        overwrites=arguments.flag("force"),
        follows=arguments.flag("follow"),
        base_outside=arguments.flag("with-base-outside"),
    )
    with invocation.open_session() as session, DirectoryLock(absolute_path(request.path, host)):
        plan = plan_pack(request, session)
        session.progress(f"packing `{plan.environment.location}`")
        count = pack_environment(plan, session)
    unchanged, location = plan.unchanged_mentions, plan.environment.location
    report.print_warnings(f"packed `{path}` still contains `{location}`" for path in unchanged[:SHOWN])
    if len(unchanged) > SHOWN:
        more = counted(len(unchanged) - SHOWN, "more file")
        report.print_warnings([f"{more} with that path; `--json` lists them as `unchanged_mentions`"])
    size = 0 if os.path.isdir(plan.output) else os.path.getsize(plan.output)
    if settings.flag("json"):
        json_output.print_json(
            outcome="packed", environment=location, output=plan.output,
            format=plan.component.name, members=count, size=size,
            unchanged_mentions=list(unchanged),
        )  # fmt: skip
    elif not arguments.count("quiet"):
        shown = report.one_line(report.relative_path(plan.output, host))
        source = report.one_line(report.relative_path(location, host))
        text = counted(count, "member") + (f", {human_size(size)}" if size else "")
        seconds = perf_counter() - invocation.started
        report.print_result(f"packed {source} as {shown}: {plan.component.name}, {text}, {seconds * 1000:.0f} ms")
    return 0


def last(values: tuple[str, ...] | list[str]) -> str:
    """Return the last value of an option; empty if it is not given."""
    return values[-1] if values else ""
