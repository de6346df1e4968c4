"""Takeover: a new tree takes over unchanged directories of the tree that it replaces, and creates no links to their files.

`cloche.apply.takeover_steps` describes the steps.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.apply.exchange import exchange
from cloche.apply.file_list import read_file_list
from cloche.apply.journal import close_journal, number_steps, restore_error, set_aside_path, write_journal
from cloche.apply.takeover_steps import exchange_entries, link_to, link_to_new_tree, old_tree, take_over
from cloche.apply.transaction import NotTakenOver, Transaction
from cloche.model.operations import CopyTree, InstallTree, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.apply.journal import Action, Step
    from cloche.apply.tree_copy import TakeOver
    from cloche.model.aliases import Strategy
    from cloche.model.operations import Operation, Remove, SetMode


def can_take_over(operations: Sequence[Operation], target: str, strategy: Strategy, moved_from: str) -> bool:
    """Return whether a new tree may take over directories of the old one, as far as the operations tell.

    A program may write anywhere, and a link would lead it to the old tree. A copy of another tree must not be replaced by links
    to this one.
    """
    if os.name == "nt" or strategy not in ("new", "exchange"):
        return False
    old = moved_from or target
    copies = [operation for operation in operations if isinstance(operation, CopyTree)]
    if not copies or any(isinstance(operation, Run) for operation in operations):
        return False
    return all(copy.source == old and copy.link_mode == "hardlink" for copy in copies)


class TakeoverTransaction(Transaction):
    """A transaction whose new tree takes over directories of the old one: of the target, or of the tree that is moved.

    The commit also removes the tree that is moved: it is in the staging directory from then on.
    """

    def __init__(self, target: str, strategy: Strategy, moved_from: str = "") -> None:
        """Prepare a transaction.

        :param moved_from: absolute path of the old tree if it is moved; empty if it is at the target.
        """
        super().__init__(target, strategy)
        self.moved_from = moved_from
        self.taken_over: list[str] = []
        self._steps: list[Action] = []
        self._touched: frozenset[str] = frozenset()
        self._device = 0
        self._old_parents: dict[str, os.stat_result] = {}
        """Their status in the old tree: exchanging an entry changes their times."""

    def stages_new_tree(self) -> bool:
        """Return False: the staging directory also holds a link to the old tree, and then that tree."""
        return False

    @property
    def _old(self) -> str:
        """The path of the old tree once it is set aside."""
        return old_tree(self.staging, "move" if self.moved_from else "take-over")

    def prepare_takeover(self, operations: Sequence[Operation]) -> TakeOver | None:
        """Return what stages a link for each directory to take over: those that no operation touches.

        :raises NotTakenOver: the system or the file system cannot exchange entries, the destination has to stay, or a file list
            is damaged, which is reported without a takeover.
        :raises OSError: a system call failed.
        """
        if self.strategy not in ("new", "exchange"):
            raise NotTakenOver
        source = self.moved_from or self.target
        self._device = os.lstat(source).st_dev
        if self._device != os.lstat(self.new).st_dev:
            raise NotTakenOver
        os.symlink(source, set_aside_path(self.staging))
        for _ in range(2):
            if not exchange(self.new, set_aside_path(self.staging)):
                raise NotTakenOver
        if not self.moved_from:
            os.unlink(set_aside_path(self.staging))
        link_to_new_tree(self._old, self.target)
        try:
            self._touched = frozenset(touched_paths(operations))
        except ValueError:
            raise NotTakenOver from None
        return self._take_over_later

    def _take_over_later(self, path: str, entry: os.DirEntry[str]) -> bool:
        """Create the link for a directory of the old tree if that stays as it is; return whether it does."""
        status = entry.stat(follow_symlinks=False)
        if path in self._touched or status.st_dev != self._device or not os.access(entry.path, os.W_OK):
            return False  # a directory that cannot be written to cannot be moved either
        os.symlink(link_to(path, self._old), os.path.join(self.new, path))
        self.taken_over.append(path)
        parent = os.path.dirname(path)
        if parent not in self._old_parents:
            self._old_parents[parent] = os.stat(os.path.dirname(entry.path))
        return True

    def commit(self, changes: Iterable[Remove | SetMode] = ()) -> None:
        """Put the new tree in place, set the old one aside, and take over its directories.

        :param changes: none; only a merge has some.
        :raises NotTakenOver: a system call failed; nothing was changed.
        :raises DestinationChanged: something has appeared at the target; nothing was changed.
        """
        self.lock_tree()
        if not self.moved_from:
            self.give_to_owner()
        inode = os.lstat(self.new).st_ino
        steps: list[Step] = [("move", inode, self.moved_from)] if self.moved_from else []
        steps += (("take-over", inode, path) for path in self.taken_over)
        self._steps = number_steps(steps)
        write_journal(self.staging, self.target, self._steps)
        try:
            self._put_in_place()
        except BaseException as error:
            close_journal(self.staging)
            if isinstance(error, OSError):
                raise NotTakenOver from error
            raise
        try:
            take_over(self.taken_over, self._old, self.target)
            self._restore_times(self.target)
        except OSError as error:
            self.revert()
            raise NotTakenOver from error
        close_journal(self.staging)

    def _put_in_place(self) -> None:
        if not self.moved_from:
            exchange_entries(self.new, self.target)
            return
        self.rename_into_place()
        try:
            exchange_entries(self._old, self.moved_from)
        except OSError:
            os.rename(self.target, self.new)
            raise
        os.unlink(self.moved_from)

    def revert(self) -> None:
        """Give the directories back, and put the old tree in place again.

        :raises ClocheError: a system call failed; the next run for this destination completes the new tree instead.
        """
        try:
            self._give_back()
        except OSError as error:
            raise restore_error(self.moved_from or self.target, self.staging, error) from error

    def _give_back(self) -> None:
        write_journal(self.staging, self.target, self._steps)
        for path in reversed(self.taken_over):
            if os.path.islink(os.path.join(self._old, path)):
                exchange_entries(os.path.join(self._old, path), os.path.join(self.target, path))
        self._restore_times(self._old)
        if self.moved_from:
            os.rename(self._old, self.moved_from)
            os.rename(self.target, self.new)
        else:
            exchange_entries(self.new, self.target)
        close_journal(self.staging)

    def _restore_times(self, root: str) -> None:
        """Give directories the times that they had before entries in them were exchanged."""
        for parent, status in self._old_parents.items():
            os.utime(os.path.join(root, parent), ns=(status.st_atime_ns, status.st_mtime_ns))


def touched_paths(operations: Iterable[Operation]) -> Iterator[str]:
    """Yield the paths of the directories that operations create or write to, and the parents of these.

    :raises OSError, ValueError: a file list is missing or damaged.
    """
    for operation in operations:
        if isinstance(operation, CopyTree):
            paths: Iterable[str] = operation.without
        elif isinstance(operation, InstallTree):
            prefix = "" if operation.path == "." else f"{operation.path}/"
            listed = read_file_list(operation.file_list).directories
            paths = (operation.path, *(f"{prefix}{directory}" for directory in listed))
        else:
            paths = (getattr(operation, "path", ""),)
        for path in paths:
            yield path
            yield from (path[:index] for index, character in enumerate(path) if character == "/")
