"""Plain files, read and written: nothing is followed, nothing waits, and nothing is left half-written in place of another."""

from __future__ import annotations

import errno
import os

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

REGULAR = 0o100000 >> 12
"""Type of a plain file in the upper bits of its mode."""


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`; the system may take it in pieces."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def open_quietly(path: str, directory: int | None = None, *, more: int = 0) -> int:
    """Open a file for reading, without a trace in its time of access where it is ours; a FIFO holds nobody up."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | more
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0), dir_fd=directory)
    except PermissionError:  # another user's: Linux grants that to the owner alone
        return os.open(path, flags, dir_fd=directory)


def named(paths: Sequence[str], root: str, directory: int | None) -> Sequence[str]:
    """Return paths in the directory `root` as the system takes them, with its open descriptor or where there is none.

    Relative to a descriptor they are quicker by a quarter.
    """
    return paths if directory is not None else [os.path.join(root, path) for path in paths]


def read_plain(path: str) -> bytes:
    """Return what a plain file holds, never through a link.

    :raises OSError: it cannot be read, or is none.
    """
    descriptor = open_quietly(path, more=getattr(os, "O_NOFOLLOW", 0))
    try:
        status = os.fstat(descriptor)
        if status.st_mode >> 12 != REGULAR:
            raise OSError(errno.EINVAL, "not a plain file", path)
        pieces = []
        while piece := os.read(descriptor, status.st_size + 1):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(descriptor)


def read_regular(path: str, limit: int) -> bytes | None:
    """Return at most `limit` bytes of a file that somebody else may have put there; None if it cannot be read or is none.

    A FIFO or a device in its place must not make a run wait.
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
    """Put a private file where another one, a link or a directory may be, whole or not at all; nothing is followed.

    :raises OSError: the system refused; what was there may still be.
    """
    temporary = f"{path}.new"
    try:
        descriptor = os.open(temporary, NEW_FILE, 0o600)
    except FileExistsError:  # of a run that was killed; one that lives puts ours in place, and is no worse off
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
    """Copy a file's bytes, permission bits and modification time (byte-code stays valid by it) to a new file.

    Its owner may write to it: files of an image are read-only because environments share them, and a copy is not shared.
    """
    reading = open_quietly(source, source_directory)
    try:
        status = os.fstat(reading)
        mode = status.st_mode & 0o777 | 0o200
        writing = os.open(target, NEW_FILE, mode, dir_fd=target_directory)
        try:
            if os.chmod in os.supports_fd:
                os.chmod(writing, mode)  # whatever the umask
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
