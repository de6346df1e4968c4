"""Staging directories: their names, how a run claims one, and how what killed runs left is swept."""

from __future__ import annotations

import os

from cloche.fs import list_names, try_lock_directory

SLOTS = 8
"""How many numbers a run always checks for leftovers. Concurrent runs may use higher numbers."""

NAME_PREFIX = ".cloche-"
"""Part of every staging directory's name: `.cloche-0` inside a destination, `.NAME.cloche-0` beside `NAME`."""

NEW_TREE = "new-"
"""Follows the prefix in the name of a staging directory that is itself the new tree: `.NAME.cloche-new-0`."""

LONGEST_STAGED = f"/{NAME_PREFIX}{SLOTS - 1}/new/"
"""The longest prefix that staging inside the destination adds to a path."""


def stem_inside(target: str) -> str:
    """Return the path of a staging directory in `target`, without the number."""
    return os.path.join(target, NAME_PREFIX)


def stem_beside(target: str) -> str:
    """Return the path of a staging directory beside `target`, without the number.

    A long name, to which nothing could be added (NAME_MAX is 255), is replaced by a checksum.
    """
    parent, name = os.path.split(target)
    if len(os.fsencode(name)) > 200:
        from zlib import crc32

        name = f"{crc32(os.fsencode(name)):08x}"
    return os.path.join(parent, f".{name}{NAME_PREFIX}")


def stem_of_new_tree(target: str) -> str:
    """Return the path of a staging directory beside `target` that is itself the new tree, without the number."""
    return f"{stem_beside(target)}{NEW_TREE}"


def is_new_tree(name: str) -> bool:
    """Return whether a name belongs to a staging directory that is itself the new tree, and so may contain anything."""
    return name.rpartition(NAME_PREFIX)[2].startswith(NEW_TREE)


def is_staging_inside(name: str) -> bool:
    """Return whether a name in an environment's root belongs to a staging directory."""
    return name.startswith(NAME_PREFIX) and name[len(NAME_PREFIX) :].isdecimal()


def is_staging_beside(name: str) -> bool:
    """Return whether a name belongs to a staging directory beside its destination, for any destination."""
    stem, prefix, number = name.rpartition(NAME_PREFIX)
    return bool(prefix) and stem[:1] == "." and stem != "." and number.removeprefix(NEW_TREE).isdecimal()


def staging_directories(target: str) -> list[str]:
    """Return every staging directory for `target`, inside and beside it, in use or left by a killed run."""
    found = [os.path.join(target, name) for name in list_names(target) if is_staging_inside(name)]
    parent, prefix = os.path.split(stem_beside(target))
    names = (name for name in list_names(parent) if name.startswith(prefix))
    beside = (name for name in names if name[len(prefix) :].removeprefix(NEW_TREE).isdecimal())
    return [*found, *(os.path.join(parent, name) for name in beside)]


def staging_directories_in(parent: str) -> list[str]:
    """Return every staging directory in `parent` that is beside its destination, for any destination."""
    return [os.path.join(parent, name) for name in list_names(parent) if is_staging_beside(name)]


def claim_staging(stem: str, mode: int = 0o700) -> tuple[str, int | None]:
    """Sweep leftovers with this stem, then create and lock a staging directory; return its path and descriptor.

    The descriptor is None on a system that cannot lock a directory.

    :param mode: the permission bits of the directory, apart from those that the umask removes.
    """
    sweep_slots(stem)
    slot = 0
    while True:
        path = f"{stem}{slot}"
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            slot += 1
            continue
        try:
            descriptor, state = try_lock_directory(path)
        except OSError:
            os.rmdir(path)
            raise
        if state != "busy":  # else another run swept it as a leftover just before it was locked
            return path, descriptor


def sweep_slots(stem: str) -> bool:
    """Sweep every staging directory with this stem; return whether any existed."""
    found = False
    slot = 0
    while (exists := os.path.lexists(f"{stem}{slot}")) or slot < SLOTS:
        if exists:
            found = True
            sweep_staging(f"{stem}{slot}")
        slot += 1
    return found


def sweep_staging(staging: str) -> None:
    """Call `sweep_leftover`, which is imported only if it is needed."""
    from cloche.apply.leftovers import sweep_leftover

    sweep_leftover(staging, is_tree=is_new_tree(os.path.basename(staging)))


def recover_destination(target: str) -> bool:
    """Undo unfinished changes of killed runs in the directory `target`; return whether any were found."""
    return sweep_slots(stem_inside(target))


def recover_environment(location: str) -> None:
    """Undo unfinished changes of killed runs to an environment, and remove their staging directories.

    That includes every staging directory beside it, for any destination: a killed move may have staged the environment for
    another name.
    """
    for path in [*staging_directories(location), *staging_directories_in(os.path.dirname(location))]:
        sweep_staging(path)


def discard_staging(staging: str) -> bool:
    """Remove our own staging directory with everything in it; return whether it is gone.

    If it has a journal, it stays: not everything could be restored, and the next run tries again.
    """
    try:
        os.rmdir(staging)  # empty after a successful transaction
    except OSError:
        from cloche.apply.leftovers import remove_staging, remove_unless_needed

        if is_new_tree(os.path.basename(staging)):
            remove_staging(staging)  # a file in it may have the name of a journal
        else:
            remove_unless_needed(staging)
        return not os.path.lexists(staging)
    return True
