"""Compare directory trees to the last byte, mode and link."""

from __future__ import annotations

import os
import stat


def snapshot(root: str | os.PathLike[str]) -> dict[str, tuple[object, ...]]:
    """Return everything below a directory by relative path: kind, permission bits, and bytes or link text."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFLNK:
                content: object = os.readlink(path)
            elif kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    content = file.read()
            else:
                content = None
            found[os.path.relpath(path, root)] = (kind, stat.S_IMODE(status.st_mode), content)
    return found
