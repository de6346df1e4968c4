"""The manifest of an image: which directories and files it has, and a cheap look whether these are what was published."""

from __future__ import annotations

import os

from cloche.errors import ClocheError
from cloche.fs.files import named, read_plain
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Sequence


@value
class FileList:
    """What one tree of an image holds, a column for each thing to know of a file.

    A warm run goes through a thousand of them: columns are read, compared and laid down without a value for each.
    """

    directories: Sequence[str]
    """Relative to the tree, with `/`; parents first."""
    paths: Sequence[str]
    """Of the files, likewise."""
    sizes: Sequence[int]
    """In bytes, in the order of the paths."""
    hashes: Sequence[str]
    """SHA-256 in hexadecimal, in the order of the paths."""
    mtime_ns: int
    """The time of every file."""


HEADER = "cloche image 2"


def format_file_list(manifest: FileList) -> str:
    """Return a manifest as text: header, counts and time, then each column with a line for each of its items."""
    counts = f"{len(manifest.directories)} {len(manifest.paths)} {manifest.mtime_ns}"
    sizes = map(str, manifest.sizes)
    return "\n".join([HEADER, counts, *manifest.directories, *manifest.paths, *sizes, *manifest.hashes, "end", ""])


def read_file_list(path: str) -> FileList:
    """Return the manifest in the file at an absolute path.

    :raises OSError: it cannot be read.
    :raises ValueError: it is not a whole manifest.
    """
    lines = read_plain(path).decode("utf-8").split("\n")
    directories, files, mtime = (int(word) for word in lines[1].split(" ")) if len(lines) > 1 else (0, 0, 0)
    if lines[0] != HEADER or lines[-2:] != ["end", ""] or len(lines) != 4 + directories + 3 * files:
        raise ValueError("not a whole image manifest")
    first = 2 + directories
    return FileList(
        directories=lines[2:first],
        paths=lines[first : first + files],
        sizes=[*map(int, lines[first + files : first + 2 * files])],
        hashes=lines[first + 2 * files : -2],
        mtime_ns=mtime,
    )


RUN_BITS = 0o111


def kind_of(path: str) -> int:
    """Return what a manifest at that path and the files that it lists have in common: type and permissions but to run.

    They were made with the same bits, which some file systems show as others.
    """
    return os.lstat(path).st_mode | RUN_BITS


class DamagedImage(ClocheError):
    """A file of an image is not what was published; whoever asked for the image may have it built again."""


def look(manifest: FileList, kind: int, root: str, directory: int | None) -> None:
    """Make sure of the files of a manifest in the tree `root`, as far as a cheap look at each can tell.

    One that was cut short, emptied, replaced or edited in place shows another size or another time (in nanoseconds), and
    one whose permissions were changed, in an environment that shares it by a hard link, another `kind_of`.

    `directory` is an open descriptor of `root`, or None.

    :raises DamagedImage: one is not what was published.
    """
    stat, mtime = os.stat, manifest.mtime_ns
    for path, name, size in zip(manifest.paths, named(manifest.paths, root, directory), manifest.sizes, strict=True):
        try:
            found = stat(name, dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            raise DamagedImage(f"`{root}/{path}` is missing") from None
        if found.st_size != size or found.st_mtime_ns != mtime or found.st_mode | RUN_BITS != kind:
            raise DamagedImage(f"`{root}/{path}` was changed")
