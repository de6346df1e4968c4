"""Undo and remove staging directories that killed runs left, and remove those that have served.

Only a directory that belongs to this user and holds nothing but what staging directories hold counts as a leftover: a
journal is a list of files to move, and no other user may tell us which.
"""

from __future__ import annotations

import os
import stat

from cloche.apply.journal import JOURNAL, recover
from cloche.fs.locks import try_lock_directory

UNLOCKED_LIFETIME = 24 * 3600
"""Seconds after which a staging directory counts as left behind where there are no locks."""

CONTENTS = frozenset(("new", "old", JOURNAL))
"""What a staging directory may hold."""


def sweep_leftover(staging: str) -> None:
    """Undo and remove what a killed run left in a staging directory; leave one that is in use, and what is not ours."""
    try:
        status = os.lstat(staging)
        if not stat.S_ISDIR(status.st_mode) or not own(status):
            return
        descriptor, state = try_lock_directory(staging)
    except OSError:
        return
    try:
        if state == "busy" or (state == "unsupported" and is_recent(status)):
            return
        if not CONTENTS.issuperset(os.listdir(staging)):
            return
        recover(staging)
        remove(staging)
    except (FileNotFoundError, ValueError):
        return  # another run swept it, where there are no locks; or its journal is not one that we can follow
    finally:
        if descriptor is not None:
            os.close(descriptor)


def own(status: os.stat_result) -> bool:
    """Return whether a file belongs to this user; always where files have no such owners."""
    return os.name == "nt" or status.st_uid == os.geteuid()


def is_recent(status: os.stat_result) -> bool:
    from time import time

    return time() - status.st_mtime < UNLOCKED_LIFETIME


def remove_unless_needed(staging: str) -> None:
    """Remove a staging directory of our own, unless it keeps something that has to be put back."""
    try:
        needed = os.lstat(os.path.join(staging, JOURNAL)).st_size > 0
    except OSError:
        needed = False
    if not needed:
        remove(staging)


def remove(path: str) -> None:
    """Remove a tree, never following a link; what cannot be removed stays for a later sweep.

    Directories that their owner may not write to are made writable. A path that is too long for the system is left to
    `shutil`, which descends from open descriptors, one for each level; not first, because there may be too few of these.
    """
    if not remove_tree(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)


def remove_tree(path: str) -> bool:
    """Remove a tree as far as possible; return whether nothing is left of it."""
    try:
        try:
            entries = list(os.scandir(path))
            writable = os.access(path, os.W_OK | os.X_OK)
        except PermissionError:
            writable = False
        if not writable:
            os.chmod(path, 0o700)
            entries = list(os.scandir(path))
        gone = True
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                gone &= remove_tree(entry.path)
            else:
                os.unlink(entry.path)
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return gone
