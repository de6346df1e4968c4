"""What a portable environment needs from the system: the libraries that it does not contain, and the version of glibc."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from cloche.apply.processes import run_program
from cloche.fs import open_regular_file
from cloche.fs.elf import MAGIC, read_dependencies
from cloche.lifecycle.tree import walk_files
from cloche.model.runtime import GLIBC_LIBRARY
from cloche.model.value import Value
from cloche.programs import python_environ

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.fs.elf import Dependencies

MACHINES = {"x64": "x86_64", "x86": "i686", "AArch64": "aarch64", "ARM": "armv7l"}
"""Instruction sets in the tags of wheels (PEP 600), by their names in pyelftools."""


class Needs(Value):
    """What the ELF files of an environment need."""

    libraries: Mapping[str, tuple[str, ...]]
    """Libraries that are not in the environment, except those of glibc; each with the files that need it, sorted."""
    glibc: str
    """The lowest version of glibc that has every symbol: `2.34`; empty if no file needs one."""
    machine: str
    """The instruction set: `x86_64`; empty if there are no ELF files."""
    loader: str
    """The program that loads the Python: `/lib64/ld-linux-x86-64.so.2`; empty if it is a static program."""

    @property
    def tag(self) -> str:
        """The platform tag of a wheel that needs the same glibc (PEP 600); empty if there is none."""
        return f"manylinux_{self.glibc.replace('.', '_')}_{self.machine}" if self.glibc else ""


class Missing(Value):
    """A library that this system does not have."""

    library: str
    path: str
    """The first file that needs it, relative to the root."""
    reason: str
    """A fragment that follows the name of the library: `is not installed`."""


def find_needs(root: str, executable: str) -> Needs:
    """Return what the ELF files of an environment need.

    :param executable: the path of its Python, relative to the root.
    """
    files = dict(elf_files(root))
    own = {os.path.basename(path) for path in files} | {file.name for file in files.values() if file.name}
    own |= {os.path.basename(file.path) for file in walk_files(root) if file.kind == "link"}
    libraries: dict[str, list[str]] = {}
    for path, file in files.items():
        for name in file.needed:
            if os.path.basename(name) not in own and not re.fullmatch(GLIBC_LIBRARY, name):
                libraries.setdefault(name, []).append(path)
    versions = {version for file in files.values() for version in file.versions}
    numbers = [tuple(map(int, found[1].split("."))) for found in map(GLIBC_SYMBOL.fullmatch, versions) if found]
    program = files.get(os.path.relpath(os.path.realpath(os.path.join(root, executable)), os.path.realpath(root)))
    return Needs(
        libraries={name: tuple(sorted(libraries[name])) for name in sorted(libraries)},
        glibc=".".join(map(str, max(numbers)[:2])) if numbers else "",
        machine=MACHINES.get(program.machine, program.machine) if program else "",
        loader=program.loader if program else "",
    )


GLIBC_SYMBOL = re.compile(r"GLIBC_(\d+\.\d+(?:\.\d+)?)")


def elf_files(root: str) -> Iterator[tuple[str, Dependencies]]:
    """Yield the path of each dynamically linked ELF file in an environment, relative to the root."""
    for file in walk_files(root):
        if file.kind == "file" and file.size > len(MAGIC) and not file.path.endswith((".py", ".pyc", ".h")):
            try:
                with open_regular_file(os.path.join(root, file.path)) as opened:
                    if opened.read(len(MAGIC)) != MAGIC:
                        continue
                    opened.seek(0)
                    found = read_dependencies(opened.read())
            except OSError:
                continue
            if found:
                yield file.path, found


def find_missing(root: str, needs: Needs, environ: Mapping[str, str]) -> list[Missing]:
    """Return the libraries that the loader of this system does not find for the files of an environment."""
    if needs.loader and not os.path.exists(needs.loader):
        name = os.path.basename(needs.loader)
        return [Missing(name, "", "does not exist: this system does not use glibc, or has another instruction set")]
    missing = []
    answers: dict[str, str] = {}
    for library, paths in needs.libraries.items():
        path = paths[0]
        if path not in answers:
            answers[path] = loader_answer(needs.loader, os.path.join(root, path), environ)
        if re.search(rf"(?m)^\s*{re.escape(library)} => not found", answers[path]):
            missing.append(Missing(library, path, "is not installed"))
    have = glibc_version()
    if needs.glibc and have and as_numbers(have) < as_numbers(needs.glibc):
        missing.append(Missing("glibc", "", f"is version {have}, and {needs.glibc} or later is needed"))
    return missing


def loader_answer(loader: str, path: str, environ: Mapping[str, str]) -> str:
    """Return what the loader prints about the libraries of a file; empty if it cannot be run."""
    variables = {
        **python_environ(environ),
        "LD_TRACE_LOADED_OBJECTS": "1",
    }  # as `ldd` does; `--list` stops at a missing library
    try:
        listed = run_program([loader, path], variables, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (listed.stdout + listed.stderr).decode("utf-8", "replace")


def glibc_version() -> str:
    """Return the version of glibc on this system; empty if it has another C library."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ""
    return text.removeprefix("glibc ").strip()


def as_numbers(version: str) -> tuple[int, ...]:
    """Return a version of glibc for comparison."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
