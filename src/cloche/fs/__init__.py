"""Read and write regular files, without blocking on a FIFO and without leaving half-written files; paths and mount points.

The modules handle manifests and RECORD, the inputs of a decision, locks, ELF files, TOML, free space, names that file
systems confuse or forbid, and work in threads.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO, Literal, TypeAlias

    LockState: TypeAlias = Literal["locked", "busy", "unsupported"]
    """This process has the lock; another process has it; the platform or the file system does not support locks."""

DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
NO_ACCESS_TIME = getattr(os, "O_NOATIME", 0)
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def is_same_file(one: str, other: str) -> bool:
    """Return whether two paths lead to the same file or directory; False if one of them does not exist."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # ValueError: the locale cannot express a path, or it contains a null character
        return False


def is_within(path: str, directory: str) -> bool:
    """Return whether a path is a directory or is below it, by their text alone.

    `\\` is a separator too, unless the directory begins with `/`: there, it can be part of a name.
    """
    if directory.startswith("/"):
        return path == directory or path.startswith(directory.rstrip("/") + "/")
    return path == directory or path.startswith(((parent := directory.rstrip("/\\")) + "/", parent + "\\"))


def contains_path(directory: str, path: str) -> bool:
    """Return whether a path is `directory` or is below it, with links in both resolved."""
    return is_within(os.path.realpath(path), os.path.realpath(directory))


def directory_and_parents(directory: str) -> Iterator[str]:
    """Yield a directory and every directory above it, the innermost first; nothing if the path is empty or relative."""
    while os.path.isabs(directory):
        yield directory
        if directory == (directory := os.path.dirname(directory)):
            return


def nearest_existing_path(path: str) -> str:
    """Return an absolute path if it exists, otherwise its nearest parent that does."""
    while not os.path.lexists(path) and path != (parent := os.path.dirname(path)):
        path = parent
    return path


def is_mount_point(path: str) -> bool:
    """Return whether a directory is a mount point, which cannot be renamed.

    `os.path.ismount` compares device numbers and so misses bind mounts. Linux lists them in `/proc/self/mountinfo`, with
    backslashes and white space in octal (proc(5)).
    """
    if os.path.ismount(path):
        return True
    mounts = (read_at_most("/proc/self/mountinfo", 1 << 24) or b"").split(b"\n")
    real = os.fsencode(os.path.realpath(path))
    for character in (b"\\", b" ", b"\t", b"\n"):
        real = real.replace(character, b"\\%03o" % ord(character))
    return any(line.split(b" ", 5)[4:5] == [real] for line in mounts)


ST_NOEXEC = getattr(os, "ST_NOEXEC", 0)
"""The flag of `statvfs` for the mount option `noexec`, on Linux; the module `os` of other systems does not have it."""

ST_NOSYMFOLLOW = 0x2000 if sys.platform == "linux" else 0
"""The flag of `statvfs` for the mount option `nosymfollow` of Linux; the module `os` has no name for it."""


def forbids_execution(path: str) -> bool:
    """Return whether a path is, or would be, on a file system that is mounted with `noexec`.

    No program there can be started, whatever its permission bits are. A link there to a program elsewhere works.
    """
    return bool(mount_flags(path) & ST_NOEXEC)


