"""Put a staged tree in the place of something that exists: exchange the two, or merge one into the other step by step.

Either all of it happens, or what was there is there again: links, permission bits and content.
"""

from __future__ import annotations

import errno
import os
import stat

from cloche.apply.exchange import exchange
from cloche.apply.journal import (
    aside,
    close_journal,
    mode_change,
    numbered,
    put_back,
    take,
    undo,
    write_journal,
)
from cloche.errors import DestinationError
from cloche.model.operations import Remove, SetMode
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.apply.journal import Action, Step
    from cloche.model.operations import Operation
    from cloche.model.plan import Strategy


def in_place(operations: Iterable[Operation]) -> tuple[list[Operation], list[Remove | SetMode]]:
    """Split the operations of a merge into those for the staging tree and those that concern what exists already."""
    staged: list[Operation] = []
    changes: list[Remove | SetMode] = []
    for operation in operations:
        if isinstance(operation, (Remove, SetMode)):
            changes.append(operation)
        else:
            staged.append(operation)
    return staged, changes


def put_in_place(
    staging: str, target: str, strategy: Strategy, changes: Iterable[Remove | SetMode] = ()
) -> list[Action]:
    """Put `staging/new` where the directory `target` is, by another strategy than `new`; return the steps taken.

    `changes` are for the strategy `merge`: entries of the target that go first, and permission bits that change last.

    :raises DestinationError: a directory is needed where something else exists, or the reverse; nothing was changed.
    :raises OSError: the system refused something; what was there is back.
    """
    if strategy == "merge":
        return take_steps(merging(staging, target, [*changes]), staging, target)
    try:
        if strategy == "exchange":
            return replace(staging, target)
        return take_steps(emptying(staging, target), staging, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    # a directory from a lower layer of an overlay file system (a container's image) cannot be renamed, its files can
    return take_steps(emptying_by_file(staging, target), staging, target)


def take_out_again(staging: str, target: str, strategy: Strategy, taken: Sequence[Action]) -> None:
    """Take back what `put_in_place`, or one rename, has done.

    :raises OSError: the system refused; the next run tries again.
    :raises ClocheError: likewise.
    """
    new = os.path.join(staging, "new")
    if any(action.kind != "set-aside" for action in taken):
        write_journal(staging, target, taken)
        undo(taken, staging, target)
        close_journal(staging)
    elif strategy == "exchange" and not taken:
        exchange(new, target)
    elif strategy in ("new", "exchange"):  # a merge without steps had nothing to do
        os.rename(target, new)
        put_back(aside(staging), target)


def replace(staging: str, target: str) -> list[Action]:
    """Replace the whole directory, in one step where the system can.

    Elsewhere the old one is first renamed aside, noted in the journal. For that instant the destination is absent.
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


def take_steps(steps: Iterable[Step], staging: str, target: str) -> list[Action]:
    """Take steps, all noted in a journal before the first; on any failure put back what was there."""
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


def merging(staging: str, target: str, changes: Sequence[Remove | SetMode]) -> Iterator[Step]:
    """Yield the steps that remove what is to go, bring in everything in `staging/new`, and change permission bits."""
    new = os.path.join(staging, "new")
    removed = [
        one.path for one in changes if isinstance(one, Remove) and os.path.lexists(os.path.join(target, one.path))
    ]
    modes = {one.path: one.mode for one in changes if isinstance(one, SetMode)}
    kept: list[Step] = []
    for path, mode in sorted(modes.items(), reverse=True):  # a directory after what is in it: it may become closed
        there = os.path.join(target, path)
        if is_brought(os.path.join(new, path), there):
            os.chmod(os.path.join(new, path), mode)
        elif not os.path.islink(there):
            kept.append(("mode", mode_change(stat.S_IMODE(os.lstat(there).st_mode), mode), path))
    yield from (("drop", 0, path) for path in removed)
    yield from differences(new, target, "", frozenset(removed))
    yield from kept


def is_brought(new: str, there: str) -> bool:
    """Return whether the commit brings in an entry that has a mode, rather than keep a directory that exists."""
    if not os.path.lexists(new) or os.path.islink(new):
        return False
    return not os.path.isdir(new) or not os.path.isdir(there)


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
    """Yield the steps that take out everything in `target` and then add everything in `staging/new`."""
    for name in sorted(os.listdir(target)):
        if os.path.join(target, name) != staging:
            yield "drop", 0, name
    for entry in sorted(os.scandir(os.path.join(staging, "new")), key=lambda entry: entry.name):
        yield "add", entry.inode(), entry.name


def emptying_by_file(staging: str, target: str) -> Iterator[Step]:
    """Yield the steps that do what `emptying` does without renaming an existing directory."""
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
    for path in reversed(left):  # `os.walk` names a directory before what is in it
        yield "remove", stat.S_IMODE(os.lstat(os.path.join(target, path)).st_mode), path
    yield from differences(new, target, "", frozenset((*dropped, *left)))


def same_file(one: str, other: str) -> bool:
    """Return whether two entries that are not directories are equal: link text, or content and permission bits."""
    first, second = os.lstat(one), os.lstat(other)
    if first.st_mode != second.st_mode or first.st_size != second.st_size:
        return False
    kind = first.st_mode & 0o170000
    if kind == 0o120000:
        return os.readlink(one) == os.readlink(other)
    if kind != 0o100000 or second.st_nlink != 1:
        return os.path.samestat(first, second)  # a file that has a second name elsewhere is replaced, not trusted
    with open(one, "rb") as left, open(other, "rb") as right:
        return left.read() == right.read()
