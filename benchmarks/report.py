"""What a run found, as Markdown: from the results alone, as they are in the JSON file, and without measuring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from growth import SERIES
from rounds import judge, spread, verdict
from rows import ROWS, Goal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rounds import Spread, Times
    from rows import Row

TO = "\u2013"
"""Between the ends of a range."""

IDLE = 0.75
"""The load of a machine that has as good as nothing to do."""

DISK = 150
"""The most kilobytes that a seeded environment may take for itself."""


def report(results: dict[str, Any]) -> str:
    """Return everything that was found."""
    parts = [machine(results)]
    if results.get("seconds"):
        parts.append(comparison(results["seconds"]))
    if results.get("disk"):
        parts.append(disk(results["disk"]))
    if results.get("growth"):
        parts.append(growth(results["growth"]))
    return "\n\n".join(parts) + "\n"


def machine(results: dict[str, Any]) -> str:
    """Return where, when and with what was measured, in a sentence."""
    found, versions = results["machine"], results["versions"]
    peers = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Measured on {results['measured']}: {found['python']} on {found['system']}, {found['cores']} cores "
        f"({found['processor']}), {found['filesystem']}; {peers}."
    )


def comparison(seconds: dict[str, Times]) -> str:
    """Return the table of peers: median milliseconds, how much of it cloche takes, and the goal."""
    lines = ["| | | milliseconds | cloche / peer | goal | |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for row in ROWS:
        if row.name in seconds:
            lines += rows_of(row, seconds[row.name])
    return "\n".join(lines)


def rows_of(row: Row, times: Times) -> Iterator[str]:
    """Yield a line for each peer; a goal about the best of several stands with the one that is."""
    judged = {}
    for goal in row.goals:
        peer, found = judge(times, goal)
        judged[peer] = (goal, found)
    for place, peer in enumerate(times):
        title = "" if place else row.title
        cells = [title, peer, milliseconds(spread(times[peer]))]
        if peer in judged:
            goal, found = judged[peer]
            cells += [figures(found), f"≤\u00a0{goal.most:g}", verdict(goal, found)]
        elif peer != "cloche":
            cells += [figures(judge(times, Goal(0, (peer,)))[1]), "", ""]
        else:
            cells += ["", "", ""]
        yield line(cells)


def milliseconds(found: Spread) -> str:
    """Return a median with its quartiles, seconds shown as milliseconds."""
    digits = 1 if found.median < 0.0995 else 0
    low, median, high = (f"{one * 1000:,.{digits}f}".replace(",", "\u202f") for one in found)
    return f"{median} ({low}{TO}{high})"


def figures(found: Spread) -> str:
    """Return a ratio with its quartiles."""
    digits = 2 if found.median >= 0.1 else 3
    low, median, high = (f"{one:.{digits}f}" for one in found)
    return f"{median} ({low}{TO}{high})"


def disk(taken: dict[str, dict[str, int]]) -> str:
    """Return what a seeded environment takes on the disk."""
    lines = [
        "| a warm environment with pip | kB of its own | directories | goal | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for peer, own in taken.items():
        kilobytes = own["files"] / 1000
        goal = [f"≤\u00a0{DISK}", "met" if kilobytes <= DISK else "missed"] if peer == "cloche" else ["", ""]
        lines.append(line([peer, f"{kilobytes:,.0f}".replace(",", "\u202f"), str(own["directories"]), *goal]))
    return "\n".join(lines)


def growth(found: dict[str, Any]) -> str:
    """Return a table for each thing that there may be more of."""
    tables = []
    for series in SERIES:
        if series.name in found["seconds"]:
            times = found["seconds"][series.name]
            header = [series.title, *times]
            medians = [series.what, *(milliseconds(spread(times[name])) for name in times)]
            tables.append(table(header, [medians]))
    if made := found.get("environments"):
        shown = [made[place] for place in sorted({0, len(made) // 4, len(made) // 2, len(made) - 1})]
        header = ["environments made in one process", *(f"{one['first']}{TO}{one['last']}" for one in shown)]
        medians = ["milliseconds each", *(f"{one['seconds'] * 1000:.1f}" for one in shown)]
        memory = ["memory of the process, MB", *(f"{one['memory'] / 1e6:.1f}" for one in shown)]
        tables.append(table(header, [medians, memory]))
    return "\n\n".join(tables)


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    rule = "| --- |" + " ---: |" * (len(header) - 1)
    return "\n".join([line(header), rule, *map(line, rows)])


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def doubts(results: dict[str, Any]) -> Iterator[str]:
    """Yield what speaks against believing the figures."""
    if results["load"] > IDLE:
        yield f"the machine had other work (load {results['load']:.1f} at the beginning): measure again when it has none"
    for name, times in results.get("seconds", {}).items():
        for peer in times:
            found = spread(times[peer])
            if found.high - found.low > 0.35 * found.median:
                yield f"{name}: half of the times of {peer} are as far apart as {milliseconds(found)} ms"