def mount_flags(path: str) -> int:
    """Return the mount flags, as of `statvfs`, of the file system that a path is, or would be, on; 0 if not known."""
    try:
        return os.statvfs(nearest_existing_path(path)).f_flag
    except (AttributeError, OSError):  # Windows has no `statvfs`
        return 0


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`; `os.write` may write only a part of it."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def open_for_reading(path: str, directory: int | None = None, *, more: int = 0) -> int:
    """Return a descriptor to read a file from. The access time of our own files is kept, and a FIFO does not block."""
    try:
        return os.open(path, READING | NO_ACCESS_TIME | more, dir_fd=directory)
    except PermissionError:  # on Linux, only the owner of a file may use `O_NOATIME`
        return os.open(path, READING | more, dir_fd=directory)


def is_unicode(text: str) -> bool:
    """Return whether a text can be encoded in UTF-8; a path with undecodable bytes cannot (PEP 383)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def lines_of(text: str) -> list[str]:
    """Return the lines of a text with their newlines. Unlike `splitlines`, split only at newlines, not inside paths."""
    *complete, rest = text.split("\n")
    return [*(f"{line}\n" for line in complete), *([rest] if rest else [])]


def is_unreadable(path: str) -> bool:
    """Return whether permissions hide what a path leads to, so that it is unknown whether it exists."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except (OSError, ValueError):
        pass
    return False


def list_names(directory: str) -> list[str]:
    """Return the names of the entries of a directory, sorted; none if it cannot be read, or its path contains NUL."""
    try:
        return sorted(os.listdir(directory))
    except (OSError, ValueError):
        return []


def paths_in(paths: Sequence[str], root: str, directory: int | None) -> Sequence[str]:
    """Return paths below `root` for system calls: relative if `directory` is a descriptor of `root`, else absolute.

    System calls with paths relative to a descriptor are 25 % faster.
    """
    return paths if directory is not None else [os.path.join(root, path) for path in paths]


def read_regular_file(path: str, *, follow: bool = False) -> bytes:
    """Return the content of a regular file.

    :param follow: whether the path may be a symbolic link.
    :raises OSError: the file cannot be read, or is not a regular file.
    """
    descriptor = open_for_reading(path, more=0 if follow else getattr(os, "O_NOFOLLOW", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        content = os.read(descriptor, status.st_size + 1)
        if len(content) == status.st_size:
            return content  # fewer bytes than asked for: the end
        pieces = [content]
        while piece := os.read(descriptor, status.st_size + 1):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def open_regular_file(path: str) -> BinaryIO:
    """Open a regular file, or a link to one, for reading bytes.

    :raises OSError: the file cannot be opened, or is not a regular file: a FIFO, a device, a directory.
    """
    descriptor = open_for_reading(path)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return open(descriptor, "rb")


def read_bounded(file: BinaryIO, limit: int) -> bytes:
    """Return at most `limit` bytes of an open file. `file.read(limit)` would reserve the memory for all of them first."""
    pieces = []
    while limit > 0 and (piece := file.read(min(limit, 1 << 20))):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def read_at_most(path: str, limit: int, on_error: Callable[[OSError], None] | None = None) -> bytes | None:
    """Return at most `limit` bytes of a file; None if it cannot be read or is not a regular file.

    :param on_error: called if it cannot be opened or read.
    """
    try:
        descriptor = open_for_reading(path)
    except OSError as error:
        if on_error is not None:
            on_error(error)
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        pieces = []
        while limit > 0 and (piece := os.read(descriptor, min(limit, 1 << 20))):
            pieces.append(piece)
            limit -= len(piece)
        return b"".join(pieces)
    except OSError as error:
        error.filename = path
        if on_error is not None:
            on_error(error)
        return None
    finally:
        os.close(descriptor)


def remove_path(path: str) -> None:
    """Remove a file, a link or a directory tree, without following links; ignore what cannot be removed."""
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)
    else:
        try:
            os.unlink(path)
        except OSError:
            pass


def replace_file(path: str, content: bytes) -> None:
    """Write a private file atomically and replace what exists at `path`; a link is replaced, not followed.

    :raises OSError: a system call failed; an existing file is unchanged.
    """
    temporary = f"{path}.new"
    try:
        descriptor = os.open(temporary, NEW_FILE, 0o600)
    except FileExistsError:
        # A killed run left it, or another run is writing it, which then renames our file instead of its own.
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


def copied_mode(mode: int) -> int:
    """Return the permission bits that `copy_file` gives to the copy of a file with this mode."""
    return mode & 0o777 | 0o200


def copy_content(reading: int, writing: int) -> None:
    """Write the content of one open file to another one."""
    while block := os.read(reading, 1 << 20):
        write_all(writing, block)


def copy_file(
    source: str,
    target: str,
    source_directory: int | None = None,
    target_directory: int | None = None,
    transfer: Callable[[int, int], None] = copy_content,
) -> None:
    """Copy content, permission bits and modification time (which keeps bytecode valid) to a new file.

    The copy is writable: files of an image are read-only because environments share them, but a copy is not shared.

    :param transfer: gives the content of one open file to another one.
    :raises OSError: a system call failed; there is no new file.
    """
    reading = open_for_reading(source, source_directory)
    try:
        status = os.fstat(reading)
        mode = copied_mode(status.st_mode)
        writing = os.open(target, NEW_FILE, mode, dir_fd=target_directory)
        try:
            try:
                if os.chmod in os.supports_fd:
                    os.chmod(writing, mode)  # not reduced by the umask
                transfer(reading, writing)
                if os.utime in os.supports_fd:
                    os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))
                else:
                    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target_directory)
            finally:
                os.close(writing)
        except OSError:
            os.unlink(target, dir_fd=target_directory)  # after closing it, because Windows removes no open file
            raise
    finally:
        os.close(reading)


def try_lock_directory(path: str) -> tuple[int | None, LockState]:
    """Try to lock a directory; return the descriptor that keeps it locked, and the lock's state.

    Closing the descriptor releases the lock. A directory that was removed or replaced meanwhile counts as `busy`.

    :raises OSError: the directory cannot be opened.
    """
    if os.name == "nt":
        return None, "unsupported"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None, "busy"
    state = lock_open_directory(descriptor)
    if state == "locked":
        try:
            same = os.path.samestat(os.fstat(descriptor), os.stat(path))
        except FileNotFoundError:
            same = False
        state = "locked" if same else "busy"
    if state == "busy":
        os.close(descriptor)
        return None, "busy"
    return descriptor, state


def lock_open_directory(descriptor: int) -> LockState:
    """Try to lock a directory by an open descriptor of it; return the lock's state. Closing the descriptor releases it."""
    # Not filelock: every warm run gets here, and importing filelock takes 50 ms. It also locks only files, and a lock file
    # would remain in or beside the environment.
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        return "unsupported"
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except OSError as error:
        return "busy" if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else "unsupported"
    return "locked"
