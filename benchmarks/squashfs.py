"""Compare importing ten packages from a directory with importing them from a squashfs file, cold and warm.

    python benchmarks/squashfs.py              print the table
    python benchmarks/squashfs.py --publish    also write it into README.md

Linux only, as root: it mounts file systems, and drops the page cache of the kernel before each cold import. It needs the
programs `mksquashfs`, `squashfuse` and `fusermount3`, and for the packages the index that pip is configured to use. cloche
must be installed for the Python that runs this.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter

from peers import CHECKOUT
from report import format_milliseconds, table
from rounds import spread
from run import describe_machine

PACKAGES = "numpy pandas requests pydantic rich jinja2 attrs pyyaml sqlalchemy cryptography".split()
PROGRAM = "import numpy, pandas, requests, pydantic, rich, jinja2, attrs, yaml, sqlalchemy, cryptography.x509"
PAGE = CHECKOUT / "benchmarks" / "README.md"
BEGINNING, END = "<!-- measured by benchmarks/squashfs.py -->\n", "<!-- end -->\n"
MOUNTS = {
    "a directory": (),
    "a mounted squashfs file": ("mount", "-o", "loop,ro"),
    "a squashfs file, mounted by `squashfuse`": ("squashfuse",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="the number of rounds (default: 7)")
    parser.add_argument("--realtime", action="store_true", help="measure with real-time priority, on a busy machine")
    parser.add_argument("--publish", action="store_true", help="write the table into README.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cloche-benchmark-") as work:
        text = measure_imports(Path(work), arguments.rounds, realtime=arguments.realtime)
    print(text, end="")
    if arguments.publish:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGINNING)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGINNING}\n{text}\n{END}{after}", encoding="utf-8")


def measure_imports(work: Path, rounds: int, *, realtime: bool) -> str:
    """Return the report. Every round measures each place once, so that a busy moment does not hit only one of them."""
    cloche = [sys.executable, "-m", "cloche"]
    run(*cloche, work / "env", "--creator", "portable", "-p", sys.executable)
    run(work / "env/bin/python", "-m", "pip", "install", "--quiet", "--quiet", *PACKAGES)
    run(*cloche, "pack", work / "env", "-o", work / "env.squashfs")
    run(*cloche, "pack", work / "env", "-o", work / "directory", "--format", "dir")
    machine = describe_machine(work)
    load = f"load average {os.getloadavg()[0]:.1f}"
    if realtime:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
        load += ", with real-time priority"
    seconds: dict[str, dict[str, list[float]]] = {name: {"cold": [], "warm": []} for name in MOUNTS}
    for _ in range(rounds):
        for name, mount in MOUNTS.items():
            place = work / "mounted" if mount else work / "directory"
            if mount:
                place.mkdir(exist_ok=True)
                run(*mount, work / "env.squashfs", place)
            try:
                run("sync")
                Path("/proc/sys/vm/drop_caches").write_text("3")
                for state in ("cold", "warm"):
                    started = perf_counter()
                    run(place / "bin/python", "-c", PROGRAM)
                    seconds[name][state].append(perf_counter() - started)
            finally:
                if mount:
                    run("umount", place)
    rows = [[name, *(format_milliseconds(spread(times[state])) for state in times)] for name, times in seconds.items()]
    files = sum(len(names) for _, _, names in os.walk(work / "directory"))
    size = sum(path.lstat().st_size for path in (work / "directory").rglob("*")) / 1e6
    packed = (work / "env.squashfs").stat().st_size / 1e6
    return (
        f"Importing ten packages ({', '.join(PACKAGES)}), in milliseconds: the median, and in brackets the middle half of "
        f"{rounds} rounds. The environment has {files} files of {size:.0f} MB; the squashfs file has {packed:.0f} MB. "
        f"Measured on {datetime.now(tz=timezone.utc).date()} on a local disk: {machine['python']} on {machine['system']}, "
        f"{machine['cores']} cores ({machine['processor']}), {machine['filesystem']}, {load}.\n\n"
        + table(["from", "nothing in the page cache", "everything in the page cache"], rows)
        + "\n"
    )


def run(*words: object) -> None:
    subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL, cwd="/")


if __name__ == "__main__":
    main()
