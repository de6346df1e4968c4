"""A plugin that lists a project's environments in a file `.python-envs`, so that tools find them (PEP 832, a draft).

Each line is the path of an environment, relative to the file or absolute, and the last one is the default. A directory
`.venv` beside the file is always the default, and is not listed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cloche import Environment, Result, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = ".python-envs"
LOCK = f"{NAME}.lock"
"""The lock file that other tools take before they write the list."""

LOCK_TIMEOUT = 60
"""Seconds to wait for other tools that write the list."""


@hookimpl
def cloche_created(result: Result) -> None:
    root = result.environment.root
    if is_listed(root):
        line = line_for(root)
        with_lock(root.parent, lambda: add_line(root.parent / NAME, line))


@hookimpl
def cloche_moved(environment: Environment, old: str) -> None:
    new, listing = environment.root, Path(old).parent / NAME
    line = line_for(new) if is_listed(new) else b""
    if not os.path.lexists(old) and os.path.lexists(listing):
        stays = line if new.parent == listing.parent else b""
        with_lock(listing.parent, lambda: replace_lines(listing, os.fsencode(Path(old).name), stays))
    if line:
        with_lock(new.parent, lambda: add_line(new.parent / NAME, line))


def is_listed(root: Path) -> bool:
    """Return whether an environment belongs in a list: it is in the directory of a project, and not the default one."""
    return root.name != ".venv" and (root.parent / "pyproject.toml").is_file()


def with_lock(project: Path, act: Callable[[], None]) -> None:
    """Call a function while no other tool writes the list of a project."""
    from filelock import FileLock  # takes longer to import than most runs need for everything else

    with FileLock(project / LOCK, timeout=LOCK_TIMEOUT):
        act()


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
    content = read_list(listing)
    target = resolve(line, listing)
    if all(resolve(other, listing) != target for other in content.splitlines()):
        separator = b"" if content.endswith(b"\n") or not content else b"\n"
        write_list(listing, content + separator + line + b"\n")


def replace_lines(listing: Path, old: bytes, new: bytes) -> None:
    """Replace the lines that lead to an environment that was moved, so that it keeps its place in the list.

    :param new: its new line; empty if it is no longer beside the list.
    :raises OSError: the list cannot be read or written; it is unchanged.
    """
    content, target = read_list(listing), resolve(old, listing)
    lines = []
    for line in content.splitlines(keepends=True):
        text = line.rstrip(b"\r\n")
        is_old = bool(text.strip()) and not text.lstrip().startswith(b"#") and resolve(text, listing) == target
        if not is_old:
            lines.append(line)
        elif new:
            lines.append(new + line[len(text) :])
    if (changed := b"".join(lines)) != content:
        write_list(listing, changed)


def read_list(listing: Path) -> bytes:
    """Return the content of the list; nothing if it does not exist.

    :raises OSError: it cannot be read, or is not a regular file.
    """
    if not os.path.lexists(listing):
        return b""
    if not stat.S_ISREG(listing.lstat().st_mode):
        raise OSError(f"`{listing}` is not a regular file")
    return listing.read_bytes()


def write_list(listing: Path, content: bytes) -> None:
    """Replace the list as a whole; its permissions are kept.

    :raises OSError: it cannot be written; it is unchanged.
    """
    mode = listing.lstat().st_mode if os.path.lexists(listing) else 0
    temporary = listing.with_name(f"{NAME}.new")
    temporary.unlink(missing_ok=True)  # a killed run left it
    try:
        with temporary.open("xb") as file:
            file.write(content)
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
