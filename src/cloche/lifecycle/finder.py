"""Find environments below a directory, by file names alone."""

from __future__ import annotations

import os

SKIPPED_NAMES = frozenset((".git", ".hg", "node_modules", "__pycache__", "proc", "sys", "dev"))


INSTALLED_NAMES = frozenset(("bin", "include", "lib", "lib64", "Include", "Lib", "Scripts"))
"""The directories of an environment in which packages and programs are installed."""


def environments_below(directory: str) -> list[str]:
    """Return the directories that contain a `pyvenv.cfg`, at or below `directory`, sorted.

    Symbolic links are not followed. The directories of an environment in which packages and programs are installed are not
    searched; another environment may be beside them.
    """
    found = []
    for parent, names, files in os.walk(directory):
        skipped = SKIPPED_NAMES
        if "pyvenv.cfg" in files:
            found.append(parent)
            skipped |= INSTALLED_NAMES
        names[:] = sorted(name for name in names if name not in skipped)
    return sorted(found)
