"""Locks between processes that would otherwise do the same work twice; nothing may rely on one for correctness.

Where the file system has no locks, the work is done twice. Only a run that builds something takes one, so that what
importing filelock costs (50 ms) is paid beside work that takes longer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from cloche.fs.lock_owner import author, sign, withdraw

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
        yield author(f"{path}.holder")
        return
    except (OSError, NotImplementedError):  # no directory, a link in its place, a file system without locks
        yield ""
        return
    note = sign(f"{path}.holder")
    try:
        yield None
    finally:
        withdraw(f"{path}.holder", note)
        lock.release()


def _refuse_planted(path: str) -> None:
    """:raises OSError: what stands there is no file, or one that has another name as well: opening it would empty it."""
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise OSError(errno.EINVAL, "not a lock file", path)
