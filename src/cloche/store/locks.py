"""Locks between processes that would otherwise do the same work twice; nothing may rely on one for correctness.

filelock would serve too, but importing it costs 50 ms of the first run on a machine. Where the file system has no
locks, the work is done twice.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAUSE = 0.02
"""Seconds between two attempts."""

HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What systems answer where somebody else has the lock."""

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # a byte that nobody reads, so that the holder's name stays readable
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def hold(path: str, seconds: float) -> Iterator[str | None]:
    """Hold the lock that the file at `path` stands for; the file stays, and the system releases it if we are killed.

    It gives None if the lock is held, else who held it for all of `seconds`; an empty text where there are no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError:
        yield ""
        return
    try:
        yield _wait(descriptor, time.monotonic() + seconds)
    finally:
        os.close(descriptor)


def _wait(descriptor: int, deadline: float) -> str | None:
    while True:
        try:
            _take(descriptor)
            _write_holder(descriptor)
            return None
        except OSError as error:
            if error.errno not in HELD:  # ENOSYS, ENOLCK, EOPNOTSUPP: this file system has no locks
                return ""
        if time.monotonic() >= deadline:
            return _read_holder(descriptor)
        time.sleep(PAUSE)


def _write_holder(descriptor: int) -> None:
    """Write who we are into the lock file, for whoever waits for us too long."""
    command = " ".join(sys.argv).replace("\n", " ")[:200]
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} (`{command}`)".encode("utf-8", "backslashreplace"))


def _read_holder(descriptor: int) -> str:
    with contextlib.suppress(OSError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        return os.read(descriptor, 400).decode("utf-8", "replace") or "a process that did not say its name"
    return "a process that did not say its name"
