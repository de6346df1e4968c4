"""Print the table of `docs/explanation/reliability.md`: what killed runs of cloche, virtualenv and uv leave.

    python -m tests.sweep 26
    python -m tests.sweep 26 cloche

kills each tool, or the tools that are named, at 26 calls spread evenly over a run. The destination is absent in one series
and replaced in another. The tools are taken from PATH; their caches are warm.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.run import clean_environ
from tests.sweep.injection import Scenario, Sweep, evenly
from tests.sweep.scenarios import create_environment, leave_absent

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOLS = {
    "cloche": ([sys.executable, "-m", "cloche"], ["--clear"], ["./env"]),
    "virtualenv": (["virtualenv", "--no-periodic-update"], ["--clear"], ["env"]),
    "uv": (["uv", "venv", "--seed", "-q"], ["--clear"], ["env"]),
}
"""By tool: the command, the option to replace an environment, and the destination."""


def main(count: int, tools: Sequence[str]) -> None:
    print("| tool | destination | calls in a run | killed at | broken | with a staging directory left |")
    print("| --- | --- | --- | --- | --- | --- |")
    for tool in tools:
        command, replacing, destination = TOOLS[tool]
        if not shutil.which(command[0]):
            print(f"| {tool} | not on PATH | | | | |")
            continue
        for name, prepare, arguments in (
            ("absent", leave_absent, destination),
            ("an environment to replace", create_environment, [*replacing, *destination]),
        ):
            with tempfile.TemporaryDirectory() as work:
                (Path(work) / "home").mkdir()
                environ = clean_environ(Path(work) / "home", Path(work) / "cache")
                sweep = Sweep(Path(work), Scenario(name, prepare, arguments, "warm"), command, environ)
                points = sweep.points()
                verdicts = [sweep.inject(point, "KILL") for point in evenly(points, count)]
            broken = Counter(verdict.state for verdict in verdicts)["broken"]
            leftovers = sum(bool(verdict.leftovers) for verdict in verdicts)
            print(f"| {tool} | {name} | {len(points)} | {len(verdicts)} | {broken} | {leftovers} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 26, sys.argv[2:] or [*TOOLS])
