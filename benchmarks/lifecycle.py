"""Commands for existing environments, compared with uv, which makes the same environment from its cache.

Each set has the packages that uv resolves for a file in `requirements`, pure and compiled ones, all from wheels. The
environments are made by uv, with hard links to its cache, except for one that cloche makes from the same versions. A command
that changes one gets a copy with hard links, and an upgrade gets one that uv has just made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from locked import SYNC, shell
from peers import HERE
from rounds import measure
from rows import UV, Command, Goal, Row

if TYPE_CHECKING:
    from peers import Peers

SETS = {"usual": 5, "huge": 3}
"""The highest number of rounds for each set of packages: few, because one command takes seconds."""


def index_settings() -> tuple[tuple[str, str], ...]:
    """Return the environment variables of the user that say how to reach the package index, for the first upgrade."""
    kept = ("PIP_", "SSL_CERT", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return tuple((name, text) for name, text in os.environ.items() if name.upper().startswith(kept))


def rows_for(name: str) -> tuple[Row, ...]:
    """Return the rows for one of the sets of packages."""
    trees, words = f"{{trees}}/{name}", f"an environment of the {name} set"
    sync = f"{SYNC}{{env}} --offline --link-mode hardlink {trees}/pins.txt"
    uv = shell("uv", f"{UV} {{env}} && {sync}")
    restore = f"rm -rf {trees}/copy && cp -al {trees}/new {trees}/copy"

    def row(task: str, title: str, limit: float, line: str, before: str = "", others: tuple[Command, ...] = ()) -> Row:
        cloche = shell("cloche", line, before)._replace(environ=index_settings())
        goals = (Goal(limit, ("uv",)),)
        return Row(
            f"{task}-{name}",
            title,
            (cloche, uv, *others),
            goals,
            most_rounds=SETS[name],
            leaves="nothing" if task == "copy" else "environments",  # those copies share no files
        )

    return (
        row("doctor", f"`doctor` for {words}", 1.0, f"{{bin}}/cloche -q doctor {trees}/new"),
        row("move", f"`move` {words}", 1.5, f"{{bin}}/cloche -q move {trees}/copy {{env}}", f"{restore}"),
        row(
            "copy",
            f"`move --copy` {words}",
            1.5,
            f"{{bin}}/cloche -q move --copy {trees}/new {{env}}",
            others=(shell("cp", f"cp -a {trees}/new {{env}}"),),  # the minimum for files that are not shared
        ),
        row(
            "copy-own",
            f"`move --copy` {words}, made by cloche",
            1.5,
            f"{{bin}}/cloche -q move --copy {trees}/own {{env}}",
            others=(shell("cp", f"cp -al {trees}/own {{env}}"),),
        ),
        row(
            "fix",
            f"`doctor --fix` {words} that was moved",
            1.5,
            "{bin}/cloche -q doctor --fix {env}",
            f"{restore} && mv {trees}/copy {{env}}",
        ),
        row(
            "upgrade",
            f"`upgrade` {words} to another minor version",
            2.5,
            "{bin}/cloche -q upgrade {env} -p {bin}/python",
            f"{{bin}}/uv venv -q --offline -p {trees}/old/bin/python {{env}} && {sync}",  # scripts of a copy name another
        ),
    )


LIFECYCLE_ROWS = tuple(row for name in SETS for row in rows_for(name))


def measure_lifecycle(peers: Peers, rounds: int, chosen: list[str]) -> dict[str, Any]:
    """Return the results for existing environments.

    :param chosen: the names of the rows to measure; empty for all.
    """
    rows = [row for row in LIFECYCLE_ROWS if not chosen or row.name in chosen]
    older = older_python(peers)
    names = [name for name in SETS if any(row.name.endswith(f"-{name}") for row in rows)]
    packages = {name: make_environments(peers, name, older) for name in names}
    return {
        "packages": packages,
        "older": older["version"],
        "seconds": {row.name: measure(peers, row, rounds) for row in rows},
    }


def older_python(peers: Peers) -> dict[str, Any]:
    """Return the newest CPython of an earlier minor version, as `cloche pythons` describes it.

    :raises SystemExit: no such Python is installed.
    """
    request = f"cpython>=3.10,<{sys.version_info.major}.{sys.version_info.minor}"
    found = json.loads(peers.capture(["{bin}/cloche", "pythons", request, "--json"]))["pythons"]
    return next(python for python in found if python["chosen"])


def make_environments(peers: Peers, name: str, older: dict[str, Any]) -> int:
    """Create `new` and `old`, environments of this and an older Python, and `own`; return the number of packages.

    Two more like `old` are upgraded: the first upgrade asks pip and fills the cache, and the second compiles bytecode.
    """
    directory = peers.work / "trees" / name
    directory.mkdir(parents=True)
    pins, uv, python = directory / "pins.txt", peers.root / "bin" / "uv", peers.root / "bin" / "python"
    resolve = [uv, "pip", "compile", "-q", "-p", older["path"], "--no-header", "--no-annotate", "--only-binary=:all:"]
    subprocess.run([*resolve, HERE / "requirements" / f"{name}.in", "-o", pins], check=True, stdout=sys.stderr)
    environ = {**peers.environ(), **dict(index_settings())}
    for kind, path in (("new", str(python)), *((kind, older["path"]) for kind in ("old", "first", "second"))):
        peers.capture([str(uv), "venv", "-q", "--offline", "-p", path, str(directory / kind)])
        peers.capture([*f"{SYNC}{directory / kind} --link-mode hardlink".split(), str(pins)], environ)
    peers.capture([*f"{{bin}}/cloche -q {directory}/own -p {python} --lock".split(), str(pins)], environ)
    for kind in ("first", "second"):
        peers.capture(f"{{bin}}/cloche -q upgrade {directory}/{kind} -p {{bin}}/python".split(), environ)
    return sum(line[:1].isalnum() for line in pins.read_text(encoding="utf-8").splitlines())
