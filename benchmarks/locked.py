"""Environments from a lock file: the locks, a server for their wheels, the rows, and a hundred environments from one lock.

They are packed as well, which needs the programs `zstd`, `pigz` and `mksquashfs`.

Each lock has the packages that uv resolves for a file in `requirements`. All tools get the same wheels, whose URLs are those
of a server on this machine.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from peers import HERE
from rounds import measure
from rows import UV, Command, Goal, Row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from peers import Peers

SETS = ("medium", "large")
ENVIRONMENTS = 100
"""The number of environments from one lock."""

SYNC = "{bin}/uv pip sync -q --python "
CLOCHE = "{bin}/cloche -q "
IMPORT = " && {env}/bin/python -c 'import pytest, cryptography, pylint, jedi, black'"


def shell(peer: str, line: str, before: str = "") -> Command:
    """Return a command that is run by a shell.

    :param before: a line to run before it, whose time does not count.
    """
    return Command(peer, ("sh", "-c", line), before=("sh", "-c", before) if before else ())


def rows_for(name: str) -> tuple[Row, ...]:
    """Return the rows for one of the sets of packages."""
    lock, changed = f"{{locks}}/{name}/pylock.toml", f"{{locks}}/{name}-changed/pylock.toml"
    cloche = f"{CLOCHE}{{env}} --lock {lock}"
    new = f"{UV} {{env}} && {SYNC}{{env}} "
    uv = f"{new}--offline --link-mode hardlink {lock}"
    return (
        Row(
            f"locked-{name}",
            f"a lock of the {name} set",
            (
                shell("cloche", cloche),
                shell("uv", uv),
                shell("uv with bytecode", f"{uv} --compile-bytecode"),
                shell("cp", f"cp -al {{locks}}/{name}-tree {{env}}"),
            ),
            (Goal(0.3, ("uv",)), Goal(0.1, ("uv with bytecode",)), Goal(1.5, ("cp",))),
        ),
        Row(
            f"locked-{name}-import",
            "the same, and the first import of five packages",
            (shell("cloche", cloche + IMPORT), shell("uv", uv + IMPORT)),
            (Goal(0.5, ("uv",)),),
        ),
        Row(
            f"locked-{name}-again",
            "the same lock again, nothing to do",
            (
                shell("cloche", f"{CLOCHE}{{locks}}/{name}-tree --lock {lock}"),
                shell("uv", f"{SYNC}{{locks}}/{name}-uv --offline {lock}"),
            ),
            (Goal(1.2, ("uv",)),),
        ),
        Row(
            f"locked-{name}-changed",
            "one package changed, compared with a new environment",
            (
                shell("cloche", f"{CLOCHE}{{env}} --lock {changed}", before=cloche),
                shell("new environment", f"{CLOCHE}{{env}} --lock {changed}"),
            ),
            (Goal(1.2, ("new environment",)),),
        ),
        Row(
            f"locked-{name}-cold",
            "nothing cached, with the wheels on a server on the same machine",
            (shell("cloche", cloche), shell("uv", f"{new}{lock}")),
            (Goal(1.2, ("uv",)),),
            cold=True,
        ),
        Row(
            f"locked-{name}-cold-import",
            "the same, and the first import of five packages",
            (shell("cloche", cloche + IMPORT), shell("uv", f"{new}{lock}{IMPORT}")),
            (Goal(1.0, ("uv",)),),
            cold=True,
        ),
    )


def pack_row(suffix: str, peer: str, line: str) -> Row:
    """Return the row for packing a portable environment, compared with programs that use all processors."""
    slots = {"tree": "{locks}/medium-portable", "file": f"{{env}}.{suffix}"}
    return Row(
        f"pack-{suffix.removeprefix('tar.')}",
        f"pack a portable environment with the medium set to `{suffix}`",
        (
            shell("cloche", "{{bin}}/cloche -q pack {tree} -o {file}".format(**slots)),
            shell(peer, line.format(**slots)),
        ),
        (Goal(1.1, (peer,)),),
    )


PORTABLE_ROWS = (
    Row(
        "portable-medium",
        "a portable environment with the medium set, compared with hard links to all files",
        (
            shell("cloche", f"{CLOCHE}{{env}} --creator portable --lock {{locks}}/medium/pylock.toml"),
            shell("cp", "cp -al {locks}/medium-portable {env}"),
        ),
        (Goal(1.5, ("cp",)),),
    ),
    pack_row("tar.zst", "tar, zstd", "tar -C {tree} -cf - . | zstd -q -3 -T0 > {file}"),
    pack_row("tar.gz", "tar, pigz", "tar -C {tree} -cf - . | pigz -6 > {file}"),
    pack_row("squashfs", "mksquashfs", "mksquashfs {tree} {file} -comp zstd -all-root -no-xattrs -quiet -no-progress"),
)

LOCKED_ROWS = (*(row for name in SETS for row in rows_for(name)), *PORTABLE_ROWS)


def measure_locked(peers: Peers, rounds: int, names: Collection[str]) -> dict[str, Any]:
    """Return the results for environments from lock files.

    :param names: the rows to measure; none for all rows, and for many environments from one lock.
    """
    locks = peers.work / "locks"
    rows = [row for row in LOCKED_ROWS if not names or row.name in names]
    sets = [name for name in SETS if name == "medium" or any(name in row.name for row in rows)]
    wheels = {name: download_wheels(peers, name, locks / name) for name in sets}
    with file_server(locks) as url:
        for name in sets:
            write_lock(locks / name, wheels[name], url)
            without = [wheel for wheel in wheels[name] if not wheel.name.startswith("sniffio-")]
            write_lock(locks / f"{name}-changed", without, url)
            lock, tree = f"{{locks}}/{name}/pylock.toml", f"{{locks}}/{name}-tree"
            for lines in (f"{CLOCHE}{{locks}}/{name}-first --lock {lock}", f"{CLOCHE}{tree} --lock {lock}"):
                peers.capture(lines.split())
            peers.capture([*f"{UV} {{locks}}/{name}-uv".split()])
            peers.capture(f"{SYNC}{{locks}}/{name}-uv {lock}".split())
        for _ in range(2):  # the second one has bytecode
            portable = "--creator portable --clear --lock {locks}/medium/pylock.toml"
            peers.capture(f"{CLOCHE}{{locks}}/medium-portable {portable}".split())
        seconds = {row.name: measure(peers, row, rounds) for row in rows}
        hundred = {} if names else {"hundred": measure_hundred(peers)}
    return {"packages": {name: len(wheels[name]) for name in sets}, "seconds": seconds, **hundred}


def measure_hundred(peers: Peers) -> dict[str, Any]:
    """Return the seconds for each of many environments from one lock, and the bytes that the first and the others need."""
    command, seen, sizes, seconds = rows_for("medium")[0].commands[0], set[tuple[int, int]](), [], []
    for _ in range(ENVIRONMENTS):
        seconds.append(round(peers.run(command), 6))
        size = 0
        for path in peers.environment.rglob("*"):
            status = path.lstat()
            if status.st_mode & 0o170000 == 0o100000 and (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                size += status.st_size
        sizes.append(size)
    return {"seconds": seconds, "first": sizes[0], "others": round(sum(sizes[1:]) / len(sizes[1:]))}


def download_wheels(peers: Peers, name: str, directory: Path) -> list[Path]:
    """Resolve the requirements of a set with uv, and download the wheels with pip; return their paths."""
    directory.mkdir(parents=True)
    pins, python = directory / "pins.txt", peers.root / "bin" / "python"
    resolve = [peers.root / "bin" / "uv", "pip", "compile", "-q", "-p", python, "--no-header", "--no-annotate"]
    subprocess.run([*resolve, HERE / "requirements" / f"{name}.in", "-o", pins], check=True, stdout=sys.stderr)
    pip = [python, "-m", "pip", "-q", "--disable-pip-version-check", "download", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*pip, "-r", pins, "-d", directory], check=True)
    return sorted(directory.glob("*.whl"))


def write_lock(directory: Path, wheels: list[Path], url: str) -> None:
    """Write a `pylock.toml` that names wheels on a server (PEP 751)."""
    lines = ['lock-version = "1.0"', 'created-by = "benchmarks"']
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        entry = f'{{ url = "{url}/{wheel.parent.name}/{wheel.name}", hashes = {{ sha256 = "{digest}" }} }}'
        lines += [
            "[[packages]]",
            f'name = "{name.replace("_", "-").replace(".", "-").lower()}"',
            f'version = "{version}"',
        ]
        lines += [f"wheels = [{entry}]"]
    directory.mkdir(exist_ok=True)
    (directory / "pylock.toml").write_text("\n".join([*lines, ""]), encoding="utf-8")


@contextmanager
def file_server(directory: Path) -> Iterator[str]:
    """Serve the files in a directory from another process; yield the URL."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().split(" port ")[1].split()[0]
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
