"""Locks on directories that the system releases however their owner ends."""

from __future__ import annotations

import errno
import os


def lock(path: str) -> tuple[int | None, str]:
    """Try to lock a directory; return the descriptor that holds it and `by us`, `by another` or `by nobody` (it cannot).

    The lock ends with its process, however that ends. One on a directory that was removed meanwhile does not count.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        return None, "by nobody"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None, "by another"
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            os.close(descriptor)
            return None, "by another"
        return descriptor, "by nobody"  # a file system without locks
    try:
        same = os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        same = False
    if not same:
        os.close(descriptor)
        return None, "by another"
    return descriptor, "by us"
