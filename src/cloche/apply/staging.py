"""Staging directories: how they are called, how a run claims one, and how those of killed runs are swept."""

from __future__ import annotations

import os

from cloche.fs.locks import try_lock_directory
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOTS = 16
"""How many numbers a run looks at for leftovers. More runs at once get higher numbers; one of the first sweeps those."""

SLOT_PREFIX = ".cloche-"
"""In every name of a staging directory: `.cloche-0` inside a destination, `.NAME.cloche-0` beside the destination `NAME`."""

LONGEST_STAGED = f"/{SLOT_PREFIX}{SLOTS - 1}/new/"
"""What a path is longer by while its new content waits in a staging directory inside the destination."""


def stem_inside(target: str) -> str:
    """Return the path of a staging directory in `target`, but for the number."""
    return os.path.join(target, SLOT_PREFIX)


def stem_beside(target: str) -> str:
    """Return the path of a staging directory beside `target`, but for the number.

    A name so long that nothing could be added to it (NAME_MAX is 255) is replaced by a digest.
    """
    parent, name = os.path.split(target)
    if len(os.fsencode(name)) > 200:
        from zlib import crc32

        name = f"{crc32(os.fsencode(name)):08x}"
    return os.path.join(parent, f".{name}{SLOT_PREFIX}")


def is_staging_inside(name: str) -> bool:
    """Return whether an entry of an environment's root is a staging directory, by its name."""
    return name.startswith(SLOT_PREFIX) and name[len(SLOT_PREFIX) :].isdecimal()


def staging_directories(target: str) -> list[str]:
    """Return every staging directory for `target`, inside and beside it, in use or left by a killed run."""
    found = [os.path.join(target, name) for name in names_in(target) if is_staging_inside(name)]
    parent, prefix = os.path.split(stem_beside(target))
    beside = (name for name in names_in(parent) if name.startswith(prefix) and name[len(prefix) :].isdecimal())
    return [*found, *(os.path.join(parent, name) for name in beside)]


def staging_directories_in(parent: str) -> list[str]:
    """Return every staging directory that lies in `parent` and stands beside its destination, whichever that is."""
    found = []
    for name in names_in(parent):
        stem, mark, number = name.rpartition(SLOT_PREFIX)
        if mark and stem[:1] == "." and stem != "." and number.isdecimal():
            found.append(os.path.join(parent, name))
    return found


def names_in(directory: str) -> Iterator[str]:
    """Yield the names in a directory; none if it cannot be read."""
    try:
        yield from sorted(os.listdir(directory))
    except OSError:
        return


def claim(stem: str) -> tuple[str, int | None]:
    """Sweep what killed runs left at `stem`0…, then create and lock a staging directory; return its path and descriptor.

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


def sweep_all(stem: str) -> bool:
    """Sweep every staging directory with this stem; return whether there was one."""
    found = False
    slot = 0
    while (exists := os.path.lexists(f"{stem}{slot}")) or slot < SLOTS:
        if exists:
            found = True
            sweep(f"{stem}{slot}")
        slot += 1
    return found


def sweep(staging: str) -> None:
    """Undo and remove what a killed run left in a staging directory; leave one that is in use, and what is not ours."""
    from cloche.apply.leftovers import sweep_leftover

    sweep_leftover(staging)


def recover_destination(target: str) -> bool:
    """Undo what killed runs left half done in the directory `target`; return whether there was anything."""
    return sweep_all(stem_inside(target))


def recover_environment(location: str) -> None:
    """Undo what killed runs left half done to an environment, and remove what they left.

    That includes everything beside it, whichever destination it was for: a run that was to move the environment may have
    staged it for another name.
    """
    for path in [*staging_directories(location), *staging_directories_in(os.path.dirname(location))]:
        sweep(path)


def discard(staging: str) -> None:
    """Remove our own staging directory with everything in it.

    One with a journal stays: not everything could be put back, and the next run tries again.
    """
    try:
        os.rmdir(staging)  # all that is left of a transaction that succeeded
    except OSError:
        from cloche.apply.leftovers import remove_unless_needed

        remove_unless_needed(staging)
