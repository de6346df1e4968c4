"""Keep other runs away from a directory while it is changed; a run that makes a new one has no need of this."""

from __future__ import annotations

import os
import stat
from time import monotonic, sleep, time

from cloche.errors import ClocheError
from cloche.fs.lock_owner import UNKNOWN, author, sign, withdraw
from cloche.fs.locks import lock

PATIENCE = 60.0
"""Seconds to wait for another run that changes the same environment."""


class TreeLock:
    """Hold a directory against other runs that would change it; a context.

    :raises ClocheError: another run held it for longer than `PATIENCE`.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._descriptor: int | None = None
        self._place = ""
        self._note: int | None = None

    def __enter__(self) -> TreeLock:
        deadline = monotonic() + PATIENCE
        while True:
            self._descriptor, held = lock(self.target)
            if held != "by another" or not os.path.isdir(self.target):
                self._sign()
                return self
            if monotonic() > deadline:
                raise ClocheError(
                    f"{holder(self.target)} has been changing `{self.target}` for more than {PATIENCE:.0f} seconds",
                    hint="wait for it, or end it, and try again",
                )
            sleep(0.02)

    def _sign(self) -> None:
        if self._descriptor is None:
            return
        try:
            if room := room_for_notes():
                self._place = note_on(self._descriptor, room)
                self._note = sign(self._place)
        except OSError:
            pass  # then nobody is told
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            withdraw(self._place, self._note)
            os.close(self._descriptor)
            self._descriptor = self._note = None


NOTES = "/tmp/cloche-{}"
"""Where the runs of a user, by number, leave notes about directories that they hold: in these, or beside them, notes would
be in the way. Runs have to agree on the place, so no variable counts."""


def room_for_notes() -> str:
    """Return the directory for notes, made if need be and rid of those that killed runs left; empty if there can be none."""
    room = NOTES.format(os.geteuid())
    try:
        os.mkdir(room, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return ""
    found = os.lstat(room)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        return ""  # somebody else's, or open to others
    for name in os.listdir(room):
        note = os.path.join(room, name)
        try:
            is_new = time() - os.lstat(note).st_mtime < PATIENCE  # perhaps not even locked yet
            if not is_new and author(note) == UNKNOWN:
                os.unlink(note)
        except OSError:
            pass  # another run removed it first
    return room


def note_on(directory: str | int, room: str) -> str:
    """Return where a note about a directory is, whichever name it has by now."""
    status = os.stat(directory)
    return os.path.join(room, f"{status.st_dev:x}-{status.st_ino:x}")


def holder(path: str) -> str:
    """Return who holds the lock on a directory, for people."""
    try:
        return author(note_on(path, NOTES.format(os.geteuid())))
    except OSError:
        return UNKNOWN
