"""Locks between processes that would otherwise do the same work twice; nothing may rely on one for correctness.

Where the file system has no locks, the work is done twice. Only a run that builds something takes one, so that what
importing filelock costs (50 ms) is paid beside work that takes longer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING

from cloche.operations import read_plain

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def hold(path: str, seconds: float) -> Iterator[str | None]:
    """Hold the lock that the file at `path` stands for; the file stays, and the system releases it if we are killed.

    It gives None if the lock is held, else who held it for all of `seconds`; an empty text where there are no locks.
    """
    from filelock import FileLock, Timeout

    if not os.path.isdir(os.path.dirname(path)):  # filelock would make it, with other permissions than ours
        yield ""
        return
    lock = FileLock(path, timeout=seconds, mode=0o600)
    try:
        _refuse_planted(path)
        lock.acquire(poll_interval=0.02)
    except Timeout:
        yield _holder(path)
        return
    except (OSError, NotImplementedError):  # no directory, a link in its place, a file system without locks
        yield ""
        return
    try:
        _sign(path)
        yield None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(f"{path}.holder")
        lock.release()


def _refuse_planted(path: str) -> None:
    """:raises OSError: what stands there is no file, or one that has another name as well: opening it would empty it."""
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise OSError(errno.EINVAL, "not a lock file", path)


def _sign(path: str) -> None:
    """Write who we are beside the lock, for whoever waits for us too long."""
    command = " ".join(sys.argv).replace("\n", " ")[:200]
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with contextlib.suppress(OSError):
        os.unlink(f"{path}.holder")  # of one that was killed
    with contextlib.suppress(OSError):
        descriptor = os.open(f"{path}.holder", flags, 0o600)
        try:
            os.write(descriptor, f"process {os.getpid()} (`{command}`)".encode("utf-8", "backslashreplace"))
        finally:
            os.close(descriptor)


def _holder(path: str) -> str:
    nameless = "a process that did not say its name"
    try:
        return read_plain(f"{path}.holder")[:400].decode("utf-8", "replace") or nameless
    except OSError:
        return nameless
