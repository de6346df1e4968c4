"""`cloche pythons [SPEC]`: the interpreters that can be found, and which of them would be used."""

from __future__ import annotations

from cloche.cli import json_output, report, terminal
from cloche.cli.table import Row, table_lines
from cloche.lifecycle.resolving import list_pythons
from cloche.model.plan import EnvironmentSpec
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.cli.invocation import Invocation
    from cloche.discovery import InterpreterListing
    from cloche.discovery.search import SearchResult

HEAD = ("", "version", "implementation", "path", "found by")


def pythons(invocation: Invocation) -> int:
    """List all interpreters, or those that satisfy SPEC, and mark the one that would be used.

    Without SPEC, that is the one that `cloche DEST` would use in the current directory.
    """
    settings = invocation.settings
    operands = invocation.arguments.operands
    spec = operands[0] if operands else None
    with invocation.open_session() as session:
        session.progress("looking for interpreters")
        default = EnvironmentSpec(
            settings.all("python"), settings.all("try-first-with"), settings.all("no-finder"), consult="project"
        )
        listing = list_pythons(default, spec, session)
    if listing.error is not None and spec is None:  # the list is complete, but `cloche DEST` would fail here
        report.print_warnings([listing.error.message])
    if settings.flag("json"):
        json_output.print_json(**listing_json(listing, spec))
    else:
        for line in interpreter_table(listing, show_skipped=invocation.arguments.flag("all")):
            report.print_result(line)
    if listing.error is not None and spec is not None:
        report.print_error(listing.error)
        return listing.error.exit_code
    return 0


def interpreter_table(listing: InterpreterListing, *, show_skipped: bool) -> Iterator[str]:
    """Yield the lines of a table of the interpreters that satisfy the request, and the reason for the choice.

    With `show_skipped`, the candidates that are not used follow, each with the reason.
    """
    if rows := [table_row(result) for result in listing.results if not result.reason]:
        yield from table_lines(HEAD, rows, terminal.terminal_columns())
    if listing.found is not None:
        yield f"\n* chosen: {report.one_line(listing.found.because)}, found by {listing.found.found_by}"
    skipped = [result for result in listing.results if result.reason] if show_skipped else []
    if skipped:
        yield "\nnot used:"
    for result in skipped:
        path = result.interpreter.executable if result.interpreter else result.path
        yield report.one_line(f"   {path} {result.reason} (found by {result.found_by})")


def table_row(result: SearchResult) -> Row:
    found = result.interpreter
    assert found is not None  # only a candidate with a reason has no interpreter
    implementation, _, build = found.name.partition(f" {found.version_text}")
    bits = "" if found.bits == 64 else f" {found.bits}-bit"
    cells = ("*" * result.is_chosen, found.version_text, f"{implementation}{build}{bits}", found.executable)
    return Row(cells, (result.found_by,), "green" * result.is_chosen)


def listing_json(listing: InterpreterListing, spec: str | None) -> dict[str, object]:
    found = listing.found
    return {
        "request": spec,
        "chosen": found.interpreter.executable if found else None,
        "chosen_because": found.because if found else None,
        "error": json_output.error_json(listing.error) if listing.error else None,
        "pythons": [result_json(result) for result in listing.results if not result.reason],
        "passed_over": [
            {**result_json(result), "reason": result.reason} for result in listing.results if result.reason
        ],
    }


def result_json(result: SearchResult) -> dict[str, object]:
    found = result.interpreter
    return {
        "path": found.executable if found else result.path,
        "found_at": result.path,
        "seen_at": result.path,
        "found_by": result.found_by,
        "chosen": result.is_chosen,
        "version": found.version_text if found else result.too_old or None,
        "implementation": found.implementation if found else None,
        "interpreter": json_output.as_json(found),
    }
