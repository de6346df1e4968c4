"""Build `cloche.pyz`, one file with cloche and all that it needs: `tox -e zipapp`, or `make_zipapp.py [FILE]`.

What is installed beside the Python that runs this goes into it, and serves that version and later ones. pip is left out: seeds
cannot come from an archive, and those of the target's own `ensurepip` do as well. The same input makes the same bytes.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import cloche

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_OUT = frozenset(("pip",))
COMPILED = (".pyc", ".so", ".pyd")
OF_THE_INSTALLER = frozenset(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "entry_points.txt"))

OLDEST = sys.version_info[:2]

MAIN = f"""\
import sys

if sys.version_info < {OLDEST}:
    sys.exit("cloche: error: this archive needs Python {OLDEST[0]}.{OLDEST[1]} or later; `-p` is for environments of others")
import os

sys.path[0] = os.path.abspath(sys.path[0])
from cloche.__main__ import run

run()
""".encode()


def main(target: str = "cloche.pyz") -> None:
    contents = {"__main__.py": MAIN, **dict(package(Path(cloche.__file__).parent))}
    for one in needed("cloche"):
        if one.name != "cloche":
            contents.update(installed(one))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    write(Path(target), contents)
    print(f"{target}: {len(contents)} files, {os.path.getsize(target)} bytes")


def needed(name: str, seen: set[str] | None = None) -> Iterator[Distribution]:
    """Yield a distribution and all that it needs, as far as it is installed; extras are nobody's need."""
    seen = set() if seen is None else seen
    seen.add(name)
    try:
        found = distribution(name)
    except PackageNotFoundError:  # for another version of Python, as its marker says
        return
    yield found
    for requirement in found.requires or ():
        required = re.split(r"[^\w.-]", requirement)[0]
        if "extra ==" not in requirement and required not in seen | LEFT_OUT:
            yield from needed(required, seen)


def package(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of cloche itself, from wherever it is imported: it may be installed as it is edited."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.suffix not in COMPILED and ".mypy_cache" not in path.parts:
            yield path.relative_to(directory.parent).as_posix(), path.read_bytes()


def installed(one: Distribution) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a distribution.

    :raises SystemExit: a module is there in compiled form only, for one version of Python.
    """
    names = {path.as_posix() for path in one.files or ()}
    for path in one.files or ():
        source = f"{path.as_posix().partition('.')[0]}.py"  # mypyc keeps it, and adds one library that has none
        if path.suffix in (".so", ".pyd") and source not in names and "__mypyc" not in path.name:
            sys.exit(f"{one.name} cannot go into an archive: `{path}` is compiled, and has no source beside it")
        if ".." not in path.parts and path.suffix not in COMPILED and path.name not in OF_THE_INSTALLER:
            yield path.as_posix(), Path(str(path.locate())).read_bytes()


def write(target: Path, contents: dict[str, bytes]) -> None:
    """Write an archive that is a program: sorted, without dates, behind a first line for the system."""
    with target.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(contents):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), contents[name], zipfile.ZIP_DEFLATED)
    target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


if __name__ == "__main__":
    main(*sys.argv[1:])
