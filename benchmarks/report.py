"""The report: the results of a run as Markdown, built from the content of the JSON file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from growth import SERIES
from lifecycle import LIFECYCLE_ROWS
from locked import LOCKED_ROWS
from rounds import compare, spread, verdict
from rows import ROWS, Goal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rounds import Spread, Times
    from rows import Row

EN_DASH = "\u2013"

MAX_IDLE_LOAD = 0.75
"""The highest load average of a machine that counts as idle."""

DISK_GOAL = 150
"""The most kilobytes that a seeded environment should use."""


def report(results: dict[str, Any]) -> str:
    """Return the whole report."""
    parts = [conditions(results)] if "machine" in results else []
    if results.get("seconds"):
        parts.append(comparison(results["seconds"]))
    if results.get("disk"):
        parts.append(disk(results["disk"]))
    if results.get("growth"):
        parts.append(growth(results["growth"]))
    if results.get("locked"):
        parts.append(locked(results["locked"]))
    if results.get("lifecycle"):
        parts.append(lifecycle(results["lifecycle"]))
    return "\n\n".join(parts) + "\n"


def conditions(results: dict[str, Any]) -> str:
    """Return a sentence about date, machine and versions."""
    machine, versions = results["machine"], results["versions"]
    peers = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Measured on {results['measured']}: {machine['python']} on {machine['system']}, {machine['cores']} cores "
        f"({machine['processor']}), {machine['filesystem']}; {peers}."
    )


def lifecycle(results: dict[str, Any]) -> str:
    """Return the table of commands for existing environments, which may have been measured at another time."""
    sizes = ", ".join(f"the {name} set has {number} packages" for name, number in results["packages"].items())
    return (
        f"Existing environments, compared with the time that uv takes to make the same environment from its cache; {sizes}. "
        f"`upgrade` starts with CPython {results['older']}, and pip has cached the wheels that it needs. "
        f"{conditions(results)}{load_of(results)}\n\n{comparison(results['seconds'], LIFECYCLE_ROWS)}"
    )


def load_of(results: dict[str, Any]) -> str:
    """Return a sentence about the load of the machine; empty if it was idle."""
    return f" The load average of the machine was {results['load']:.1f}." if results["load"] > MAX_IDLE_LOAD else ""


def locked(results: dict[str, Any]) -> str:
    """Return the tables of environments from lock files, which may have been measured at another time."""
    sizes = ", ".join(f"the {name} set has {number} packages" for name, number in results["packages"].items())
    parts = [
        f"Environments from a lock file; {sizes}. {conditions(results)}{load_of(results)}",
        comparison(results["seconds"], LOCKED_ROWS),
    ]
    return "\n\n".join([*parts, many(results["hundred"])] if "hundred" in results else parts)


def many(hundred: dict[str, Any]) -> str:
    """Return the table of many environments from one lock."""
    count = len(hundred["seconds"])
    early, late = (spread(part) for part in (hundred["seconds"][1:11], hundred["seconds"][-10:]))
    share = hundred["others"] / hundred["first"] * 100
    cells = [f"{share:.2f} %", f"{format_milliseconds(early)}", f"{format_milliseconds(late)}"]
    header = [
        f"{count} environments from one lock",
        "file bytes of each, of the first's",
        "2nd to 11th, ms",
        "last ten, ms",
    ]
    return table(header, [["`cloche DEST --lock …`", *cells]])


def comparison(seconds: dict[str, Times], rows: Iterable[Row] = ROWS) -> str:
    """Return the table of the peers: median milliseconds, ratio and goal."""
    lines = ["| | | milliseconds | cloche / peer | goal | |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for row in rows:
        if row.name in seconds:
            lines += rows_of(row, seconds[row.name])
    return "\n".join(lines)


def rows_of(row: Row, times: Times) -> Iterator[str]:
    """Yield a line for each peer; a goal with several peers is shown with the fastest."""
    goals = {}
    for goal in row.goals:
        peer, ratio = compare(times, goal)
        goals[peer] = (goal, ratio)
    for index, peer in enumerate(times):
        title = "" if index else row.title
        cells = [title, peer, format_milliseconds(spread(times[peer]))]
        if peer in goals:
            goal, ratio = goals[peer]
            cells += [format_ratio(ratio), f"≤\u00a0{goal.limit:g}", verdict(goal, ratio)]
        elif peer != "cloche":
            cells += [format_ratio(compare(times, Goal(0, (peer,)))[1]), "", ""]
        else:
            cells += ["", "", ""]
        yield line(cells)


def format_milliseconds(seconds: Spread) -> str:
    """Return a median and its quartiles in milliseconds."""
    digits = 1 if seconds.median < 0.0995 else 0
    low, median, high = (f"{figure * 1000:,.{digits}f}".replace(",", "\u202f") for figure in seconds)
    return f"{median} ({low}{EN_DASH}{high})"


def format_ratio(ratio: Spread) -> str:
    """Return the median of a ratio and its quartiles."""
    digits = 2 if ratio.median >= 0.1 else 3
    low, median, high = (f"{figure:.{digits}f}" for figure in ratio)
    return f"{median} ({low}{EN_DASH}{high})"


def disk(usage: dict[str, dict[str, int]]) -> str:
    """Return the table of the disk usage of a seeded environment."""
    lines = [
        "| disk usage with pip, everything cached | kB without shared files | directories | goal | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for peer, own in usage.items():
        kilobytes = own["files"] / 1000
        goal = [f"≤\u00a0{DISK_GOAL}", "met" if kilobytes <= DISK_GOAL else "missed"] if peer == "cloche" else ["", ""]
        lines.append(line([peer, f"{kilobytes:,.0f}".replace(",", "\u202f"), str(own["directories"]), *goal]))
    return "\n".join(lines)


def growth(results: dict[str, Any]) -> str:
    """Return a table for each series, and one for the environments of one process."""
    tables = []
    for series in SERIES:
        if series.name in results["seconds"]:
            times = results["seconds"][series.name]
            header = [series.title, *times]
            medians = [series.label, *(format_milliseconds(spread(times[name])) for name in times)]
            tables.append(table(header, [medians]))
    if parts := results.get("environments"):
        shown = [parts[index] for index in sorted({0, len(parts) // 4, len(parts) // 2, len(parts) - 1})]
        header = ["environments in one process", *(f"{part['first']}{EN_DASH}{part['last']}" for part in shown)]
        medians = ["milliseconds each", *(f"{part['seconds'] * 1000:.1f}" for part in shown)]
        memory = ["memory of the process, MB", *(f"{part['memory'] / 1e6:.1f}" for part in shown)]
        tables.append(table(header, [medians, memory]))
    return "\n\n".join(tables)


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    rule = "| --- |" + " ---: |" * (len(header) - 1)
    return "\n".join([line(header), rule, *map(line, rows)])


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def quality_warnings(results: dict[str, Any]) -> Iterator[str]:
    """Yield reasons to distrust the figures."""
    if results.get("load", 0) > MAX_IDLE_LOAD:
        yield f"the machine was busy (load {results['load']:.1f} at the start): measure again when it is idle"
    for name, times in results.get("seconds", {}).items():
        for peer in times:
            seconds = spread(times[peer])
            if seconds.high - seconds.low > 0.35 * seconds.median:
                yield f"{name}: the times of {peer} vary widely: {format_milliseconds(seconds)} ms"
