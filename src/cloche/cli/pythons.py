"""`cloche pythons [SPEC]`: the interpreters that can be found, and which of them would be used."""

from __future__ import annotations

import sys

from cloche.cli import report
from cloche.model.request import EnvironmentSpec
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.cli.invocation import Invocation
    from cloche.discovery import InterpreterListing
    from cloche.discovery.search import SearchResult

HEAD = ("", "version", "implementation", "path", "found by")


def pythons(invocation: Invocation) -> int:
    """List all interpreters, or those that satisfy SPEC, and mark the one that would be used.

    Without SPEC, that is the one that `cloche DEST` would use here, by the settings and the project's files.
    """
    settings = invocation.settings
    operands = invocation.arguments.operands
    spec = operands[0] if operands else None
    with invocation.open_session() as session:
        session.progress("looking for interpreters")
        looked = session.list_interpreters(
            EnvironmentSpec(settings.all("python"), settings.all("try-first-with"), consult="project"), spec
        )
    if settings.flag("json"):
        report.print_json(**listing_json(looked, spec))
    else:
        for line in table_lines(looked, everything=invocation.arguments.flag("all")):
            report.print_result(line)
    if looked.error is None:
        return 0
    report.print_error(looked.error)
    return looked.error.exit_code if spec is not None else 0


def table_lines(looked: InterpreterListing, *, everything: bool) -> Iterator[str]:
    """Yield the lines of a table of the interpreters that satisfy the request, and why the marked one was chosen.

    With `everything`, the candidates that are not used follow, each with the reason.
    """
    rows = [HEAD, *(table_row(one) for one in looked.results if not one.reason)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows if len(rows) > 1 else []:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        style = "bold" if cells is HEAD else "green" if cells[0] else ""
        yield report.styled(line, style, sys.stdout) if style else line
    if looked.found is not None:
        yield f"\n* chosen: {report.one_line(looked.found.because)}, found by {looked.found.found_by}"
    passed_over = [one for one in looked.results if one.reason] if everything else []
    if passed_over:
        yield "\nnot used:"
    for one in passed_over:
        path = one.interpreter.executable if one.interpreter else one.path
        yield report.one_line(f"   {path} {one.reason} (found by {one.found_by})")


def table_row(one: SearchResult) -> tuple[str, ...]:
    found = one.interpreter
    assert found is not None  # only a candidate with a reason has no interpreter
    implementation, _, build = found.name.partition(f" {found.version_text}")
    bits = "" if found.bits == 64 else f" {found.bits}-bit"
    path = report.one_line(found.executable)
    return ("*" * one.is_chosen, found.version_text, f"{implementation}{build}{bits}", path, one.found_by)


def listing_json(looked: InterpreterListing, spec: str | None) -> dict[str, object]:
    found = looked.found
    return {
        "request": spec,
        "chosen": found.interpreter.executable if found else None,
        "chosen_because": found.because if found else None,
        "pythons": [result_json(one) for one in looked.results if not one.reason],
        "passed_over": [{**result_json(one), "reason": one.reason} for one in looked.results if one.reason],
    }


def result_json(one: SearchResult) -> dict[str, object]:
    found = one.interpreter
    return {
        "path": found.executable if found else one.path,
        "seen_at": one.path,
        "found_by": one.found_by,
        "chosen": one.is_chosen,
        "version": found.version_text if found else one.too_old or None,
        "implementation": found.implementation if found else None,
        "interpreter": report.as_json(found),
    }
