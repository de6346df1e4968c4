"""The file list of an image: its directories and files, and a cheap check that they are intact."""

from __future__ import annotations

import os

from cloche.errors import ClocheError
from cloche.fs import paths_in, read_regular_file
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Sequence


class FileList(Value):
    """The contents of one tree of an image, as one column for each property of a file.

    A warm run checks a thousand files. Columns can be read and compared without creating an object for each file.
    """

    directories: Sequence[str]
    """Relative to the tree, with `/`; parents first."""
    paths: Sequence[str]
    """The files, relative to the tree, with `/`."""
    sizes: Sequence[int]
    """In bytes, in the order of the paths."""
    hashes: Sequence[str]
    """SHA-256 in hexadecimal, in the order of the paths."""
    mtime_ns: int
    """The modification time of every file."""


HEADER = "cloche image 2"


def format_file_list(files: FileList) -> str:
    """Return a file list as text: header, counts and time, then each column with one line per item."""
    counts = f"{len(files.directories)} {len(files.paths)} {files.mtime_ns}"
    sizes = map(str, files.sizes)
    return "\n".join([HEADER, counts, *files.directories, *files.paths, *sizes, *files.hashes, "end", ""])


def read_file_list(path: str) -> FileList:
    """Read the file list at an absolute path.

    :raises OSError: the file cannot be read.
    :raises ValueError: the file is not a complete file list.
    """
    lines = read_regular_file(path).decode("utf-8").split("\n")
    directories, files, mtime = (int(word) for word in lines[1].split(" ")) if len(lines) > 1 else (0, 0, 0)
    if lines[0] != HEADER or lines[-2:] != ["end", ""] or len(lines) != 4 + directories + 3 * files:
        raise ValueError("not a complete file list")
    first = 2 + directories
    return FileList(
        directories=lines[2:first],
        paths=lines[first : first + files],
        sizes=[*map(int, lines[first + files : first + 2 * files])],
        hashes=lines[first + 2 * files : -2],
        mtime_ns=mtime,
    )


EXECUTE_BITS = 0o111


def shared_mode(path: str) -> int:
    """Return the mode that the file list at `path` and all its files share, apart from the execute bits.

    All of them were created with the same bits, but some file systems report different ones.
    """
    return os.lstat(path).st_mode | EXECUTE_BITS


class DamagedImage(ClocheError):
    """A file of an image is missing or modified. The store creates the image again when it is requested."""


def check_files(files: FileList, kind: int, root: str, directory: int | None) -> None:
    """Check the files in the tree `root` against a file list, without reading them.

    A file that was truncated, replaced or edited has a different size or time (in nanoseconds). If its permissions were
    changed, say in an environment that shares it by a hard link, it has a different `shared_mode`.

    :param kind: the `shared_mode` of the file list.
    :param directory: an open descriptor of `root`; None for absolute paths.
    :raises DamagedImage: a file is missing or modified.
    """
    stat, mtime = os.stat, files.mtime_ns
    for path, name, size in zip(files.paths, paths_in(files.paths, root, directory), files.sizes, strict=True):
        try:
            found = stat(name, dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            raise DamagedImage(f"`{root}/{path}` is missing") from None
        if found.st_size != size or found.st_mtime_ns != mtime or found.st_mode | EXECUTE_BITS != kind:
            raise DamagedImage(f"`{root}/{path}` was modified")
