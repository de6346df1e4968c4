"""Undo and remove staging directories that killed runs left, and remove those that are no longer needed.

Only a directory that belongs to this user and contains nothing unexpected counts as a leftover: a journal is a list of files
to move, and must not come from another user.
"""

from __future__ import annotations

import os
import stat

from cloche.apply.journal import JOURNAL, recover_staging
from cloche.fs.locks import try_lock_directory
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    Outcome = TypeVar("Outcome")

UNLOCKED_LIFETIME = 24 * 3600
"""Seconds after which a staging directory counts as a leftover if locks are not supported."""

CONTENTS = frozenset(("new", "old", JOURNAL))
"""What a staging directory may hold."""


def sweep_leftover(staging: str) -> None:
    """Undo and remove what a killed run left in a staging directory, unless it is in use or not ours."""
    try:
        status = os.lstat(staging)
        if not stat.S_ISDIR(status.st_mode) or not is_own(status):
            return
        descriptor, state = try_lock_directory(staging)
    except OSError:
        return
    try:
        if state == "busy" or (state == "unsupported" and is_recent(status)):
            return
        if not CONTENTS.issuperset(os.listdir(staging)):
            return
        recover_staging(staging)
        remove_staging(staging)
    except (FileNotFoundError, ValueError):
        return  # another run swept it (without locks), or this version cannot read its journal
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_own(status: os.stat_result) -> bool:
    """Return whether a file belongs to this user; always True on Windows."""
    return os.name == "nt" or status.st_uid == os.geteuid()


def is_recent(status: os.stat_result) -> bool:
    from time import time

    return time() - status.st_mtime < UNLOCKED_LIFETIME


def remove_unless_needed(staging: str) -> None:
    """Remove a staging directory of our own, unless it contains something that has to be restored."""
    try:
        needed = os.lstat(os.path.join(staging, JOURNAL)).st_size > 0
    except OSError:
        needed = False
    if not needed:
        remove_staging(staging)


def remove_staging(path: str) -> None:
    """Remove a tree without following links; what cannot be removed stays for a later sweep.

    Read-only directories are made writable. Paths that are too long for the system are left to `shutil`, which descends from
    open descriptors. It is not tried first, because it needs one descriptor for each level, and may run out of them.
    """
    if not remove_tree(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)


def remove_tree(path: str) -> bool:
    """Remove a tree as far as possible; return whether nothing is left of it.

    Several threads remove the files and the directories of a level: some file systems wait for the disk for each of them,
    such as ext4 with the option `discard`, where thousands would take seconds one by one.
    """
    levels: list[list[str]] = []
    level, gone = [path], True
    while level:
        levels.append(level)
        files: list[str] = []
        found: list[str] = []
        for directory in level:
            try:
                inside = writable_entries(directory)
            except OSError as error:
                gone &= isinstance(error, FileNotFoundError)
                continue
            for entry in inside:
                (found if entry.is_dir(follow_symlinks=False) else files).append(entry.path)
        gone &= all(in_parallel(remove_file, files))
        level = found
    for level in reversed(levels):
        gone &= all(in_parallel(remove_empty_directory, level))
    return gone


def writable_entries(path: str) -> list[os.DirEntry[str]]:
    """Return the entries of a directory, which is made writable so that they can be removed.

    :raises OSError: it does not exist, or cannot be read or made writable.
    """
    try:
        entries = list(os.scandir(path))
        writable = os.access(path, os.W_OK | os.X_OK)
    except PermissionError:
        writable = False
    if not writable:
        os.chmod(path, 0o700)
        entries = list(os.scandir(path))
    return entries


def remove_file(path: str) -> bool:
    """Remove a file or a link; return whether it is gone."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def remove_empty_directory(path: str) -> bool:
    """Remove an empty directory; return whether it is gone."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


THREADS = 8
"""The number of threads that remove files and directories. They wait for the disk, not for a processor."""

WORTH_THREADS = 16
"""The number of paths that are worth starting threads for."""


def in_parallel(function: Callable[[str], Outcome], paths: Sequence[str]) -> list[Outcome]:
    """Call a function for each path, in several threads if there are many; return the results in the order of the paths."""
    if len(paths) < WORTH_THREADS:
        return [function(path) for path in paths]
    from threading import Thread

    results: dict[int, Outcome] = {}
    waiting = list(enumerate(paths))

    def work() -> None:
        while True:
            try:
                number, path = waiting.pop()
            except IndexError:
                return
            results[number] = function(path)

    threads = [Thread(target=work) for _ in range(THREADS - 1)]
    started = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
    except RuntimeError:
        pass  # no more threads can be started, so those that run do the work
    work()
    for thread in started:
        thread.join()
    return [results[number] for number in range(len(paths))]
