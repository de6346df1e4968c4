"""A plugin that lists a project's environments in a file `.python-envs`, so that tools find them (PEP 832, a draft).

Each line is the path of an environment, relative to the file or absolute, and the last one is the default. A directory
`.venv` beside the file is always the default, and is not listed.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cloche import Result, hookimpl

if TYPE_CHECKING:
    from pathlib import Path

NAME = ".python-envs"
LOCK = f"{NAME}.lock"
"""The lock file that other tools take before they write the list."""

PATIENCE = 60
"""Seconds to wait for other tools that write the list."""


@hookimpl
def cloche_created(result: Result) -> None:
    root = result.environment.root
    project = root.parent
    if root.name != ".venv" and (project / "pyproject.toml").is_file():
        from filelock import FileLock  # takes longer to import than most runs need for everything else

        line = line_for(root)
        with FileLock(project / LOCK, timeout=PATIENCE):
            add_line(project / NAME, line)


def line_for(root: Path) -> bytes:
    """Return the line for an environment beside the list.

    :raises ValueError: readers of the list would read another path.
    """
    name = root.name
    if name != name.rstrip() or len(name.splitlines()) != 1:
        raise ValueError(f"`{NAME}` cannot contain the name {name!r}, which does not fit on one line")
    if name != name.lstrip() or name.startswith("#"):  # readers strip spaces, and skip comments
        name = f"./{name}"
    return name.encode()


def add_line(listing: Path, line: bytes) -> None:
    """Add a line to the list, unless another line leads to the same environment.

    :raises OSError: the list cannot be read or written; it is unchanged.
    """
    mode = 0
    content = b""
    if os.path.lexists(listing):
        mode = listing.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError(f"`{listing}` is not a regular file")
        content = listing.read_bytes()
    target = resolve(line, listing)
    if any(resolve(other, listing) == target for other in content.splitlines()):
        return
    separator = b"" if content.endswith(b"\n") or not content else b"\n"
    temporary = listing.with_name(f"{NAME}.new")
    temporary.unlink(missing_ok=True)  # a killed run left it
    try:
        with temporary.open("xb") as file:
            file.write(content + separator + line + b"\n")
        if mode:
            temporary.chmod(stat.S_IMODE(mode))
        temporary.replace(listing)
    finally:
        temporary.unlink(missing_ok=True)


def resolve(line: bytes, listing: Path) -> str:
    """Return the path that a line of the list leads to, for comparison; a line that cannot be a path is returned as it is."""
    text = line.decode("utf-8", "surrogateescape").strip()
    try:
        return os.path.normcase(os.path.realpath(listing.parent / text))
    except (OSError, ValueError):
        return text
