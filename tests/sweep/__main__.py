"""Print the table of `docs/explanation/reliability.md`: what killed runs of cloche, virtualenv and uv leave.

    python -m tests.sweep 26

kills each of them at 26 calls spread evenly over a run, on a destination that is absent and on one that is replaced. The
tools are taken from PATH; their caches are warm.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.run import clean_environ
from tests.sweep.scenarios import environment, nothing
from tests.sweep.tool import Scenario, Sweep, evenly

TOOLS = {
    "cloche": ([sys.executable, "-m", "cloche"], ["--clear"], ["env"]),
    "virtualenv": (["virtualenv", "--no-periodic-update"], ["--clear"], ["env"]),
    "uv": (["uv", "venv", "--seed", "-q"], ["--clear"], ["env"]),
}
"""By tool: the command, what makes it replace, and the destination."""


def main(count: int) -> None:
    print("| tool | destination | calls in a run | killed at | broken | left behind |")
    print("|---|---|---|---|---|---|")
    for tool, (command, replacing, destination) in TOOLS.items():
        if not shutil.which(command[0]):
            print(f"| {tool} | not on PATH | | | | |")
            continue
        for name, prepare, argv in (
            ("absent", nothing, destination),
            ("an environment", environment, [*replacing, *destination]),
        ):
            with tempfile.TemporaryDirectory() as work:
                (Path(work) / "home").mkdir()
                environ = clean_environ(Path(work) / "home", Path(work) / "cache")
                sweep = Sweep(Path(work), Scenario(name, prepare, argv, "warm"), command, environ)
                points = sweep.points()
                verdicts = [sweep.inject(point, "KILL") for point in evenly(points, count)]
            states = Counter(verdict.state for verdict in verdicts)
            left = sum(bool(verdict.left) for verdict in verdicts)
            print(f"| {tool} | {name} | {len(points)} | {len(verdicts)} | {states['broken']} | {left} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 26)
