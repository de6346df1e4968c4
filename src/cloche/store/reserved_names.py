"""Names that belong to the environment itself: its interpreters, its activation scripts and its own files.

A wheel that contains one of them could replace what every other program in the environment depends on. The rules are the same
on every platform, so that a wheel is accepted everywhere or nowhere.
"""

from __future__ import annotations

import re

from cloche.apply.staging import NAME_PREFIX
from cloche.fs.manifests import is_own_file

INTERPRETER = re.compile(r"(?:python|pypy|graalpy)w?[\d.]*t?d?")
"""An interpreter, as the creators of all tools name it: `python`, `python3.13t`, `pythonw`, `pypy3.10`."""

ACTIVATION = re.compile(r"(?:de)?activate(?:\..*)?|activate_this|pydoc\.bat")
"""A script that an activator creates. `pydoc` is allowed: the environment has a program of that name only on Windows."""

SUFFIXES = re.compile(r"(?:\.(?:exe|com|bat|cmd|ps1|vbs|js|pyw?)|-script\.pyw?)+")
"""What Windows, or an installer for Windows, adds to the name of a program."""

OWN_DIRECTORIES = frozenset(("bin", "include", "lib", "lib64", "scripts"))
"""Directories of the environment in its root, which no file can replace."""

VERSION_CONTROL = frozenset(
    ".bzr .fslckout .git .hg .jj .pijul .repo .sl .svn _darcs _fossil_ cvs".split()  # lower case
)
"""Files and directories in which version-control systems keep a history, which may exist nowhere else.

In an environment, one from a wheel would make such a system run the programs that its settings name.
"""

CONDA_DIRECTORY = "conda-meta"
"""The directory that marks an environment of conda. cloche would refuse to change an environment that has one."""

PROGRAM_DIRECTORIES = frozenset(("bin", "scripts"))


def is_reserved_program(name: str) -> bool:
    """Return whether a name is reserved in the directory for programs. Case does not matter, as on macOS and Windows."""
    folded = name.casefold()
    stem = SUFFIXES.sub("", folded) if SUFFIXES.search(folded) else folded
    if is_own_file(folded) or folded.endswith("._pth"):  # Python reads `pyvenv.cfg` beside its executable as well
        return True
    return any(
        INTERPRETER.fullmatch(text) or ACTIVATION.fullmatch(text) for text in (folded, stem, folded.rstrip(". "))
    )


def is_reserved_path(path: str) -> bool:
    """Return whether a path below the root of an environment is reserved."""
    top, slash, rest = path.casefold().partition("/")
    if is_own_file(top) or top in VERSION_CONTROL or top == CONDA_DIRECTORY or (not slash and top in OWN_DIRECTORIES):
        return True
    if top.startswith(NAME_PREFIX):  # of a staging directory, in which the next run would look for unfinished work
        return True
    return top in PROGRAM_DIRECTORIES and is_reserved_program(rest.partition("/")[0])
