"""Keep other runs away from a directory while it is changed; a run that makes a new one has no need of this."""

from __future__ import annotations

import os
from time import monotonic, sleep

from cloche.errors import ClocheError
from cloche.holder import UNKNOWN, author, sign, withdraw
from cloche.transaction import lock

PATIENCE = 60.0
"""Seconds to wait for another run that changes the same environment."""


class Hold:
    """Hold a directory against other runs that would change it; a context.

    :raises ClocheError: another run held it for longer than `PATIENCE`.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._descriptor: int | None = None
        self._place = ""
        self._note: int | None = None

    def __enter__(self) -> Hold:
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
            self._place = note_on(self._descriptor)
            self._note = sign(self._place)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            withdraw(self._place, self._note)
            os.close(self._descriptor)
            self._descriptor = self._note = None


def note_on(directory: str | int) -> str:
    """Return where this user's runs leave a note about a directory: not in it, nor beside it, where it would be in the way.

    Runs have to agree on the place, so no variable counts.
    """
    status = os.stat(directory)
    return f"/tmp/cloche-{os.geteuid()}-{status.st_dev:x}-{status.st_ino:x}.holder"


def holder(path: str) -> str:
    """Return who holds the lock on a directory, for people."""
    try:
        return author(note_on(path))
    except OSError:
        return UNKNOWN
