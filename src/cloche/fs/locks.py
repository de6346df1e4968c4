"""Locks between processes. The system releases them however their owner ends.

- `DirectoryLock` keeps other runs away from an environment while it is changed, and `try_lock_directory` marks a staging
  directory as in use.
- `LockFile` saves processes from doing the same work twice.
"""

from __future__ import annotations

import errno
import os
from time import monotonic, sleep

from cloche.errors import ClocheError
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from filelock import BaseFileLock

    State: TypeAlias = Literal["locked", "busy", "unsupported"]
    """We have the lock; another process has it; the platform or the file system has no locks."""

PATIENCE = 60.0
"""Seconds to wait for another run that changes the same environment."""

POLL_INTERVAL = 0.02
"""Seconds between two attempts."""


def try_lock_directory(path: str) -> tuple[int | None, State]:
    """Try to lock a directory; return the descriptor that holds the lock, and whether it does.

    Closing the descriptor releases the lock. A directory that was removed or replaced meanwhile counts as `busy`.

    :raises OSError: the directory cannot be opened.
    """
    # Not filelock: every warm run comes here, and importing filelock takes 50 ms. It also locks files only, and a lock
    # file in an environment would be one more file there, and beside it one that nobody removes.
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        return None, "unsupported"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None, "busy"
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            os.close(descriptor)
            return None, "busy"
        return descriptor, "unsupported"
    try:
        same = os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        same = False
    if not same:
        os.close(descriptor)
        return None, "busy"
    return descriptor, "locked"


class DirectoryLock:
    """Keep other runs away from a directory while it is changed; a context.

    A directory that does not exist, or that cannot be locked, is not waited for.

    :raises ClocheError: another process had the lock for longer than `PATIENCE`.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None

    def __enter__(self) -> DirectoryLock:
        deadline = monotonic() + PATIENCE
        while True:
            self._descriptor, state = try_lock_directory(self.path)
            if state != "busy" or not os.path.isdir(self.path):
                return self
            if monotonic() > deadline:
                raise ClocheError(
                    f"another process has been changing `{self.path}` for more than {PATIENCE:.0f} seconds",
                    hint="wait until it is done, or stop it, and try again",
                )
            sleep(POLL_INTERVAL)

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class LockFile:
    """Lock a file, for processes that would otherwise do the same work twice; a context that gives the lock's state.

    No correctness may depend on it: where the state is not `locked`, the work is done all the same. The file stays.
    """

    def __init__(self, path: str, seconds: float) -> None:
        self.path = path
        self.seconds = seconds
        """How long to wait for the lock."""
        self._lock: BaseFileLock | None = None

    def __enter__(self) -> State:
        from filelock import FileLock, Timeout

        if not os.path.isdir(os.path.dirname(self.path)):  # filelock would create it, with other permissions than ours
            return "unsupported"
        lock = FileLock(self.path, timeout=self.seconds, mode=0o600)
        try:
            _refuse_planted(self.path)
            lock.acquire(poll_interval=POLL_INTERVAL)
        except Timeout:
            return "busy"
        except (OSError, NotImplementedError):  # a link in its place, or a file system without locks
            return "unsupported"
        self._lock = lock
        return "locked"

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _refuse_planted(path: str) -> None:
    """:raises OSError: `path` is not a regular file, or has a second name: filelock would empty it."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if found.st_mode >> 12 != 0o10 or found.st_nlink > 1:
        raise OSError(errno.EINVAL, "not a lock file", path)
