"""The steps of a takeover: how a new tree takes over directories of the tree that it replaces.

In the staged tree, a symbolic link stands in for each of these directories. It leads to where the directory is as soon as
the old tree is set aside. So the new tree is complete from the moment it is in place, and then the links and the
directories are exchanged, one after the other:

1. stage: a directory that is taken over becomes a link to `old/<path>` in the staging directory (`new/<path>` for an exchange);
2. put the new tree in place, and set the old one aside, in one step. If a tree is moved, `old` is a link to it first, so that
   the new tree is complete before the old one is exchanged with that link;
3. exchange each link with the directory that it leads to.

A journal exists while steps 2 and 3 are performed. If the run is killed before the old tree is set aside, the next run undoes
everything; after it, the next run completes step 3. If something fails, all of it is undone, and the caller links or copies
all files instead.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from cloche.apply.exchange import exchange
from cloche.apply.journal import restore_error, set_aside_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.apply.journal import Action, Kind


def take_over(paths: Iterable[str], old: str, target: str) -> None:
    """Exchange the links in a new tree with the directories of the old one that they lead to.

    :raises OSError: a system call failed; the others remain as they are.
    """
    for path in paths:
        link, directory = os.path.join(target, path), os.path.join(old, path)
        if leads_to(link, link_to(path, old)) and os.path.isdir(directory):
            exchange_entries(link, directory)


def exchange_entries(one: str, other: str) -> None:
    """Exchange two entries.

    :raises OSError: this failed, or the file systems do not support it for them; nothing was changed.
    """
    if not exchange(one, other):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), other)


def old_tree(staging: str, kind: Kind) -> str:
    """Return where the old tree is once it is set aside. After an exchange, that is where the new one was staged."""
    return set_aside_path(staging) if kind == "move" else os.path.join(staging, "new")


def link_to(path: str, old: str) -> str:
    """Return the text of the link at `path` in the new tree; the staging directory is beside that tree."""
    staging, name = os.path.split(old)
    return f"{'../' * (path.count('/') + 1)}{os.path.basename(staging)}/{name}/{path}"


def link_to_new_tree(old: str, target: str) -> None:
    """Create a link in the staging directory, so that links that end up in the old tree lead to the new one.

    A module in a directory that is still in the old tree may look for its libraries in `../other`, which the new tree has
    taken over: then the old tree has only a link there. The text of that link begins with the names of the staging directory
    and of the old tree, so this creates a link with these names that leads to the new tree.
    """
    staging, name = os.path.split(old)
    bridge = os.path.join(staging, os.path.basename(staging))
    os.mkdir(bridge)
    os.symlink(f"../../{os.path.basename(target)}", os.path.join(bridge, name))


def leads_to(link: str, target: str) -> bool:
    """Return whether a path is a symbolic link with this text."""
    try:
        return os.readlink(link) == target
    except OSError:
        return False


def recover_takeover(actions: Sequence[Action], staging: str, target: str) -> None:
    """Complete the takeover of a run that was killed, or undo it if the old tree was not set aside yet.

    :raises ValueError: the new tree is no longer at the target, and may need what is in the staging directory.
    :raises ClocheError: a system call failed; the next run tries again.
    """
    try:
        complete_takeover(actions, staging, target)
    except OSError as error:
        raise restore_error(target, staging, error) from error


def complete_takeover(actions: Sequence[Action], staging: str, target: str) -> None:
    """Do what `recover_takeover` describes.

    :raises ValueError: the new tree is no longer at the target.
    :raises OSError: a system call failed.
    """
    first, new, old = actions[0], os.path.join(staging, "new"), old_tree(staging, actions[0].kind)
    if inode_of(new) == first.inode:
        return  # it was not put in place, or that was undone
    if inode_of(target) != first.inode:
        if first.kind == "move" and not os.path.exists(old):
            return  # `old` is a link, and the old tree was moved or removed as well: nothing depends on it
        raise ValueError(f"`{target}` was moved or replaced")
    if first.kind == "move":
        if os.path.islink(old) or not os.path.lexists(old):  # the old tree is still, or again, where it was
            os.rename(target, new)
            return
        if leads_to(first.path, first.path):  # the exchange left this link where the old tree was
            os.unlink(first.path)
    take_over((action.path for action in actions if action.kind == "take-over"), old, target)


def inode_of(path: str) -> int:
    """Return the inode of a file or link; 0 if it does not exist."""
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return 0
