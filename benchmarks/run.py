"""Measure cloche beside uv, virtualenv and venv in one run, and print medians, ratios and whether the goals are met.

    python benchmarks/run.py                     every row; some minutes
    python benchmarks/run.py seeded cold         only these
    python benchmarks/run.py --growth            also how cost grows with seeds, interpreters, plugins, environments
    python benchmarks/run.py --explain seeded    where the milliseconds go: imports and system calls
    python benchmarks/run.py --publish           also put figures and chart into the documentation

The Python that runs this is the Python of all peers. They are installed for it into a temporary directory, which takes
the network or what pip is configured to use instead; measuring takes none. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from anatomy import explain
from chart import chart
from growth import measure_growth
from peers import CHECKOUT, Peers
from report import doubts, report
from rounds import measure
from rows import ROWS

STATIC = CHECKOUT / "docs" / "_static"
PAGE = CHECKOUT / "docs" / "explanation" / "speed.md"
BEGINNING, END = "<!-- measured by benchmarks/run.py -->\n", "<!-- end -->\n"


def main() -> None:
    arguments = parse()
    if arguments.results:
        results = json.loads(arguments.results.read_text(encoding="utf-8"))
    else:
        with tempfile.TemporaryDirectory(dir=arguments.directory, prefix="cloche-benchmark-") as work:
            peers = Peers(Path(work))
            peers.install()
            if arguments.explain:
                for row in chosen(arguments):
                    print(explain(peers, row))
                return
            results = found(peers, arguments)
    print(report(results), end="")
    for doubt in doubts(results):
        print(f"warning: {doubt}", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(written(results), encoding="utf-8")
    if arguments.chart:
        arguments.chart.write_text(chart(results), encoding="utf-8")
    if arguments.publish:
        publish(results)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], epilog=f"Rows: {', '.join(row.name for row in ROWS)}."
    )
    parser.add_argument("row", nargs="*", help="what to measure, by name; everything if none is given")
    parser.add_argument("--rounds", type=int, default=21, metavar="N", help="how often (default: 21)")
    parser.add_argument("--directory", help="where to work: the speed of its file system counts (default: TMPDIR)")
    parser.add_argument("--growth", action="store_true", help="measure how cost grows, too")
    parser.add_argument("--environments", type=int, default=1000, metavar="N", help="for --growth (default: 1000)")
    parser.add_argument("--explain", action="store_true", help="print where the time goes instead of measuring it")
    parser.add_argument("--results", type=Path, metavar="FILE", help="read this JSON file instead of measuring")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single time into this file")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw this SVG file")
    parser.add_argument("--publish", action="store_true", help="write JSON, chart and tables into the documentation")
    arguments = parser.parse_args()
    if unknown := set(arguments.row) - {row.name for row in ROWS}:
        parser.error(f"there is no row `{min(unknown)}`")
    if sys.version_info < (3, 12) and not arguments.results:
        parser.error("run it with Python 3.12 or later: before, uv and venv lay down more packages than pip")
    if arguments.publish and arguments.row:
        parser.error("--publish takes every row, from one run")
    return arguments


def chosen(arguments: argparse.Namespace) -> list[Any]:
    return [row for row in ROWS if not arguments.row or row.name in arguments.row]


def found(peers: Peers, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything that is asked for and return it as it stands in the JSON file."""
    load = os.getloadavg()[0]
    results = {
        "measured": datetime.now(tz=timezone.utc).date().isoformat(),
        "machine": machine(peers.place),
        "versions": peers.versions(),
        "load": load,
        "seconds": {row.name: measure(peers, row, arguments.rounds) for row in chosen(arguments)},
    }
    if not arguments.row:
        results["disk"] = peers.disk()
    if arguments.growth:
        results["growth"] = measure_growth(peers, arguments.rounds, arguments.environments)
    return results


def machine(place: Path) -> dict[str, Any]:
    """Return what decides on how fast a machine is, as far as it can be known without asking much."""
    processor = platform.processor()
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    shown = subprocess.run(["df", "--output=fstype", place], capture_output=True, text=True, check=False).stdout
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor or platform.machine(),
        "cores": os.cpu_count(),
        "filesystem": (shown.split() or ["an unknown file system"])[-1],
    }


def publish(results: dict[str, Any]) -> None:
    """Put the figures into the documentation; growth that was not measured this time stays as it was."""
    STATIC.mkdir(exist_ok=True)
    data = STATIC / "speed.json"
    if "growth" not in results and data.exists():
        results["growth"] = json.loads(data.read_text(encoding="utf-8")).get("growth")
    data.write_text(written(results), encoding="utf-8")
    (STATIC / "speed.svg").write_text(chart(results), encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGINNING)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGINNING}\n{report(results)}\n{END}{after}", encoding="utf-8")


def written(results: dict[str, Any]) -> str:
    """Return results as JSON, the times of a peer on one line."""
    text = json.dumps(results, indent=1, ensure_ascii=False)
    return re.sub(r"\[([\s\d.e,nul-]+)\]", lambda times: f"[{' '.join(times[1].split())}]", text) + "\n"


if __name__ == "__main__":
    main()
