"""Compare the speed of cloche with uv, virtualenv and venv, and print medians, ratios and whether the goals are met.

    python benchmarks/run.py                     all rows; takes some minutes
    python benchmarks/run.py seeded cold         only these rows
    python benchmarks/run.py --growth            also how the time grows with seeds, interpreters, plugins, environments
    python benchmarks/run.py --locked            only environments from lock files, with --publish also into the documentation
    python benchmarks/run.py --locked pack-zst pack-gz pack-squashfs portable-medium    only these rows of them
    python benchmarks/run.py --lifecycle         only commands for existing environments, in few rounds; the same for --publish
    python benchmarks/run.py --explain seeded    explain the time of a row: imports and system calls
    python benchmarks/run.py --publish           also write the figures and the chart into the documentation

All peers use the Python that runs this script. They are installed for it into a temporary directory, which needs the network or
the index that pip is configured to use; measuring does not. POSIX only.
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

from chart import SHORT_CHART_ROWS, chart
from explain import explain
from growth import measure_growth
from lifecycle import LIFECYCLE_ROWS, measure_lifecycle
from locked import LOCKED_ROWS, measure_locked
from peers import CHECKOUT, Peers
from report import quality_warnings, report
from rounds import measure
from rows import ROWS

STATIC = CHECKOUT / "docs" / "_static"
PAGE = CHECKOUT / "benchmarks" / "README.md"
BEGINNING, END = "<!-- measured by benchmarks/run.py -->\n", "<!-- end -->\n"


def main() -> None:
    arguments = parse_arguments()
    if arguments.results:
        results = json.loads(arguments.results.read_text(encoding="utf-8"))
    else:
        with tempfile.TemporaryDirectory(dir=arguments.directory, prefix="cloche-benchmark-") as work:
            peers = Peers(Path(work))
            peers.install()
            if arguments.explain:
                for row in chosen_rows(arguments):
                    print(explain(peers, row))
                return
            results = measure_all(peers, arguments)
    print(report(results), end="")
    for warning in quality_warnings(results):
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(to_json(results), encoding="utf-8")
    if arguments.chart:
        arguments.chart.write_text(chart(results), encoding="utf-8")
    if arguments.publish:
        publish(results)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], epilog=f"Rows: {', '.join(row.name for row in ROWS)}."
    )
    parser.add_argument("row", nargs="*", help="the rows to measure (default: all)")
    parser.add_argument("--rounds", type=int, default=21, metavar="N", help="the number of rounds (default: 21)")
    parser.add_argument("--directory", help="the working directory, whose file system is measured (default: TMPDIR)")
    parser.add_argument("--growth", action="store_true", help="also measure how the time grows")
    parser.add_argument(
        "--environments",
        type=int,
        default=1000,
        metavar="N",
        help="the number of environments for --growth (default: 1000)",
    )
    parser.add_argument(
        "--locked", action="store_true", help="measure environments from lock files instead of the rows"
    )
    parser.add_argument(
        "--lifecycle", action="store_true", help="measure commands for existing environments instead of the rows"
    )
    parser.add_argument("--explain", action="store_true", help="print imports and system calls instead of measuring")
    parser.add_argument("--results", type=Path, metavar="FILE", help="read this JSON file instead of measuring")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to this file")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="write the chart to this SVG file")
    parser.add_argument("--publish", action="store_true", help="write results, chart and tables into the documentation")
    arguments = parser.parse_args()
    rows = LOCKED_ROWS if arguments.locked else LIFECYCLE_ROWS if arguments.lifecycle else ROWS
    if unknown := set(arguments.row) - {row.name for row in rows}:
        parser.error(f"unknown row `{min(unknown)}`")
    if sys.version_info < (3, 12) and not arguments.results:
        parser.error("Python 3.12 or later is required: for earlier versions, uv and venv seed more than pip")
    if arguments.publish and arguments.row:
        parser.error("--publish needs all rows of one run")
    return arguments


def chosen_rows(arguments: argparse.Namespace) -> list[Any]:
    return [row for row in ROWS if not arguments.row or row.name in arguments.row]


def measure_all(peers: Peers, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the requested rows and return the content of the JSON file."""
    load = os.getloadavg()[0]
    results: dict[str, Any] = {
        "measured": datetime.now(tz=timezone.utc).date().isoformat(),
        "machine": describe_machine(peers.directory),
        "versions": peers.versions(),
        "load": load,
    }
    if arguments.locked:
        return {"locked": {**results, **measure_locked(peers, arguments.rounds, arguments.row)}}
    if arguments.lifecycle:
        return {"lifecycle": {**results, **measure_lifecycle(peers, arguments.rounds, arguments.row)}}
    results["seconds"] = {row.name: measure(peers, row, arguments.rounds) for row in chosen_rows(arguments)}
    if not arguments.row:
        results["disk"] = peers.disk()
    if arguments.growth:
        results["growth"] = measure_growth(peers, arguments.rounds, arguments.environments)
    return results


def describe_machine(directory: Path) -> dict[str, Any]:
    """Return the properties of the machine that influence its speed, and the file system of a directory."""
    processor = platform.processor()
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    output = subprocess.run(["df", "--output=fstype", directory], capture_output=True, text=True, check=False).stdout
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor or platform.machine(),
        "cores": os.cpu_count(),
        "filesystem": (output.split() or ["an unknown file system"])[-1],
    }


def publish(results: dict[str, Any]) -> None:
    """Write the results into the documentation; what was not measured this time is kept."""
    STATIC.mkdir(exist_ok=True)
    data = STATIC / "speed.json"
    if data.exists():
        results = {**json.loads(data.read_text(encoding="utf-8")), **results}
    data.write_text(to_json(results), encoding="utf-8")
    (STATIC / "speed.svg").write_text(chart(results), encoding="utf-8")
    (STATIC / "speed-short.svg").write_text(chart(results, SHORT_CHART_ROWS), encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGINNING)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGINNING}\n{report(results)}\n{END}{after}", encoding="utf-8")


def to_json(results: dict[str, Any]) -> str:
    """Return the results as JSON, with the times of each peer on one line."""
    text = json.dumps(results, indent=1, ensure_ascii=False)
    return re.sub(r"\[([\s\d.e,nul-]+)\]", lambda times: f"[{' '.join(times[1].split())}]", text) + "\n"


if __name__ == "__main__":
    main()
