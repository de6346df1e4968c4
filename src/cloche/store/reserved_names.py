"""Names that belong to the environment itself: its interpreters, its activation scripts and its own files.

A wheel that contains one of them could replace what every other program in the environment depends on. The rules are the same
on every platform, so that a wheel is accepted everywhere or nowhere.
"""

from __future__ import annotations

import re

from cloche.fs.manifests import MANIFEST

INTERPRETER = re.compile(r"(?:python|pypy|graalpy)w?[\d.]*t?d?")
"""An interpreter, as the creators of all tools name it: `python`, `python3.13t`, `pythonw`, `pypy3.10`."""

ACTIVATION = re.compile(r"(?:de)?activate(?:\..*)?|activate_this|pydoc\.bat")
"""A script that an activator creates. `pydoc` is allowed: the environment has a program of that name only on Windows."""

SUFFIXES = re.compile(r"(?:\.(?:exe|com|bat|cmd|ps1|vbs|js|pyw?)|-script\.pyw?)+")
"""What Windows, or an installer for Windows, adds to the name of a program."""

OWN_FILES = frozenset(("pyvenv.cfg", MANIFEST, ".gitignore", "cachedir.tag"))
"""Files of the environment in its root; Python reads `pyvenv.cfg` beside its executable as well."""

PROGRAM_DIRECTORIES = frozenset(("bin", "scripts"))


def is_reserved_program(name: str) -> bool:
    """Return whether a name is reserved in the directory for programs. Case does not matter, as on macOS and Windows."""
    folded = name.casefold()
    stem = SUFFIXES.sub("", folded) if SUFFIXES.search(folded) else folded
    if folded in OWN_FILES or folded.endswith("._pth"):
        return True
    return any(
        INTERPRETER.fullmatch(text) or ACTIVATION.fullmatch(text) for text in (folded, stem, folded.rstrip(". "))
    )


def is_reserved_path(path: str) -> bool:
    """Return whether a path below the root of an environment is reserved."""
    directory, slash, name = path.partition("/")
    if not slash:
        return directory.casefold() in OWN_FILES
    return directory.casefold() in PROGRAM_DIRECTORIES and "/" not in name and is_reserved_program(name)
