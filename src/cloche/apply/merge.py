"""Replace an existing directory with a staged tree, by an exchange or by a merge step by step.

Either everything is replaced, or the previous state is restored: links, permission bits and content.
"""

from __future__ import annotations

import errno
import os
import stat

from cloche.apply.exchange import exchange
from cloche.apply.journal import (
    close_journal,
    mode_change,
    number_steps,
    perform_step,
    restore_directory,
    set_aside_path,
    undo_steps,
    write_journal,
)
from cloche.errors import DestinationError
from cloche.model import PYVENV_CFG
from cloche.model.operations import Remove, SetMode
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.apply.journal import Action, Step
    from cloche.model.aliases import Strategy
    from cloche.model.operations import Operation

PIECE = 1 << 20
"""The number of bytes of a file that are compared at once."""


def split_operations(operations: Iterable[Operation]) -> tuple[list[Operation], list[Remove | SetMode]]:
    """Split the operations of a merge into those for the staging tree and those that change the existing directory."""
    staged: list[Operation] = []
    changes: list[Remove | SetMode] = []
    for operation in operations:
        if isinstance(operation, (Remove, SetMode)):
            changes.append(operation)
        else:
            staged.append(operation)
    return staged, changes


def commit_tree(staging: str, target: str, strategy: Strategy, changes: Iterable[Remove | SetMode]) -> list[Action]:
    """Commit `staging/new` to the existing directory `target`; return the steps performed.

    `changes` are for the strategy `merge`: entries of the target to remove first, and permission bits to change last.

    :raises DestinationError: a directory is needed where something else exists, or the reverse; nothing was changed.
    :raises OSError: a system call failed; the previous state was restored.
    """
    changes = [*changes]
    try:
        if strategy == "exchange":
            return replace_directory(staging, target)
        steps = merge_steps if strategy == "merge" else replacement_steps
        return perform_steps(steps(staging, target, changes), staging, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    # a directory from a lower layer of an overlay file system (a container's image) cannot be renamed, but its files can
    removed = removed_paths(target, changes) if strategy == "merge" else entries_beside(staging, target)
    return perform_steps(
        [*steps_by_file(staging, target, removed), *mode_steps(staging, target, changes)], staging, target
    )


def revert_commit(staging: str, target: str, strategy: Strategy, performed: Sequence[Action]) -> None:
    """Revert `commit_tree`, or the single rename of the strategy `new`.

    :raises OSError, ClocheError: a system call failed; the next run tries again.
    """
    new = os.path.join(staging, "new")
    if any(action.kind != "set-aside" for action in performed):
        write_journal(staging, target, performed)
        undo_steps(performed, staging, target)
        close_journal(staging)
    elif strategy == "exchange" and not performed:
        exchange(new, target)
    elif strategy in ("new", "exchange"):  # a merge without steps had nothing to do
        os.rename(target, new)
        restore_directory(set_aside_path(staging), target)


def replace_directory(staging: str, target: str) -> list[Action]:
    """Replace the entire directory, in one step where the system supports it.

    Elsewhere, the old directory is first renamed aside, and the journal records it. Between the two renames the destination
    does not exist.
    """
    new = os.path.join(staging, "new")
    if exchange(new, target):
        return []
    actions = number_steps([("set-aside", 0, "")])
    write_journal(staging, target, actions)
    try:
        perform_step(actions[0], staging, target)
        os.rename(new, target)
        close_journal(staging)
    except BaseException:
        if not os.path.lexists(new):
            os.rename(target, new)
        restore_directory(set_aside_path(staging), target)
        close_journal(staging)
        raise
    return actions


def perform_steps(steps: Iterable[Step], staging: str, target: str) -> list[Action]:
    """Write all steps to a journal, then perform them; on any failure, restore the previous state."""
    actions = number_steps(steps)
    os.makedirs(set_aside_path(staging), exist_ok=True)
    write_journal(staging, target, actions)
    try:
        for action in actions:
            perform_step(action, staging, target)
        close_journal(staging)  # from here on, the new state is valid
    except BaseException:
        undo_steps(actions, staging, target)
        close_journal(staging)
        raise
    return actions


def merge_steps(staging: str, target: str, changes: Sequence[Remove | SetMode]) -> Iterator[Step]:
    """Yield the steps that remove entries, add everything in `staging/new`, and change permission bits."""
    removed = removed_paths(target, changes)
    last = mode_steps(staging, target, changes)
    new = os.path.join(staging, "new")
    for path in removed:
        if not is_directory_in_both(os.path.join(new, path), os.path.join(target, path)):
            yield "drop", 0, path
    yield from update_steps(new, target, "", frozenset(removed))
    yield from last


def removed_paths(target: str, changes: Iterable[Remove | SetMode]) -> list[str]:
    """Return the existing entries that changes remove."""
    removals = (change.path for change in changes if isinstance(change, Remove))
    return [path for path in removals if os.path.lexists(os.path.join(target, path))]


def mode_steps(staging: str, target: str, changes: Iterable[Remove | SetMode]) -> list[Step]:
    """Return the steps that change permission bits; the bits of staged entries are changed at once."""
    new = os.path.join(staging, "new")
    modes = {change.path: change.mode for change in changes if isinstance(change, SetMode)}
    steps: list[Step] = []
    for path, mode in sorted(modes.items(), reverse=True):  # a directory after its contents: it may become inaccessible
        existing = os.path.join(target, path)
        if is_replaced_by(os.path.join(new, path), existing):
            os.chmod(os.path.join(new, path), mode)
        elif not os.path.islink(existing):
            steps.append(("mode", mode_change(stat.S_IMODE(os.lstat(existing).st_mode), mode), path))
    return steps


def is_replaced_by(new: str, existing: str) -> bool:
    """Return whether the commit replaces `existing` with `new`; False for links, and for directories that both have."""
    if not os.path.lexists(new) or os.path.islink(new):
        return False
    return not os.path.isdir(new) or not os.path.isdir(existing)


def is_directory_in_both(new: str, existing: str) -> bool:
    """Return whether both paths are directories, not links: one can be swapped for the other."""
    return os.path.isdir(new) and os.path.isdir(existing) and not os.path.islink(new) and not os.path.islink(existing)


def update_steps(new: str, target: str, below: str, dropped: frozenset[str] = frozenset()) -> Iterator[Step]:
    """Yield the steps that copy `new` into `target`, `pyvenv.cfg` last; equal entries need no step.

    :param dropped: paths in `target` that earlier steps remove.
    """
    entries = sorted(os.scandir(os.path.join(new, below)), key=lambda entry: (entry.name == PYVENV_CFG, entry.name))
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        existing = os.path.join(target, path)
        if path in dropped:
            yield "swap" if is_directory_in_both(entry.path, existing) else "add", entry.inode(), path
            continue
        try:
            status = os.lstat(existing)
        except FileNotFoundError:
            yield "add", entry.inode(), path
            continue
        is_directory = stat.S_ISDIR(status.st_mode)
        if entry.is_dir(follow_symlinks=False):
            if not is_directory:
                kind = "a symbolic link" if os.path.islink(existing) else "not a directory"
                raise DestinationError(
                    f"`{path}` in `{target}` is {kind}, but an environment needs a directory there",
                    hint="move it away, or choose another destination",
                )
            yield from update_steps(new, target, path, dropped)
        elif is_directory:
            raise DestinationError(
                f"`{path}` in `{target}` is a directory, but an environment needs a file there",
                hint="move it away, or choose another destination",
            )
        elif not is_same_entry(entry.path, existing):
            yield "swap", entry.inode(), path


def replacement_steps(staging: str, target: str, _: Sequence[Remove | SetMode]) -> Iterator[Step]:
    """Yield the steps that remove everything in `target` and then add everything in `staging/new`."""
    yield from (("drop", 0, name) for name in entries_beside(staging, target))
    for entry in sorted(os.scandir(os.path.join(staging, "new")), key=lambda entry: entry.name):
        yield "add", entry.inode(), entry.name


def entries_beside(staging: str, target: str) -> list[str]:
    """Return the names in `target`, except that of the staging directory."""
    return [name for name in sorted(os.listdir(target)) if os.path.join(target, name) != staging]


def steps_by_file(staging: str, target: str, removed: Iterable[str]) -> Iterator[Step]:
    """Yield the steps that remove entries of `target` and add everything in `staging/new`, and rename no existing directory."""
    new = os.path.join(staging, "new")
    dropped, left = [], []
    for path in entries_below(target, removed):
        existing = os.path.join(target, path)
        if os.path.islink(existing) or not os.path.isdir(existing):
            dropped.append(path)
        elif not os.path.isdir(os.path.join(new, path)) or os.path.islink(os.path.join(new, path)):
            left.append(path)
    for path in dropped:
        yield "drop", 0, path
    for path in reversed(left):  # a directory after its contents
        yield "remove", stat.S_IMODE(os.lstat(os.path.join(target, path)).st_mode), path
    yield from update_steps(new, target, "", frozenset((*dropped, *left)))


def entries_below(target: str, paths: Iterable[str]) -> Iterator[str]:
    """Yield entries and everything below them, each directory before its contents."""
    for path in paths:
        yield path
        existing = os.path.join(target, path)
        if os.path.isdir(existing) and not os.path.islink(existing):
            for directory, names, files in os.walk(existing):
                below = os.path.relpath(directory, target)
                yield from (os.path.join(below, name) for name in (*names, *files))


def is_same_entry(one: str, other: str) -> bool:
    """Return whether two entries that are not directories are equal: link text, or content and permission bits."""
    first, second = os.lstat(one), os.lstat(other)
    if first.st_mode != second.st_mode or first.st_size != second.st_size:
        return False
    if stat.S_ISLNK(first.st_mode):
        return os.readlink(one) == os.readlink(other)
    if not stat.S_ISREG(first.st_mode) or second.st_nlink != 1:
        return os.path.samestat(first, second)  # not equal if it has other hard links, through which it may change
    with open(one, "rb") as left, open(other, "rb") as right:
        while (piece := left.read(PIECE)) == right.read(PIECE):
            if not piece:
                return True
    return False
