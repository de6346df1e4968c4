"""Where the time of a row goes: what is imported, and which system calls are made, beside the other peers.

The tools that tell this slow down what they look at, so their figures show proportions; the times are in the report.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from rows import BARE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peers import Peers
    from rows import Command, Row

LEAST = 300
"""Microseconds below which an import is not worth a line."""
MOST = 16
"""System calls that get a line."""


class Import(NamedTuple):
    """One line of `-X importtime`."""

    own: int
    """Microseconds, without what it imports."""
    whole: int
    """Microseconds, with that."""
    depth: int
    name: str


def explain(peers: Peers, row: Row) -> str:
    """Return what can be told about a row."""
    ours = next(one for one in row.commands if one.peer == "cloche")
    made = f" ({ours.makes} environments, and one before them)" if ours.makes > 1 else ""
    parts = [f"# {row.title}{made}\n", *imports(peers, ours, cold=row.cold)]
    if shutil.which("strace"):
        compared = {one.peer: calls(peers, one, cold=row.cold) for one in (*row.commands, BARE) if one.every == 1}
        parts += ["", *system_calls(compared)]
    else:
        parts.append("\nthe system calls are not counted: there is no `strace`")
    return "\n".join(parts) + "\n"


def imports(peers: Peers, one: Command, *, cold: bool) -> Iterator[str]:
    """Yield the tree of imports of all Pythons that a command starts, without what costs next to nothing."""
    found = imported(peers, one, cold=cold)
    own = sum(each.own for each in found)
    ours = sum(each.own for each in found if each.name.split(".")[0] == "cloche")
    yield f"imports: {len(found)} modules, {own / 1000:.1f} ms, of which cloche itself {ours / 1000:.1f} ms"
    yield "  with  alone  ms"
    for each in outside_in(found):
        if each.whole >= LEAST:
            yield f"{each.whole / 1000:6.1f} {each.own / 1000:6.1f}  {'  ' * each.depth}{each.name}"


def outside_in(found: list[Import]) -> Iterator[Import]:
    """Yield every import before those that it leads to, and what stands alone in the order in which it was done."""
    tree: list[Import] = []
    for each in found:
        tree.append(each)
        if each.depth == 0:
            yield from reversed(tree)
            tree.clear()


def imported(peers: Peers, one: Command, *, cold: bool) -> list[Import]:
    """Return what is imported, in the order in which it was done: a module after what it imports."""
    traced = one._replace(environ=(*one.environ, ("PYTHONPROFILEIMPORTTIME", "1")))
    peers.run(traced)  # the variable is one of those that a remembered plan depends on
    peers.next_turn()
    done = subprocess.run(
        peers.words(traced.words),
        env={**peers.environ(cold=cold), **dict(traced.environ)},
        cwd=peers.place,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = re.findall(r"^import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)$", done.stderr, re.MULTILINE)
    return [Import(int(own), int(whole), len(indent) // 2, name) for own, whole, indent, name in lines]


def calls(peers: Peers, one: Command, *, cold: bool) -> dict[str, int]:
    """Return how often a command makes each system call, its child processes included."""
    peers.run(one, cold=cold)
    peers.next_turn()
    counts = peers.work / "calls"
    environ = {**peers.environ(cold=cold), **dict(one.environ)}
    peers.capture(["strace", "-f", "-c", "-U", "calls,name", "-o", str(counts), *one.words], environ)
    found = re.findall(r"^\s*(\d+) (\S+)$", counts.read_text(), re.MULTILINE)
    return {name: int(number) for number, name in found if name != "total"}


def system_calls(compared: dict[str, dict[str, int]]) -> Iterator[str]:
    """Yield a table of the calls that cloche or the fastest peer makes most: a system may have several for one purpose."""
    first = [compared[peer] for peer in ("cloche", "uv") if peer in compared]
    most = {name: max(counts.get(name, 0) for counts in first) for counts in first for name in counts}
    yield f"{'system calls':20}" + "".join(f"{peer:>12}" for peer in compared)
    yield f"{'all':20}" + "".join(f"{sum(counts.values()):12}" for counts in compared.values())
    for name in sorted(most, key=lambda name: -most[name])[:MOST]:
        yield f"{name:20}" + "".join(f"{counts.get(name, 0):12}" for counts in compared.values())
