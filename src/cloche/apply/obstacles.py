"""What to say after a failed system call, and obstacles: what forbids a change although the permission bits allow it.

An attribute such as `immutable` stops even the superuser: ioctl_iflags(2) and chattr(1) on Linux, chflags(2) on macOS and BSD.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from typing import TYPE_CHECKING

from cloche.errors import ClocheError, DestinationError, reason_of
from cloche.fs import READING, list_names
from cloche.shells import quote_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    Flags: TypeAlias = tuple[tuple[int, str, str], ...]
    """Bits, with their names and the argument of the program that removes the attribute."""

GET_FLAGS = 0x80006601 | struct.calcsize("l") << 16
"""`FS_IOC_GETFLAGS`, as most architectures of Linux number it; on the others, no attribute is found."""

LINUX_FLAGS: Flags = ((0x10, "immutable", "-i"), (0x20, "append-only", "-a"))
"""`FS_IMMUTABLE_FL` and `FS_APPEND_FL`, with their names, and the argument of `chattr` that removes them."""

BSD_FLAGS: Flags = (
    (stat.UF_IMMUTABLE, "immutable", "nouchg"),
    (stat.SF_IMMUTABLE, "immutable", "noschg"),
    (stat.UF_APPEND, "append-only", "nouappnd"),
    (stat.SF_APPEND, "append-only", "nosappnd"),
)
"""The same for `chflags`."""


def remedy_for(error: OSError, target: str = "") -> str:
    """Return what to do after a failed system call, for a hint.

    :param target: absolute path of what was to be changed, if it is not one of the paths of the error.
    """
    if obstacle := find_obstacle(error, target):
        return obstacle
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space, or choose a directory on another disk"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "check the permissions of the directory"
    if error.errno == errno.EROFS:
        return "choose a directory on a file system that is not read-only"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "raise the limit of open files with `ulimit -n`"
    if error.errno == errno.EFBIG:
        return "raise the limit of the size of a file with `ulimit -f`, or choose a directory on another file system"
    if error.errno == errno.EEXIST:
        return "two files have the same path there, for example because the file system ignores case"
    if error.errno == errno.EIO:
        return "check the disk for errors"
    return "`--traceback` shows where it failed"


def staging_error(target: str, error: OSError) -> ClocheError:
    """Return the error to raise when no staging directory can be created for `target`."""
    message = f"cannot write `{target}`: {reason_of(error)}"
    if obstacle := find_obstacle(error, target):
        return DestinationError(message, hint=obstacle)
    if error.errno == errno.EROFS:
        return DestinationError(message, hint="mount its file system for writing, or choose another directory")
    if error.errno in (errno.EACCES, errno.EPERM):
        return DestinationError(message, hint="change its permissions, or choose another directory")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT):
        return DestinationError(message, hint="choose another directory")
    return ClocheError(message)


def find_obstacle(error: OSError, target: str) -> str:
    """Return the obstacle that a failed system call met, and how to remove it, for a hint; empty if none is known.

    :param target: absolute path of what was to be changed, in addition to the paths of the error.
    """
    if error.errno not in (errno.EPERM, errno.EACCES, errno.EBUSY):
        return ""
    named = [
        path for path in (error.filename, error.filename2, target) if isinstance(path, str) and os.path.isabs(path)
    ]
    paths = dict.fromkeys(place for path in named for place in (path, os.path.dirname(path)))
    find = mount_remedy if error.errno == errno.EBUSY else attribute_or_owner
    return next(filter(None, map(find, paths)), "")


def mount_remedy(path: str) -> str:
    """Return a remedy if a path is a mount point; otherwise empty."""
    return f"`{path}` is a mount point: unmount it" if os.path.ismount(path) else ""


def attribute_or_owner(path: str) -> str:
    """Return what prevents a change to a path: an attribute, or a sticky directory; empty if there is neither."""
    for name, program, argument in attributes_of(path):
        return f"`{path}` is {name}, which `{quote_words([program, argument, path], os.name)}` changes"
    parent = os.path.dirname(path)
    try:
        directory, entry = os.lstat(parent), os.lstat(path)
    except OSError:
        return ""
    if os.name != "nt" and directory.st_mode & stat.S_ISVTX and os.geteuid() not in (0, entry.st_uid, directory.st_uid):
        return f"`{path}` belongs to another user, and `{parent}` is a directory in which only owners can move files"
    return ""


def commands_before_removal(path: str, *, below: bool = True) -> list[str]:
    """Return the commands after which a path can be removed; each removes an attribute.

    :param below: whether everything in the directory is to be removed as well.
    """
    found = {
        (program, argument)
        for directory, _, files in (os.walk(path) if below else [(path, (), ())])
        for entry in (directory, *(os.path.join(directory, name) for name in files))
        for _, program, argument in attributes_of(entry)
    }
    options = ["-R"] if below else []
    return [quote_words([program, *options, argument, path], os.name) for program, argument in sorted(found)]


def attributes_of(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield the attributes that forbid changes to a path: their names, and program and argument that remove them."""
    if hasattr(os, "chflags"):
        program, known, flags = "chflags", BSD_FLAGS, bsd_flags(path)
    else:
        program, known, flags = "chattr", LINUX_FLAGS, linux_flags(path)
    for flag, name, argument in known:
        if flags & flag:
            yield name, program, argument


def bsd_flags(path: str) -> int:
    """Return the attributes of a file or directory on macOS and BSD; 0 if they cannot be read."""
    try:
        return int(getattr(os.lstat(path), "st_flags", 0))
    except OSError:
        return 0


def linux_flags(path: str) -> int:
    """Return the attributes of a file or directory on Linux; 0 if it has none, or they cannot be read."""
    try:
        from fcntl import ioctl

        descriptor = os.open(path, READING | os.O_NOFOLLOW)
        try:
            return int(struct.unpack_from("i", ioctl(descriptor, GET_FLAGS, b"\0" * struct.calcsize("l")))[0])
        finally:
            os.close(descriptor)
    except (ImportError, OSError):
        return 0


def removal_warning(left: str) -> str:
    """Return the warning about a staging directory that could not be removed, with what is in it."""
    commands = [*commands_before_removal(left), *commands_before_removal(os.path.dirname(left), below=False)]
    allowed = "".join(f"; `{command}` allows you to remove it" for command in commands[:1])
    if not list_names(left):
        return f"the staging directory `{left}` could not be removed{allowed}"
    return f"what was replaced could not be removed completely: the rest is in `{left}`{allowed}"
