"""Keep other runs away from a directory while it is changed; a run that makes a new one has no need of this."""

from __future__ import annotations

import os
from time import monotonic, sleep

from cloche.errors import ClocheError
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

    def __enter__(self) -> Hold:
        deadline = monotonic() + PATIENCE
        while True:
            self._descriptor, held = lock(self.target)
            if held != "by another" or not os.path.isdir(self.target):
                return self
            if monotonic() > deadline:
                raise ClocheError(
                    f"{holder(self.target)} has been changing `{self.target}` for more than {PATIENCE:.0f} seconds",
                    hint="wait for it, or end it, and try again",
                )
            sleep(0.02)

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder(path: str) -> str:
    """Return who holds the lock on a directory, for people; Linux tells in `/proc/locks`."""
    try:
        inode = os.stat(path).st_ino
        with open("/proc/locks", encoding="ascii") as file:
            owners = [line.split()[4] for line in file if line.split()[5].endswith(f":{inode}")]
        with open(f"/proc/{owners[0]}/cmdline", encoding="utf-8", errors="replace") as file:
            return f"process {owners[0]} (`{' '.join(file.read().split(chr(0))).strip()[:80]}`)"
    except (OSError, IndexError):
        return "another process"
