"""Explain the time of a row: the modules that cloche imports, and the system calls that each peer makes.

The tools that report this slow the commands down, so their figures show proportions. The real times are in the report.
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

MIN_IMPORT_TIME = 300
"""Microseconds; faster imports are not listed."""
MAX_SYSTEM_CALLS = 16
"""The number of system calls that are listed."""


class Import(NamedTuple):
    """One line of `-X importtime`."""

    own: int
    """Microseconds, without the modules that it imports."""
    total: int
    """Microseconds, with the modules that it imports."""
    depth: int
    name: str


def explain(peers: Peers, row: Row) -> str:
    """Return the imports and system calls of a row's commands as text."""
    cloche = next(command for command in row.commands if command.peer == "cloche")
    count = f" ({cloche.environments} environments, after one that is not counted)" if cloche.environments > 1 else ""
    parts = [f"# {row.title}{count}\n", *import_lines(peers, cloche, cold=row.cold)]
    if shutil.which("strace"):
        counts = {
            command.peer: count_system_calls(peers, command, cold=row.cold)
            for command in (*row.commands, BARE)
            if command.every == 1
        }
        parts += ["", *system_call_lines(counts)]
    else:
        parts.append("\nsystem calls are not counted: `strace` is not installed")
    return "\n".join(parts) + "\n"


def import_lines(peers: Peers, command: Command, *, cold: bool) -> Iterator[str]:
    """Yield the tree of imports of every Python process that a command starts; fast imports are left out."""
    imports = trace_imports(peers, command, cold=cold)
    total = sum(module.own for module in imports)
    cloche = sum(module.own for module in imports if module.name.split(".")[0] == "cloche")
    yield f"imports: {len(imports)} modules, {total / 1000:.1f} ms, of which cloche itself {cloche / 1000:.1f} ms"
    yield " total    own  ms"
    for module in parents_first(imports):
        if module.total >= MIN_IMPORT_TIME:
            yield f"{module.total / 1000:6.1f} {module.own / 1000:6.1f}  {'  ' * module.depth}{module.name}"


def parents_first(imports: list[Import]) -> Iterator[Import]:
    """Yield every module before the modules that it imports; top-level modules keep their order."""
    tree: list[Import] = []
    for module in imports:
        tree.append(module)
        if module.depth == 0:
            yield from reversed(tree)
            tree.clear()


def trace_imports(peers: Peers, command: Command, *, cold: bool) -> list[Import]:
    """Return the imports of a command in the order in which they finish: a module follows the modules it imports."""
    traced = command._replace(environ=(*command.environ, ("PYTHONPROFILEIMPORTTIME", "1")))
    peers.run(traced)  # a cached plan depends on this variable
    peers.next_turn()
    done = subprocess.run(
        peers.fill_slots(traced.words),
        env={**peers.environ(cold=cold), **dict(traced.environ)},
        cwd=peers.directory,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = re.findall(r"^import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)$", done.stderr, re.MULTILINE)
    return [Import(int(own), int(total), len(indent) // 2, name) for own, total, indent, name in lines]


def count_system_calls(peers: Peers, command: Command, *, cold: bool) -> dict[str, int]:
    """Return how often a command and its child processes make each system call."""
    peers.run(command, cold=cold)
    peers.next_turn()
    counts = peers.work / "calls"
    environ = {**peers.environ(cold=cold), **dict(command.environ)}
    peers.capture(["strace", "-f", "-c", "-U", "calls,name", "-o", str(counts), *command.words], environ)
    rows = re.findall(r"^\s*(\d+) (\S+)$", counts.read_text(), re.MULTILINE)
    return {name: int(number) for number, name in rows if name != "total"}


def system_call_lines(counts: dict[str, dict[str, int]]) -> Iterator[str]:
    """Yield a table of system calls by peer: those that cloche or uv, the fastest peer, makes most often."""
    compared = [counts[peer] for peer in ("cloche", "uv") if peer in counts]
    most = {name: max(calls.get(name, 0) for calls in compared) for calls in compared for name in calls}
    yield f"{'system calls':20}" + "".join(f"{peer:>12}" for peer in counts)
    yield f"{'all':20}" + "".join(f"{sum(calls.values()):12}" for calls in counts.values())
    for name in sorted(most, key=lambda name: -most[name])[:MAX_SYSTEM_CALLS]:
        yield f"{name:20}" + "".join(f"{calls.get(name, 0):12}" for calls in counts.values())
