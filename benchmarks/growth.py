"""How the time of a command grows with the number of seeds, interpreters, plugins, and environments in one process."""

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
"""Twenty packages with wheels that are the same on every platform."""


class Series(NamedTuple):
    """Measurements of one command, with a growing number of something."""

    name: str
    title: str
    counts: tuple[int, ...]
    label: str
    """The command, as the report shows it."""
    line: str
    options: str = ""
    """Further arguments; `{version}` is replaced with the version of this Python, without the patch number."""


SERIES = (
    Series("seeds", "seeds", (1, 5, 20), "`cloche DEST --seed …`", CLOCHE),
    Series("interpreters", "interpreters in pyenv", (0, 10, 100), "`cloche DEST`", CLOCHE),
    Series(
        "interpreters-requested", "interpreters in pyenv", (0, 10, 100), "`cloche DEST -p 3.X`", CLOCHE, "-p {version}"
    ),
    Series("pythons", "interpreters in pyenv", (0, 10, 100), "`cloche pythons`", "{bin}/cloche pythons"),
    Series("plugins-descriptor", "plugins with an activator as a `Descriptor`", (0, 5, 50), "`cloche DEST`", CLOCHE),
    Series("plugins-object", "plugins with an activator as an object", (0, 5, 50), "`cloche DEST`", CLOCHE),
    Series("plugins-listener", "plugins that listen to `cloche_created`", (0, 1, 5), "`cloche DEST`", CLOCHE),
)


def measure_growth(peers: Peers, rounds: int, environments: int) -> dict[str, Any]:
    """Return the times of every series, by series and count, and of each hundred environments in one process."""
    peers.download(PACKAGES)
    variants = {
        "seeds": seed_commands,
        "interpreters": interpreter_commands,
        "interpreters-requested": interpreter_commands,
        "pythons": interpreter_commands,
        "plugins-descriptor": plugin_commands,
        "plugins-object": plugin_commands,
        "plugins-listener": plugin_commands,
    }
    seconds = {}
    for series in SERIES:
        row = Row(series.name, series.title, tuple(variants[series.name](peers, series)))
        for variant in row.commands:
            peers.run(variant)  # builds and compiles the images
        seconds[series.name] = measure(peers, row, rounds)
    return {"seconds": seconds, "environments": measure_one_process(peers, environments)}


def seed_commands(peers: Peers, series: Series) -> Iterator[Command]:
    for count in series.counts:
        seeds = [word for package in PACKAGES[:count] for word in ("--seed", package)]
        yield command(str(count), " ".join([series.line, "--find-links", str(peers.wheels), *seeds]))


def interpreter_commands(peers: Peers, series: Series) -> Iterator[Command]:
    """Yield a command for each number of pyenv versions: copies of this executable, with a link to its library."""
    version = ".".join(map(str, sys.version_info[:2]))
    for count in series.counts:
        root = peers.work / f"pyenv-{count}"
        if not root.exists():
            (root / "versions").mkdir(parents=True)
            for number in range(count):
                add_interpreter(root / "versions" / f"{version}.{sys.version_info[2]}-{number}")
        words = (*series.line.split(), *series.options.format(version=version).split())
        yield Command(str(count), words, environ=(("PYENV_ROOT", str(root)),))


def add_interpreter(prefix: Path) -> None:
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(os.path.realpath(sys.executable), prefix / "bin" / name)
    (prefix / "bin" / "python").symlink_to(name)
    (prefix / "lib").symlink_to(Path(sys.base_prefix) / "lib")


def plugin_commands(peers: Peers, series: Series) -> Iterator[Command]:
    """Yield a command for each number of plugins, which are installed in a directory on `PYTHONPATH`."""
    attribute = f"with_{series.name.rpartition('-')[2]}"
    for count in series.counts:
        site = peers.work / f"{series.name}-{count}"
        site.mkdir()
        for number in range(count):
            add_plugin(site, f"shell{number}", attribute)
        yield Command(str(count), tuple(series.line.split()), environ=(("PYTHONPATH", str(site)),))


def add_plugin(site: Path, name: str, attribute: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    for suffix in ("", "_activator"):
        shutil.copy(HERE / f"plugin{suffix}.py", site / f"{name}{suffix}.py")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[cloche]\n{name} = {name}:{attribute}\n")


def measure_one_process(peers: Peers, count: int) -> list[dict[str, float]]:
    """Create environments in one process; return the median seconds of each hundred, and the memory after its last."""
    peers.next_turn()
    measured = json.loads(peers.capture(["{bin}/python", "{here}/in_process.py", "{env}", str(count)]))
    parts = []
    for first in range(0, count, 100):
        seconds = measured["seconds"][first : first + 100]
        last = first + len(seconds)
        memory = measured["memory"][last - 1]
        parts.append({"first": first + 1, "last": last, "seconds": statistics.median(seconds), "memory": memory})
    return parts
