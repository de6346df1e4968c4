"""Print the table of `docs/explanation/lifecycle.md`: what tools make of environments that were moved, upgraded, orphaned.

    python -m tests.lifecycle.compare

The tools are taken from PATH, or from the directory `CLOCHE_TEST_TOOLS`; virtualenv-tools3 reads byte-code, and has to run on
Python 3.11 as the environments do. It takes an index, and minutes.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.lifecycle.comparison import CHECKS, DEEDS, MAKERS, compare
from tests.lifecycle.furniture import run, tool, wheelhouse


def main() -> None:
    tools = list(dict.fromkeys(name for deed in DEEDS for name in deed.remedies))
    print(f"| what happened | maker | {' | '.join(tools)} |")
    print(f"|---|---|{'---|' * len(tools)}")
    with tempfile.TemporaryDirectory() as place:
        wheels = wheelhouse(Path(place) / "wheels")
        for number, deed in enumerate(DEEDS):
            makers: dict[tuple[str, ...], list[str]] = {}
            for maker in MAKERS:
                work = Path(place) / f"{number}-{maker.replace(' ', '')}"
                work.mkdir()
                verdicts = {one.tool: one.wrong for one in compare(deed, maker, work, wheels)}
                makers.setdefault(tuple(shown(verdicts.get(name)) for name in tools), []).append(maker)
            for cells, alike in makers.items():
                which = ", ".join(alike) if len(alike) < len(MAKERS) else "any"
                print(f"| {deed.name} | {which} | {' | '.join(cells)} |", flush=True)
    sys.stderr.write(f"checks: {', '.join(CHECKS)}\n")
    sys.stderr.write(f"cloche {version('cloche')}, {run(tool('uv'), '--version').strip()}, ")
    sys.stderr.write(f"{run(tool('virtualenv'), '--version').split(' from ')[0].strip()}\n")


def shown(wrong: tuple[str, ...] | None) -> str:
    """Return a cell of the table: what is wrong, if anything; a tool without a verdict does not claim to do this."""
    if wrong is None:
        return ""
    return ", ".join(wrong) if wrong else "right"


if __name__ == "__main__":
    main()
