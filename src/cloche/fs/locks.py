"""Locks between processes. The system releases them when their owner exits or is killed.

- `DirectoryLock` keeps other runs away from an environment while it is changed.
- `FileLock` keeps processes from doing the same work twice.
"""

from __future__ import annotations

import errno
import os
import stat
from time import monotonic, sleep

from cloche.errors import ClocheError
from cloche.fs import try_lock_directory
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from filelock import BaseFileLock

    from cloche.fs import LockState

    Identity: TypeAlias = tuple[int, int]
    """The device and inode of a directory."""

LOCK_TIMEOUT = 60.0
"""Seconds to wait for another run that changes the same environment."""

POLL_INTERVAL = 0.02
"""Seconds between two attempts."""


class ReplacedMeanwhile(ClocheError):
    """Another process has replaced or removed a directory since it was read; what was planned does not fit what is there."""


def identity_of(path: str) -> Identity | None:
    """Return the identity of a directory, to pass to `DirectoryLock` later; None if it does not exist."""
    try:
        return identity_in(os.stat(path))
    except OSError:
        return None


def identity_in(status: os.stat_result) -> Identity:
    """Return the identity of the directory that has this status."""
    return status.st_dev, status.st_ino


class DirectoryLock:
    """A context manager that keeps other runs away from a directory while it is changed.

    A link leads to the directory to lock. It does not wait for a directory that does not exist or cannot be locked.

    :raises ReplacedMeanwhile: it is not the directory that the caller has read.
    :raises ClocheError: another process had the lock for longer than `LOCK_TIMEOUT`.
    """

    def __init__(self, path: str, expected: Identity | None = None) -> None:
        """Prepare to lock a directory.

        :param expected: its identity when the caller read it; None if the caller reads it under the lock.
        """
        self.path = path
        self.expected = expected
        self._descriptor: int | None = None

    def __enter__(self) -> DirectoryLock:
        deadline = monotonic() + LOCK_TIMEOUT
        while True:
            self._descriptor, state = try_lock_directory(os.path.realpath(self.path))
            if state != "busy" or not os.path.isdir(self.path):
                break
            if monotonic() > deadline:
                raise ClocheError(
                    f"another process has been changing `{self.path}` for more than {LOCK_TIMEOUT:.0f} seconds",
                    hint="wait until it is done, or stop it, and try again",
                )
            sleep(POLL_INTERVAL)
        if self.expected is not None and identity_of(self.path) != self.expected:
            self.__exit__()
            raise ReplacedMeanwhile(
                f"another process has replaced or removed `{self.path}` in the meantime",
                hint="nothing was changed; run the command again",
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class FileLock:
    """A context manager that locks a file, so that processes do not do the same work twice; it returns the lock's state.

    Correctness must not depend on it: if the state is not `locked`, the work is done anyway. The file is not removed.
    """

    def __init__(self, path: str, seconds: float) -> None:
        self.path = path
        self.seconds = seconds
        """How long to wait for the lock."""
        self._lock: BaseFileLock | None = None

    def __enter__(self) -> LockState:
        from filelock import FileLock, Timeout

        if not os.path.isdir(os.path.dirname(self.path)):  # filelock would create it with different permissions
            return "unsupported"
        lock = FileLock(self.path, timeout=self.seconds, mode=0o600)
        try:
            _check_not_planted(self.path)
            lock.acquire(poll_interval=POLL_INTERVAL)
        except Timeout:
            return "busy"
        except (OSError, NotImplementedError):  # a planted link, or a file system without locks
            return "unsupported"
        self._lock = lock
        return "locked"

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _check_not_planted(path: str) -> None:
    """Check that filelock, which truncates the file, cannot damage another one.

    :raises OSError: `path` is not a regular file, or has hard links.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise OSError(errno.EINVAL, "not a lock file", path)
