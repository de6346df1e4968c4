"""Build `cloche.pyz`, one file with cloche and its dependencies: `tox -e zipapp`, or `make_zipapp.py [FILE]`.

The archive contains the distributions that are installed for the Python that runs this script, and works with that version
of Python and later ones. It does not contain pip, because seeds cannot come from an archive; environments get the pip of
the target's `ensurepip`. The same input gives the same bytes.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError
from importlib.metadata import distribution as find_distribution
from pathlib import Path
from typing import TYPE_CHECKING

import cloche

if TYPE_CHECKING:
    from collections.abc import Iterator

EXCLUDED_DISTRIBUTIONS = frozenset(("pip",))
COMPILED_SUFFIXES = (".pyc", ".so", ".pyd")
INSTALLATION_FILES = frozenset(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "entry_points.txt"))

MINIMUM = sys.version_info[:2]

MAIN = f"""\
import sys

if sys.version_info < {MINIMUM}:
    sys.exit("cloche: error: this archive needs Python {MINIMUM[0]}.{MINIMUM[1]} or later; choose the target with `-p`")
import os

sys.path[0] = os.path.abspath(sys.path[0])
from cloche.__main__ import run

run()
""".encode()


def main(target: str = "cloche.pyz") -> None:
    contents = {"__main__.py": MAIN, **dict(package_files(Path(cloche.__file__).parent))}
    for distribution in with_dependencies("cloche"):
        if distribution.name != "cloche":
            contents.update(distribution_files(distribution))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    write_archive(Path(target), contents)
    print(f"{target}: {len(contents)} files, {os.path.getsize(target)} bytes")


def with_dependencies(name: str, seen: set[str] | None = None) -> Iterator[Distribution]:
    """Yield a distribution and its installed dependencies, recursively, without extras."""
    seen = set() if seen is None else seen
    seen.add(name)
    try:
        distribution = find_distribution(name)
    except PackageNotFoundError:  # a dependency for another version of Python
        return
    yield distribution
    for requirement in distribution.requires or ():
        dependency = re.split(r"[^\w.-]", requirement)[0]
        if "extra ==" not in requirement and dependency not in seen | EXCLUDED_DISTRIBUTIONS:
            yield from with_dependencies(dependency, seen)


def package_files(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the package cloche; it may be an editable installation, which has no list of them."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.suffix not in COMPILED_SUFFIXES and ".mypy_cache" not in path.parts:
            yield path.relative_to(directory.parent).as_posix(), path.read_bytes()


def distribution_files(distribution: Distribution) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a distribution.

    :raises SystemExit: a module exists only in compiled form, for one version of Python.
    """
    names = {path.as_posix() for path in distribution.files or ()}
    for path in distribution.files or ():
        source = f"{path.as_posix().partition('.')[0]}.py"  # mypyc keeps the source, and adds one library without one
        if path.suffix in (".so", ".pyd") and source not in names and "__mypyc" not in path.name:
            sys.exit(f"`{distribution.name}` cannot be archived: `{path}` is compiled and has no source")
        if ".." not in path.parts and path.suffix not in COMPILED_SUFFIXES and path.name not in INSTALLATION_FILES:
            yield path.as_posix(), Path(str(path.locate())).read_bytes()


def write_archive(target: Path, contents: dict[str, bytes]) -> None:
    """Write an executable zip archive: a shebang line, then the files in order of name, all with the same date."""
    with target.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(contents):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), contents[name], zipfile.ZIP_DEFLATED)
    target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


if __name__ == "__main__":
    main(*sys.argv[1:])
