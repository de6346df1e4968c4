"""Reading and writing regular files safely: links are not followed, reads do not block, and writes are atomic."""

from __future__ import annotations

import errno
import os

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

REGULAR = 0o100000 >> 12
"""The type of a regular file, from the upper bits of `st_mode`."""


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`, in several calls if the system accepts only a part of it."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def open_quietly(path: str, directory: int | None = None, *, more: int = 0) -> int:
    """Open a file for reading, without blocking on a FIFO, and without updating the access time of a file that we own.

    :param more: further flags for `os.open`.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | more
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0), dir_fd=directory)
    except PermissionError:  # Linux allows O_NOATIME only to the owner of the file
        return os.open(path, flags, dir_fd=directory)


def named(paths: Sequence[str], root: str, directory: int | None) -> Sequence[str]:
    """Return the paths of files in `root` for system calls: relative to its open descriptor, or absolute without one.

    Paths relative to a descriptor make the calls a quarter faster.
    """
    return paths if directory is not None else [os.path.join(root, path) for path in paths]


def read_plain(path: str) -> bytes:
    """Return the content of a regular file; do not follow a link.

    :raises OSError: the file cannot be read, or is not a regular file.
    """
    descriptor = open_quietly(path, more=getattr(os, "O_NOFOLLOW", 0))
    try:
        status = os.fstat(descriptor)
        if status.st_mode >> 12 != REGULAR:
            raise OSError(errno.EINVAL, "not a regular file", path)
        pieces = []
        while piece := os.read(descriptor, status.st_size + 1):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(descriptor)


def read_regular(path: str, limit: int) -> bytes | None:
    """Return at most `limit` bytes of a file that anyone may have created; None if it is not a readable regular file.

    A FIFO or a device at `path` does not block.
    """
    try:
        descriptor = open_quietly(path)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_mode >> 12 != REGULAR:
            return None
        pieces = []
        while limit > 0 and (piece := os.read(descriptor, min(limit, 1 << 20))):
            pieces.append(piece)
            limit -= len(piece)
        return b"".join(pieces)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def replace_file(path: str, content: bytes) -> None:
    """Write a private file atomically; it replaces a file, a link or a directory at `path`, and no link is followed.

    :raises OSError: the file cannot be written; the old one may still exist.
    """
    temporary = f"{path}.new"
    try:
        descriptor = os.open(temporary, NEW_FILE, 0o600)
    except (
        FileExistsError
    ):  # left by a killed run; a running one would rename our file instead of its own, which does no harm
        os.unlink(temporary)
        descriptor = os.open(temporary, NEW_FILE, 0o600)
    try:
        try:
            write_all(descriptor, content)
        finally:
            os.close(descriptor)
        try:
            os.replace(temporary, path)
        except IsADirectoryError:
            from shutil import rmtree

            rmtree(path)
            os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def copy_file(
    source: str, target: str, source_directory: int | None = None, target_directory: int | None = None
) -> None:
    """Copy a file to a new file, with its permission bits and its modification time, which keeps byte-code valid.

    The owner may write to the copy, even if the original is read-only as in an image, because nobody shares the copy.
    """
    reading = open_quietly(source, source_directory)
    try:
        status = os.fstat(reading)
        mode = status.st_mode & 0o777 | 0o200
        writing = os.open(target, NEW_FILE, mode, dir_fd=target_directory)
        try:
            if os.chmod in os.supports_fd:
                os.chmod(writing, mode)  # not reduced by the umask
            while block := os.read(reading, 1 << 20):
                write_all(writing, block)
            if os.utime in os.supports_fd:
                os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))
            else:
                os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(writing)
    finally:
        os.close(reading)
