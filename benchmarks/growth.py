"""How cost grows with what there is: seeds, interpreters, plugins, and environments made by one process."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from peers import HERE
from rounds import measure
from rows import CLOCHE, Command, Row, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peers import Peers

PACKAGES = tuple(
    "pip setuptools wheel packaging pluggy iniconfig attrs certifi idna six typing-extensions click filelock pathspec tomli "
    "zipp colorama tomlkit wcwidth urllib3".split()
)
"""Twenty packages that are the same on every machine."""


class Series(NamedTuple):
    """One thing that there may be more of."""

    name: str
    title: str
    counts: tuple[int, ...]
    what: str
    """What is done when there are that many, for people."""
    line: str
    more: str = ""
    """Words for the end of the line; `{version}` is this Python's, without its patch."""


SERIES = (
    Series("seeds", "seeds", (1, 5, 20), "`cloche DEST --seed …`", CLOCHE),
    Series("interpreters", "interpreters in pyenv", (0, 10, 100), "`cloche DEST`", CLOCHE),
    Series("interpreters-asked", "interpreters in pyenv", (0, 10, 100), "`cloche DEST -p 3.X`", CLOCHE, "-p {version}"),
    Series("pythons", "interpreters in pyenv", (0, 10, 100), "`cloche pythons`", "{bin}/cloche pythons"),
    Series("plugins-naming", "plugins that name an activator", (0, 5, 50), "`cloche DEST`", CLOCHE),
    Series("plugins-giving", "plugins that give an activator", (0, 5, 50), "`cloche DEST`", CLOCHE),
)


def measure_growth(peers: Peers, rounds: int, environments: int) -> dict[str, Any]:
    """Return the seconds by series and count, as `rounds.measure` has them, and what each hundred environments took."""
    peers.download(PACKAGES)
    variants = {
        "seeds": seeds,
        "interpreters": interpreters,
        "interpreters-asked": interpreters,
        "pythons": interpreters,
        "plugins-naming": plugins,
        "plugins-giving": plugins,
    }
    seconds = {}
    for series in SERIES:
        row = Row(series.name, series.title, tuple(variants[series.name](peers, series)))
        for one in row.commands:
            peers.run(one)  # what is new is built and compiled
        seconds[series.name] = measure(peers, row, rounds)
    return {"seconds": seconds, "environments": many(peers, environments)}


def seeds(peers: Peers, series: Series) -> Iterator[Command]:
    for count in series.counts:
        wanted = [word for package in PACKAGES[:count] for word in ("--seed", package)]
        yield command(str(count), " ".join([series.line, "--find-links", str(peers.wheels), *wanted]))


def interpreters(peers: Peers, series: Series) -> Iterator[Command]:
    """A version of pyenv is a copy of this Python's executable with a link to its library: one more to be looked at."""
    version = ".".join(map(str, sys.version_info[:2]))
    for count in series.counts:
        root = peers.work / f"pyenv-{count}"
        if not root.exists():
            (root / "versions").mkdir(parents=True)
            for number in range(count):
                add_interpreter(root / "versions" / f"{version}.{sys.version_info[2]}-{number}")
        words = (*series.line.split(), *series.more.format(version=version).split())
        yield Command(str(count), words, environ=(("PYENV_ROOT", str(root)),))


def add_interpreter(prefix: Path) -> None:
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(os.path.realpath(sys.executable), prefix / "bin" / name)
    (prefix / "bin" / "python").symlink_to(name)
    (prefix / "lib").symlink_to(Path(sys.base_prefix) / "lib")


def plugins(peers: Peers, series: Series) -> Iterator[Command]:
    """Each is installed as pip leaves it, in a directory of its own on `PYTHONPATH`."""
    how = series.name.rpartition("-")[2]
    for count in series.counts:
        site = peers.work / f"{series.name}-{count}"
        site.mkdir()
        for number in range(count):
            add_plugin(site, f"shell{number}", how)
        yield Command(str(count), tuple(series.line.split()), environ=(("PYTHONPATH", str(site)),))


def add_plugin(site: Path, name: str, how: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    for suffix in ("", "_activator"):
        shutil.copy(HERE / f"plugin{suffix}.py", site / f"{name}{suffix}.py")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[cloche]\n{name} = {name}:{how}\n")


def many(peers: Peers, count: int) -> list[dict[str, float]]:
    """Return for each hundred environments of one process the median seconds, and the memory after the last."""
    peers.next_turn()
    found = json.loads(peers.capture(["{bin}/python", "{here}/inside.py", "{env}", str(count)]))
    parts = []
    for first in range(0, count, 100):
        seconds = found["seconds"][first : first + 100]
        last = first + len(seconds)
        memory = found["memory"][last - 1]
        parts.append({"first": first + 1, "last": last, "seconds": statistics.median(seconds), "memory": memory})
    return parts
