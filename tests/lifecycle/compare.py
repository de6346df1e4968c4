"""Print the table of `docs/explanation/lifecycle.md`, which compares how tools move, repair and upgrade environments.

    python -m tests.lifecycle.compare

The tools are searched for in the directory `CLOCHE_TEST_TOOLS`, then on PATH. virtualenv-tools3 has to run on Python 3.11,
like the environments, because it reads their bytecode. The comparison needs a package index and takes minutes.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.lifecycle.comparison import CHECKS, CREATE_WITH_PIP, EVENTS, compare_tools
from tests.lifecycle.environments import find_tool, make_wheelhouse, run


def main() -> None:
    tools = list(dict.fromkeys(tool for event in EVENTS for tool in event.commands))
    print(f"| what happened | created by | {' | '.join(tools)} |")
    print(f"|---|---|{'---|' * len(tools)}")
    with tempfile.TemporaryDirectory() as directory:
        wheels = make_wheelhouse(Path(directory) / "wheels")
        for number, event in enumerate(EVENTS):
            creators_by_cells: dict[tuple[str, ...], list[str]] = {}
            for creator in CREATE_WITH_PIP:
                work = Path(directory) / f"{number}-{creator.replace(' ', '')}"
                work.mkdir()
                failed = {verdict.tool: verdict.failed for verdict in compare_tools(event, creator, work, wheels)}
                cells = tuple(cell_text(failed.get(tool)) for tool in tools)
                creators_by_cells.setdefault(cells, []).append(creator)
            for cells, creators in creators_by_cells.items():
                created_by = ", ".join(creators) if len(creators) < len(CREATE_WITH_PIP) else "any"
                print(f"| {event.name} | {created_by} | {' | '.join(cells)} |", flush=True)
    sys.stderr.write(f"checks: {', '.join(CHECKS)}\n")
    sys.stderr.write(f"cloche {version('cloche')}, {run(find_tool('uv'), '--version').strip()}, ")
    sys.stderr.write(f"{run(find_tool('virtualenv'), '--version').split(' from ')[0].strip()}\n")


def cell_text(failed: tuple[str, ...] | None) -> str:
    """Return a cell of the table: the failed checks, `correct` if all pass, or nothing if the tool was not tried."""
    if failed is None:
        return ""
    return ", ".join(failed) if failed else "correct"


if __name__ == "__main__":
    main()
