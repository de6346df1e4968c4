"""Build `cloche.pyz`, one file with cloche and its dependencies: `tox -e zipapp`, or `make_zipapp.py [FILE]`.

The archive runs on Python 3.10 and later, whichever version builds it. It contains the distributions that are installed for
the Python that runs this script. If one of them does not support 3.10, pip downloads a version that does; if it cannot, the
archive needs the oldest Python that the installed versions support.

It does not contain pip, because seeds cannot come from an archive; environments get the pip of the target's `ensurepip`. Nor
does it contain what only Python 3.10 needs: cloche can replace tomli with tomlkit, except to build editable wheels. The same
input gives the same bytes.
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

EXCLUDED_DISTRIBUTIONS = frozenset(("importlib-metadata", "pip", "tomli"))
COMPILED_SUFFIXES = (".pyc", ".so", ".pyd")
OPTIONAL_MODULES = frozenset(("wcwidth/_wcwidth_c",))
"""Compiled modules that only make others faster."""
INSTALLATION_FILES = frozenset(("RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json", "entry_points.txt"))

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
    oldest = max(map(oldest_supported, found))
    contents["__main__.py"] = MAIN.format(minimum=oldest).encode()
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    write_archive(Path(target), contents)
    print(
        f"{target}: {len(contents)} files, {os.path.getsize(target)} bytes, for Python {version_text(oldest)} and later"
    )


def version_text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def dependencies(requirement: Requirement, downloads: str, seen: set[str]) -> Iterator[Distribution]:
    """Yield a distribution that supports the oldest Python, if there is one, and its dependencies, recursively.

    :raises SystemExit: it is neither installed nor can pip download it.
    """
    seen.add(requirement.name)
    distribution = installed(requirement.name)
    if distribution is None or oldest_supported(distribution) > OLDEST:
        older = downloaded(requirement, downloads)
        if older is None and distribution is None:
            sys.exit(f"`{requirement.name}{requirement.specifier}` is not installed, and pip cannot download it")
        if older is None:
            print(
                f"cannot download `{requirement.name}{requirement.specifier}` for Python {version_text(OLDEST)}; with the "
                f"installed version, the archive needs Python {version_text(oldest_supported(distribution))} or later",
                file=sys.stderr,
            )
        distribution = older or distribution
    yield distribution
    for text in distribution.requires or ():
        needed = Requirement(text)
        if applies(needed) and needed.name not in seen | EXCLUDED_DISTRIBUTIONS:
            yield from dependencies(needed, downloads, seen)


def applies(requirement: Requirement) -> bool:
    """Return whether a requirement applies to the oldest Python or to any later one."""
    if requirement.marker is None:
        return True
    versions = [f"3.{minor}" for minor in range(OLDEST[1], 99)]
    environments = [{"python_version": text, "python_full_version": f"{text}.0", "extra": ""} for text in versions]
    return any(map(requirement.marker.evaluate, environments))


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
    """Download a pure-Python distribution that supports the oldest Python; return None if pip cannot."""
    kind = ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none"]
    target = os.path.join(directory, requirement.name)
    words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", f"--python-version={version_text(OLDEST)}"]
    requested = f"{requirement.name}{requirement.specifier}"
    done = subprocess.run([*words, "--target", target, *kind, requested], capture_output=True, text=True, check=False)
    return None if done.returncode else next(iter(distributions(name=requirement.name, path=[target])), None)


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
        module = path.as_posix().partition(".")[0]
        optional = f"{module}.py" in names or module in OPTIONAL_MODULES
        if path.suffix in (".so", ".pyd") and not optional and "__mypyc" not in path.name:  # mypyc adds one of its own
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
