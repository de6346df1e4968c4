"""Undo and remove staging directories that killed runs left, and remove those that are no longer needed.

Only a directory that belongs to this user and contains nothing unexpected counts as a leftover: a journal is a list of files
to move, and must not come from another user. A staging directory that is itself a new tree may contain anything; its name
says so, and a file in it is never read as a journal.
"""

from __future__ import annotations

import errno
import os
import stat
from time import perf_counter

from cloche.apply.journal import JOURNAL, read_journal, undo_steps
from cloche.fs import DIRECTORY, try_lock_directory
from cloche.fs.locks import identity_in
from cloche.fs.threads import map_in_threads
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias, TypeVar

    from cloche.fs.locks import Identity

    Item = TypeVar("Item")
    Outcome = TypeVar("Outcome")

    Directory: TypeAlias = tuple[str, Identity]
    """The absolute path of a directory, and its identity when its parent was read."""

UNLOCKED_LIFETIME = 24 * 3600
"""Seconds after which a staging directory counts as a leftover if locks are not supported."""

CONTENTS = frozenset(("new", "old", JOURNAL))
"""What a staging directory may hold, beside a directory of its own name (see `takeover_steps.link_to_new_tree`)."""


def sweep_leftover(staging: str, *, is_tree: bool) -> None:
    """Undo and remove what a killed run left in a staging directory, unless it is in use or not ours.

    :param is_tree: whether it is itself a new tree, which may contain anything but never replaced anything.
    """
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
        if not is_tree:
            if not {*CONTENTS, os.path.basename(staging)}.issuperset(os.listdir(staging)):
                return
            recover_staging(staging)
        remove_staging(staging)
    except (FileNotFoundError, ValueError):
        return  # another run swept it (without locks), or this version cannot read its journal
    finally:
        if descriptor is not None:
            os.close(descriptor)


def recover_staging(staging: str) -> None:
    """Undo the steps of a run that was killed in the middle of a commit, or complete those of a takeover.

    :raises ValueError: the journal cannot be read by this version, or the staging directory is still needed.
    :raises ClocheError, OSError: something could not be restored; the next run tries again.
    """
    actions, target = read_journal(staging)
    if actions and actions[0].kind in ("move", "take-over"):
        from cloche.apply.takeover_steps import recover_takeover

        recover_takeover(actions, staging, target)
    else:
        undo_steps(actions, staging, target)


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

    Where each removal is slow, several threads remove the files and directories of a level: some file systems, such as ext4
    with the option `discard`, wait for the disk each time, so that thousands would take seconds one by one.
    """
    try:
        level = [(path, identity_in(os.lstat(path)))]
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    levels: list[list[Directory]] = []
    gone = True
    while level:
        levels.append(level)
        below: list[Directory] = []
        remaining = level[::-1]
        while remaining:
            gone &= remove_files(remaining, below)
        level = below
    for directories in reversed(levels):
        gone &= all(in_parallel(remove_empty_directory, [path for path, _ in directories]))
    return gone


def remove_files(remaining: list[Directory], below: list[Directory]) -> bool:
    """Take directories from the end of a list, and remove the files in them; return whether all files are gone.

    It keeps as many directories open as it can, up to `OPEN_AT_ONCE`.

    :param below: gets the directories in them.
    """
    files: list[tuple[str, int | None]] = []
    opened: list[int] = []
    gone = True
    try:
        while remaining and len(opened) < OPEN_AT_ONCE:
            path, identity = remaining.pop()
            try:
                descriptor = open_writable(path, identity)
                if descriptor is not None:
                    opened.append(descriptor)
                with os.scandir(path if descriptor is None else descriptor) as scanned:
                    for entry in scanned:
                        if entry.is_dir(follow_symlinks=False):
                            status = entry.stat(follow_symlinks=False)
                            below.append((os.path.join(path, entry.name), identity_in(status)))
                        else:
                            files.append((entry.path, descriptor))
            except OSError as error:
                if error.errno == errno.EMFILE and len(opened) > 1:
                    remaining.append((path, identity))  # when the others are closed
                    break
                gone &= isinstance(error, FileNotFoundError)
        return all(in_parallel(remove_file, files)) and gone
    finally:
        for descriptor in opened:
            os.close(descriptor)


def open_writable(path: str, identity: Identity) -> int | None:
    """Open a directory, and make it writable so that its entries can be removed; return None on Windows.

    Another program may replace a directory with a link to another one while the tree is removed. So its identity is compared, and
    its entries are removed by their names in the open directory.

    :raises OSError: it does not exist, was replaced, or cannot be read or made writable.
    """
    if os.name == "nt":
        return None
    try:
        descriptor = os.open(path, DIRECTORY)
    except PermissionError:
        if identity_in(os.lstat(path)) != identity:
            raise
        os.chmod(path, 0o700)
        descriptor = os.open(path, DIRECTORY)
    try:
        if identity_in(os.fstat(descriptor)) != identity:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor):
            os.chmod(descriptor, 0o700)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove_file(file: tuple[str, int | None]) -> bool:
    """Remove a file or a link; return whether it is gone.

    :param file: its path, and the descriptor of the directory that the path is relative to; None if it is absolute.
    """
    path, directory = file
    try:
        os.unlink(path, dir_fd=directory)
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

OPEN_AT_ONCE = 16
"""The number of directories that are open at the same time."""

BATCH = 16
"""The number of files or directories after which it is decided whether threads are worth starting."""

SLOW = 0.0001
"""How slow one removal must be, in seconds, for threads to be faster. Threads that do not wait for a disk only block each
other."""


def in_parallel(function: Callable[[Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
    """Call a function for each item, in several threads once it is slow; return the results in the order of the items."""
    done: list[Outcome] = []
    while len(done) < len(items):
        started = perf_counter()
        batch = items[len(done) : len(done) + BATCH]
        done += map(function, batch)
        if len(batch) == BATCH and perf_counter() - started > BATCH * SLOW:
            return [*done, *map_in_threads(function, items[len(done) :], THREADS)]
    return done
