"""Build `cloche.pyz`, one file with cloche and its dependencies: `tox -e zipapp`, or `make_zipapp.py [FILE]`.

The archive runs on Python 3.10 and later, whichever version builds it. It contains the distributions that are installed for
the Python that runs this script. If one of them does not support 3.10, pip downloads a version that does; without a network,
the archive needs the oldest version that all of them support.

It does not contain pip, because seeds cannot come from an archive; environments get the pip of the target's `ensurepip`. The
same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distributions
from importlib.metadata import distribution as find_distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import cloche

if TYPE_CHECKING:
    from collections.abc import Iterator

EXCLUDED_DISTRIBUTIONS = frozenset(("pip",))
COMPILED_SUFFIXES = (".pyc", ".so", ".pyd")
INSTALLATION_FILES = frozenset(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "entry_points.txt"))

OLDEST = (3, 10)
"""The oldest Python that the archive supports."""

MAIN = """\
import sys

if sys.version_info < {minimum}:
    sys.exit("cloche: error: this archive needs Python {minimum[0]}.{minimum[1]} or later; choose the target with `-p`")
import os

sys.path[0] = os.path.abspath(sys.path[0])
from cloche.__main__ import run

run()
"""


def main(target: str = "cloche.pyz") -> None:
    contents = dict(package_files(Path(cloche.__file__).parent))
    with tempfile.TemporaryDirectory() as downloads:
        found = [*dependencies(Requirement("cloche"), downloads, set())]
        for distribution in found:
            if distribution.name != "cloche":
                contents.update(distribution_files(distribution))
    minimum = max([OLDEST, *map(oldest_supported, found)])
    contents["__main__.py"] = MAIN.format(minimum=minimum).encode()
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    write_archive(Path(target), contents)
    version = ".".join(map(str, minimum))
    print(f"{target}: {len(contents)} files, {os.path.getsize(target)} bytes, for Python {version} and later")


def dependencies(requirement: Requirement, downloads: str, seen: set[str]) -> Iterator[Distribution]:
    """Yield a distribution that supports Python 3.10 if there is one, and its dependencies, recursively."""
    seen.add(requirement.name)
    distribution = installed(requirement.name)
    if distribution is None or oldest_supported(distribution) > OLDEST:
        distribution = downloaded(requirement, downloads) or distribution
    if distribution is None:
        sys.exit(f"`{requirement.name}` is not installed, and pip cannot download it")
    yield distribution
    for text in distribution.requires or ():
        needed = Requirement(text)
        environment = {"python_version": "3.10", "python_full_version": "3.10.0", "extra": ""}
        applies = needed.marker is None or needed.marker.evaluate(environment)
        if applies and needed.name not in seen | EXCLUDED_DISTRIBUTIONS:
            yield from dependencies(needed, downloads, seen)


def installed(name: str) -> Distribution | None:
    try:
        return find_distribution(name)
    except PackageNotFoundError:
        return None


def oldest_supported(distribution: Distribution) -> tuple[int, int]:
    """Return the oldest Python that a distribution supports, from 3.10 on."""
    accepted = SpecifierSet(distribution.metadata.get("Requires-Python", ""))
    return next(((3, minor) for minor in range(OLDEST[1], 99) if accepted.contains(f"3.{minor}.99")), (3, 99))


def downloaded(requirement: Requirement, directory: str) -> Distribution | None:
    """Download a pure-Python distribution that supports Python 3.10; return None if pip cannot."""
    version = ".".join(map(str, OLDEST))
    kind = ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none", f"--python-version={version}"]
    target = os.path.join(directory, requirement.name)
    words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, *kind]
    requested = f"{requirement.name}{requirement.specifier}"
    done = subprocess.run([*words, requested], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"cannot download `{requested}` for Python {version}; the archive may need a later one", file=sys.stderr)
        return None
    return next(iter(distributions(name=requirement.name, path=[target])), None)


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
    parser = argparse.ArgumentParser(description="Build one file with cloche and its dependencies.")
    parser.add_argument(
        "target", metavar="FILE", nargs="?", default="cloche.pyz", help="the file (default: cloche.pyz)"
    )
    main(parser.parse_args().target)
