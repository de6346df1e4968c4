"""Environments below a directory; it looks at names, and into no environment."""

from __future__ import annotations

import os

SKIPPED_NAMES = frozenset((".git", ".hg", "node_modules", "__pycache__", "proc", "sys", "dev"))


def environments_below(directory: str) -> list[str]:
    """Return every directory with a `pyvenv.cfg` at or below one, by path; links are not followed."""
    found = []
    for parent, names, files in os.walk(directory):
        if "pyvenv.cfg" in files:
            found.append(parent)
            names.clear()
        else:
            names[:] = sorted(name for name in names if name not in SKIPPED_NAMES)
    return sorted(found)
