"""What a plan consists of, and the only code that performs it.

An operation names its place relative to the environment's root, with `/`. Performing makes new directory entries and
never follows or overwrites one that is there: the transaction gives it an empty directory.
"""

from __future__ import annotations

import os

from cloche.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from cloche.model import LinkMode


@value
class MakeDir:
    """Make a directory; its parent is made by an earlier operation or is the root. One that is there is kept."""

    path: str


@value
class Link:
    """Make a symbolic link."""

    path: str
    target: str
    """As it will stand in the link: absolute, or relative to the link's directory."""


@value
class Copy:
    """Copy a file from outside the environment, its permission bits included."""

    path: str
    source: str
    """Absolute."""


@value
class Write:
    """Write a file whose content is known."""

    path: str
    content: bytes
    executable: str = "no"
    """`yes` for a file that is run: mode 0o777 less the umask, else 0o666 less the umask."""


@value
class LayImage:
    """Lay the files of one image directory into a directory of the environment, as its manifest lists them."""

    path: str
    source: str
    """Absolute path of the tree in the store."""
    manifest: str
    """Absolute path of its manifest (see `read_manifest`)."""
    files: int
    size: int
    """Bytes of all files together."""


@value
class Run:
    """Run a program that makes part of the environment; `{root}` in an argument stands for the directory to fill."""

    arguments: tuple[str, ...]
    purpose: str
    """What it does, for people: "let the interpreter's own venv make the environment"."""


if TYPE_CHECKING:
    Operation: TypeAlias = MakeDir | Link | Copy | Write | LayImage | Run


@value
class ManifestEntry:
    """One file of an image."""

    path: str
    """Relative to the tree, with `/`."""
    size: int
    mtime_ns: int
    sha256: str
    """Hexadecimal."""


MANIFEST_HEADER = "cloche image 1"


def write_manifest(directories: Iterable[str], files: Iterable[ManifestEntry]) -> str:
    """Return the text of a manifest: a header, the counts, a line per directory (parents first), a line per file."""
    directories = list(directories)
    lines = [f"{entry.size} {entry.mtime_ns} {entry.sha256} {entry.path}" for entry in files]
    return "\n".join([MANIFEST_HEADER, f"{len(directories)} {len(lines)}", *directories, *lines, "end", ""])


def read_manifest(text: str) -> tuple[list[str], list[str]]:
    """Return a manifest's directories and its file lines (`size mtime_ns sha256 path`, unsplit).

    :raises ValueError: it is not a whole manifest.
    """
    lines = text.split("\n")
    directories, files = (int(count) for count in lines[1].split(" ")) if len(lines) > 1 else (0, -1)
    if lines[0] != MANIFEST_HEADER or lines[-2:] != ["end", ""] or len(lines) != directories + files + 4:
        raise ValueError("not a whole image manifest")
    return lines[2 : 2 + directories], lines[2 + directories : -2]
