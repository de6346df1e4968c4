"""Find environments below a directory, by file names alone."""

from __future__ import annotations

import os

SKIPPED_NAMES = frozenset((".git", ".hg", "node_modules", "__pycache__", "proc", "sys", "dev"))


def environments_below(directory: str) -> list[str]:
    """Return the directories that contain a `pyvenv.cfg`, at or below `directory`, sorted.

    Symbolic links are not followed, and environments inside other environments are not reported.
    """
    found = []
    for parent, names, files in os.walk(directory):
        if "pyvenv.cfg" in files:
            found.append(parent)
            names.clear()
        else:
            names[:] = sorted(name for name in names if name not in SKIPPED_NAMES)
    return sorted(found)
