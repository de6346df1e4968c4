"""Put a staged tree in the place of something that is there: exchanged for it, or merged into it step by step.

Either all of it happens or what was there is there again, links, modes and bytes. It knows nothing of locks.
"""

from __future__ import annotations

import errno
import os
import stat

from cloche.apply.exchange import exchange
from cloche.apply.journal import (
    aside,
    close_journal,
    numbered,
    put_back,
    take,
    undo,
    write_journal,
)
from cloche.errors import DestinationError
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.apply.journal import Action, Step
    from cloche.model.plan import Strategy


def put_in_place(staging: str, target: str, strategy: Strategy, dropped: Sequence[str] = ()) -> list[Action]:
    """Put `staging/new` where the directory `target` is, with another strategy than `new`; return the steps that it took.

    What is `dropped` from the target goes before, as paths relative to it; only a merge can do that.

    :raises DestinationError: a directory is needed where something else stands, or the other way round; nothing is done.
    :raises OSError: the system refused; what was there is back.
    """
    if strategy == "merge":
        drops: list[Step] = [("drop", 0, path) for path in dropped]
        return perform(
            [*drops, *differences(os.path.join(staging, "new"), target, "", frozenset(dropped))], staging, target
        )
    try:
        if strategy == "exchange":
            return replace(staging, target)
        return perform(emptying(staging, target), staging, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    # a directory from a lower layer of an overlay (a container's image) cannot be renamed, but what is in it can
    return perform(emptying_by_file(staging, target), staging, target)


def take_out_again(staging: str, target: str, strategy: Strategy, taken: Sequence[Action]) -> None:
    """Take back what `put_in_place`, or one rename, has done.

    :raises OSError: the system refused; the next run tries again.
    :raises ClocheError: likewise.
    """
    new = os.path.join(staging, "new")
    if any(action.verb != "set-aside" for action in taken):
        write_journal(staging, target, taken)
        undo(taken, staging, target)
        close_journal(staging)
    elif strategy == "exchange" and not taken:
        exchange(new, target)
    else:
        os.rename(target, new)
        put_back(aside(staging), target)


def replace(staging: str, target: str) -> list[Action]:
    """Replace the whole directory, in one step where the system can.

    Elsewhere the old one is first renamed aside, noted in the journal: for that instant the destination is absent.
    """
    new = os.path.join(staging, "new")
    if exchange(new, target):
        return []
    actions = numbered([("set-aside", 0, "")])
    write_journal(staging, target, actions)
    try:
        take(actions[0], staging, target)
        os.rename(new, target)
        close_journal(staging)
    except BaseException:
        if not os.path.lexists(new):
            os.rename(target, new)
        put_back(aside(staging), target)
        close_journal(staging)
        raise
    return actions


def perform(steps: Iterable[Step], staging: str, target: str) -> list[Action]:
    """Take steps, noted in a journal before the first; on any failure put back what was there."""
    actions = numbered(steps)
    os.makedirs(aside(staging), exist_ok=True)
    write_journal(staging, target, actions)
    try:
        for action in actions:
            take(action, staging, target)
        close_journal(staging)  # from here on the new state counts
    except BaseException:
        undo(actions, staging, target)
        close_journal(staging)
        raise
    return actions


def differences(new: str, target: str, below: str, dropped: frozenset[str] = frozenset()) -> Iterator[Step]:
    """Yield the steps that make `target` hold what `new` holds, `pyvenv.cfg` last; equal entries take none.

    What is `dropped` will be gone by then.
    """
    entries = sorted(os.scandir(os.path.join(new, below)), key=lambda entry: (entry.name == "pyvenv.cfg", entry.name))
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if path in dropped:
            yield "add", entry.inode(), path
            continue
        there = os.path.join(target, path)
        try:
            status = os.lstat(there)
        except FileNotFoundError:
            yield "add", entry.inode(), path
            continue
        is_directory = status.st_mode & 0o170000 == 0o040000
        if entry.is_dir(follow_symlinks=False):
            if not is_directory:
                kind = "a symbolic link" if os.path.islink(there) else "not a directory"
                raise DestinationError(
                    f"`{path}` in `{target}` is {kind}, and an environment needs a directory there",
                    hint="move it away, or choose another place",
                )
            yield from differences(new, target, path, dropped)
        elif is_directory:
            raise DestinationError(
                f"`{path}` in `{target}` is a directory, and an environment needs a file there",
                hint="move it away, or choose another place",
            )
        elif not same_file(entry.path, there):
            yield "swap", entry.inode(), path


def emptying(staging: str, target: str) -> Iterator[Step]:
    """Yield the steps that take away everything in `target` and then add everything in `staging/new`."""
    for name in sorted(os.listdir(target)):
        if os.path.join(target, name) != staging:
            yield "drop", 0, name
    for entry in sorted(os.scandir(os.path.join(staging, "new")), key=lambda entry: entry.name):
        yield "add", entry.inode(), entry.name


def emptying_by_file(staging: str, target: str) -> Iterator[Step]:
    """Yield the steps that do what `emptying` does and rename no directory that was there."""
    new = os.path.join(staging, "new")
    dropped, left = [], []
    for directory, names, files in os.walk(target):
        names[:] = [name for name in names if os.path.join(directory, name) != staging]
        below = os.path.relpath(directory, target)
        for name in (*names, *files):
            path = os.path.normpath(os.path.join(below, name))
            there = os.path.join(target, path)
            if name in files or os.path.islink(there):
                dropped.append(path)
            elif not os.path.isdir(os.path.join(new, path)) or os.path.islink(os.path.join(new, path)):
                left.append(path)
    for path in dropped:
        yield "drop", 0, path
    for path in reversed(left):  # `os.walk` comes to what is in a directory after the directory
        yield "remove", stat.S_IMODE(os.lstat(os.path.join(target, path)).st_mode), path
    yield from differences(new, target, "", frozenset((*dropped, *left)))


def same_file(one: str, other: str) -> bool:
    """Return whether two entries that are no directories are equal: link text, or bytes and permission bits."""
    first, second = os.lstat(one), os.lstat(other)
    if first.st_mode != second.st_mode or first.st_size != second.st_size:
        return False
    kind = first.st_mode & 0o170000
    if kind == 0o120000:
        return os.readlink(one) == os.readlink(other)
    if kind != 0o100000 or second.st_nlink != 1:
        return os.path.samestat(first, second)  # a name that somebody else shares is replaced, not trusted
    with open(one, "rb") as left, open(other, "rb") as right:
        return left.read() == right.read()
