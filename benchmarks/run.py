"""Measure cloche beside virtualenv, uv and venv in one run, and print medians and ratios.

    python benchmarks/run.py                      every row; some minutes
    python benchmarks/run.py seeded unseeded      only these
    python benchmarks/run.py --svg docs/_static/speed.svg

The peers run in turn, round after round, in one directory, so that a machine whose speed drifts slows all of them alike; a
ratio is the median of the rounds' ratios. Everything runs in an environment that this script makes for the Python that
runs it, with a home and caches of its own; making it takes the network, measuring does not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent


class Row(NamedTuple):
    """One situation in which the peers are compared."""

    name: str
    title: str
    commands: dict[str, list[str]]
    """By peer: the command, a shell line if it is one string; `{env}` is the destination, `{bin}` the peers' directory."""
    goals: dict[str, float]
    """By peer: the greatest ratio of cloche's time to it that is wanted."""
    cold: bool = False
    """Whether every run starts without caches."""


FIRST_PIP = "{env}/bin/python -m pip --version"
UV = "{bin}/uv venv -q --offline -p {bin}/python"
LOOP = (
    "import sys, shutil, time, cloche\n"
    "times = []\n"
    "for number in range(60):\n"
    "    started = time.perf_counter()\n"
    "    cloche.create(sys.argv[1])\n"
    "    times.append(time.perf_counter() - started)\n"
    "    shutil.rmtree(sys.argv[1])\n"
    "print(sorted(times)[30])\n"
)


def rows() -> list[Row]:
    return [
        Row(
            "seeded",
            "with pip, warm",
            {
                "cloche": ["{bin}/cloche", "{env}"],
                "uv": [*UV.split(), "--seed", "{env}"],
                "virtualenv": ["{bin}/virtualenv", "{env}"],
                "venv": ["{bin}/python", "-m", "venv", "{env}"],
            },
            {"uv": 1.0, "virtualenv": 0.15, "venv": 0.02},
        ),
        Row(
            "unseeded",
            "without pip, warm",
            {
                "cloche": ["{bin}/cloche", "--no-seed", "{env}"],
                "venv": ["{bin}/python", "-m", "venv", "--without-pip", "{env}"],
                "uv": [*UV.split(), "{env}"],
                "virtualenv": ["{bin}/virtualenv", "--no-seed", "{env}"],
            },
            {"venv": 0.6},
        ),
        Row(
            "first-pip",
            "with pip, warm, and the first `pip --version`",
            {
                "cloche": ["sh", "-c", "{bin}/cloche {env} && " + FIRST_PIP],
                "uv": ["sh", "-c", UV + " --seed {env} && " + FIRST_PIP],
                "virtualenv": ["sh", "-c", "{bin}/virtualenv {env} && " + FIRST_PIP],
                "venv": ["sh", "-c", "{bin}/python -m venv {env} && " + FIRST_PIP],
            },
            {"uv": 0.5},
        ),
        Row(
            "cold",
            "with pip, nothing cached",
            {
                "cloche": ["{bin}/cloche", "{env}"],
                "virtualenv": ["{bin}/virtualenv", "--no-periodic-update", "{env}"],
            },
            {"virtualenv": 1.0},
            cold=True,
        ),
        Row(
            "cold-first-pip",
            "with pip, nothing cached, and the first `pip --version`",
            {
                "cloche": ["sh", "-c", "{bin}/cloche {env} && " + FIRST_PIP],
                "virtualenv": ["sh", "-c", "{bin}/virtualenv --no-periodic-update {env} && " + FIRST_PIP],
            },
            {"virtualenv": 1.0},
            cold=True,
        ),
        Row(
            "version",
            "`--version`",
            {
                "cloche": ["{bin}/cloche", "--version"],
                "python": ["{bin}/python", "-c", "pass"],
                "uv": ["{bin}/uv", "--version"],
                "virtualenv": ["{bin}/virtualenv", "--version"],
            },
            {"python": 1.5},
        ),
        Row(
            "help",
            "`--help`",
            {
                "cloche": ["{bin}/cloche", "--help"],
                "python": ["{bin}/python", "-c", "pass"],
                "virtualenv": ["{bin}/virtualenv", "--help"],
            },
            {"python": 3.0},
        ),
    ]


