"""Staging directories: claimed by a lock, swept when their owner is gone."""

from __future__ import annotations

import os

from cloche.fs.locks import try_lock_directory

SLOTS = 16
"""Staging directories that a run looks for; more than this many at once are made, and swept by one of the first."""


def short(name: str) -> str:
    """Return a directory's name, or a digest of one so long that nothing could be added to it (NAME_MAX is 255)."""
    if len(os.fsencode(name)) <= 200:
        return name
    from zlib import crc32

    return f"{crc32(os.fsencode(name)):08x}"


def claim(stem: str) -> tuple[str, int | None]:
    """Sweep what killed runs left at `stem`0…, then make and lock a staging directory; return its path and descriptor.

    The descriptor is None on a system that cannot lock a directory.
    """
    sweep_all(stem)
    slot = 0
    while True:
        path = f"{stem}{slot}"
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            slot += 1
            continue
        try:
            descriptor, state = try_lock_directory(path)
        except OSError:
            os.rmdir(path)
            raise
        if state != "busy":  # else another run took it for a leftover in the instant before it was locked
            return path, descriptor


def sweep_all(stem: str) -> None:
    """Sweep every staging directory with this stem."""
    slot = 0
    while slot < SLOTS or os.path.lexists(f"{stem}{slot}"):
        sweep(f"{stem}{slot}")
        slot += 1


def sweep(staging: str) -> None:
    """Undo and remove a staging directory whose owner is gone; leave one whose owner lives, and what is not ours."""
    if os.path.lexists(staging):
        from cloche.apply.leftovers import sweep_up

        sweep_up(staging)


def discard(staging: str) -> None:
    """Remove a staging directory with what is in it.

    One with a journal stays: what was there could not be put back all, and the next run tries again.
    """
    try:
        os.rmdir(staging)  # what is left of a transaction that went through
    except OSError:
        from cloche.apply.leftovers import remove_unless_needed

        remove_unless_needed(staging)


def take_back(target: str) -> bool:
    """Take back what killed runs had half done in the directory `target`; return whether there was anything."""
    stem = os.path.join(target, ".cloche-")
    found = any(os.path.lexists(f"{stem}{slot}") for slot in range(SLOTS))
    sweep_all(stem)
    return found