class Bench:
    """The peers in an environment of their own, and a directory in which all of them work."""

    def __init__(self, work: Path, rounds: int) -> None:
        self.work = work
        self.rounds = rounds
        self.peers = work / "peers"
        self.place = work / "place"
        self.place.mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL", "CLOCHE", "XDG", "UV_"))}
        self.environ = {**kept, "HOME": str(work / "home"), "PATH": f"{self.peers / 'bin'}:{os.environ['PATH']}"}
        (work / "home").mkdir()

    def prepare(self) -> None:
        """Install the peers, and let each make one environment, so that its caches are warm."""
        subprocess.run([sys.executable, "-m", "venv", self.peers], check=True, env=self.environ)
        pip = [self.peers / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        environ = {**os.environ}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run([*pip, "-U", "pip"], check=True, env=environ)
        subprocess.run([*pip, CHECKOUT, "virtualenv", "uv"], check=True, env=environ)
        self.run(["{bin}/uv", "venv", "-q", "--seed", "-p", "{bin}/python", "{env}"], self.environ)
        for row in rows():
            if not row.cold:
                for command in row.commands.values():
                    self.run(command, self.environ)

    def run(self, command: list[str], environ: dict[str, str]) -> float:
        """Run one command on a destination that is absent and return its wall time in seconds."""
        env = self.place / "env"
        shutil.rmtree(env, ignore_errors=True)
        words = [word.replace("{env}", str(env)).replace("{bin}", str(self.peers / "bin")) for word in command]
        started = time.perf_counter()
        done = subprocess.run(
            words, env=environ, cwd=self.place, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} failed: {done.stderr}")
        return seconds

    def measure(self, row: Row) -> dict[str, list[float]]:
        """Return the seconds of every round by peer, the peers in turn."""
        seconds: dict[str, list[float]] = {peer: [] for peer in row.commands}
        rounds = self.rounds if "venv" not in row.commands or row.name == "unseeded" else max(3, self.rounds // 3)
        for number in range(rounds + 1):
            for peer, command in row.commands.items():
                environ = self.environ
                if row.cold:
                    shutil.rmtree(self.work / "cold", ignore_errors=True)
                    environ = {**environ, "HOME": str(self.work / "cold")}
                taken = self.run(command, environ)
                if number:  # the first round warms the machine's own caches
                    seconds[peer].append(taken)
        return seconds

    def loop(self) -> tuple[list[float], list[float]]:
        """Return seconds of `cloche.create()` in a process that goes on, and of a `uv venv --seed` process, in turn."""
        inside, outside = [], []
        for _ in range(max(3, self.rounds // 2)):
            script = [str(self.peers / "bin" / "python"), "-c", LOOP, str(self.place / "loop")]
            done = subprocess.run(script, env=self.environ, cwd=self.place, capture_output=True, text=True, check=True)
            inside.append(float(done.stdout))
            outside.append(
                statistics.median(self.run([*UV.split(), "--seed", "{env}"], self.environ) for _ in range(5))
            )
        return inside, outside

    def disk(self) -> tuple[int, int]:
        """Return the bytes that a seeded environment of cloche and one of virtualenv take for themselves."""
        taken = []
        for command in (["{bin}/cloche", "{env}"], ["{bin}/virtualenv", "{env}"]):
            self.run(command, self.environ)
            entries = [os.lstat(path) for path in (self.place / "env").rglob("*")]
            taken.append(
                sum(one.st_size for one in entries if one.st_nlink == 1 and not os.path.stat.S_ISDIR(one.st_mode))
            )
        return taken[0], taken[1]


def ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(first / second for first, second in zip(one, other, strict=False))


def table(results: dict[str, dict[str, list[float]]]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| | peer | median ms | cloche is | wanted |", "|---|---|---|---|---|"]
    for row in rows():
        seconds = results.get(row.name)
        if not seconds:
            continue
        for peer, taken in seconds.items():
            title = row.title if peer == "cloche" else ""
            times = "" if peer == "cloche" else f"{ratio(seconds['cloche'], taken):.2f}"
            goal = f"≤ {row.goals[peer]}" if peer in row.goals else ""
            lines.append(f"| {title} | {peer} | {statistics.median(taken) * 1000:.0f} | {times} | {goal} |")
    return "\n".join(lines)


def chart(results: dict[str, dict[str, list[float]]]) -> str:
    """Return a bar chart (SVG) of the medians of the warm rows, on a logarithmic scale."""
    import math

    bars: list[tuple[str, str, float]] = []
    for row in rows():
        if row.name in results and row.name in ("seeded", "unseeded", "first-pip", "cold"):
            bars += [(row.title, peer, statistics.median(taken) * 1000) for peer, taken in results[row.name].items()]
    lines, y, before = [], 20, ""
    scale = 420 / math.log10(max(ms for _, _, ms in bars) / 5)
    for title, peer, ms in bars:
        if title != before:
            y += 26
            lines.append(f'<text x="10" y="{y}" class="title">{title.replace("`", "")}</text>')
            before, y = title, y + 8
        width = max(2.0, math.log10(ms / 5) * scale)
        colour = "#2e7d32" if peer == "cloche" else "#9aa5ad"
        lines.append(
            f'<text x="20" y="{y + 13}">{peer}</text><rect x="100" y="{y + 2}" width="{width:.0f}" height="14" fill="{colour}"/>'
        )
        lines.append(f'<text x="{106 + width:.0f}" y="{y + 13}">{ms:.0f} ms</text>')
        y += 20
    style = "text{font:12px sans-serif;fill:#444}.title{font-weight:bold;fill:#222}"
    size = f'width="620" height="{y + 20}" viewBox="0 0 620 {y + 20}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{style}</style>\n' + "\n".join(lines) + "\n</svg>\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "row", nargs="*", help=f"{', '.join(row.name for row in rows())}, in-process, disk; default: all"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--directory", help="where to work; the file system's speed counts (default: a temporary one)")
    parser.add_argument("--svg", help="draw the chart into this file")
    parser.add_argument("--json", help="write every single time into this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as work:
        bench = Bench(Path(work), arguments.rounds)
        bench.prepare()
        wanted = arguments.row or [*(row.name for row in rows()), "in-process", "disk"]
        results = {row.name: bench.measure(row) for row in rows() if row.name in wanted}
        print(
            f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}\n"
        )
        print(table(results))
        if "in-process" in wanted:
            inside, outside = bench.loop()
            print(f"\n`cloche.create()` in process: {statistics.median(inside) * 1000:.1f} ms, "
                  f"{ratio(inside, outside):.2f} of a seeded `uv venv` process (wanted: ≤ 0.25)")  # fmt: skip
        if "disk" in wanted:
            ours, theirs = bench.disk()
            print(f"\ndisk of its own: cloche {ours // 1000} kB (wanted: ≤ 150), virtualenv {theirs // 1000} kB")
        if arguments.svg:
            Path(arguments.svg).write_text(chart(results), encoding="utf-8")
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
