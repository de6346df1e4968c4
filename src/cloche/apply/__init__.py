"""Write to the disk: perform the operations that create, move, repair or upgrade an environment, all or nothing.

`apply` reads as the table of contents of this package:

1. open a *transaction*, which owns a *staging* directory and defers signals;
2. stage: the *executor* performs the operations in an empty staging tree, then those that `complete` returns;
3. commit: put that tree in place by a rename, an *exchange*, or a *merge* that keeps a *journal*; a tree that replaces a
   similar one takes over the directories in which nothing changes (a *takeover*);
4. verify: check the result, then remove the tree that was moved, and revert the commit if either fails;
5. close: remove the staging directory. If the run is killed first, the next one finds it among the *leftovers*.

`carry_out` has these steps in this order.
"""

from __future__ import annotations

from cloche.apply.executor import StagingTree
from cloche.apply.transaction import (
    DeferredHandlers,
    DeferredSignals,
    DeliveredSignals,
    DestinationChanged,
    NotTakenOver,
    Transaction,
)
from cloche.errors import ClocheError, reason_of
from cloche.model.operations import Copy, CopyTree, InstallTree, Link, MakeDir, Remove, Rewrite, Run, SetMode, Write
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from cloche.apply.tree_copy import TakeOver
    from cloche.model.aliases import LinkMode, Strategy
    from cloche.model.operations import Operation

    Complete: TypeAlias = Callable[[str], Iterable[Operation]]
    """Takes the absolute path of the staged tree, may run programs there, and returns more operations."""

__all__ = (
    "DeferredHandlers",
    "DeferredSignals",
    "DeliveredSignals",
    "DestinationChanged",
    "NotTakenOver",
    "apply",
    "rehearse",
)


def apply(
    operations: Iterable[Operation],
    target: str,
    strategy: Strategy,
    verify: Callable[[], None] | None = None,
    *,
    link_mode: LinkMode = "auto",
    complete: Complete | None = None,
    moved_from: str = "",
    environ: Mapping[str, str] | None = None,
) -> list[str]:
    """Perform operations and put the result at `target`, all or nothing; return warnings about what could not be removed.

    Unless the strategy is `new`, the caller holds the `DirectoryLock` of the environment, because it has to plan under the
    same lock.

    :param verify: checks the result; any exception that it raises reverts the commit.
    :param link_mode: how the files of an image are transferred.
    :param complete: returns operations that depend on the staged tree; called before the commit.
    :param moved_from: absolute path of a directory to remove in the same transaction. It may be gone before `verify` is
        called, which can then raise `NotTakenOver` to be called again while both exist.
    :param environ: the environment variables for programs that operations run; by default, the variables of this process.

    :raises DestinationChanged: with the strategy `new`, something has appeared at the target; nothing was changed.
    :raises ClocheError: a system call failed, or `complete` or `verify` raised it; nothing was changed.
    """
    tree = NewTree([*operations], link_mode, complete, environ)
    if strategy == "exchange" or moved_from:
        from cloche.apply.takeover import TakeoverTransaction, can_take_over

        if complete is None and can_take_over(tree.operations, target, strategy, moved_from):
            try:
                return carry_out(TakeoverTransaction(target, strategy, moved_from), tree, verify)
            except NotTakenOver:
                pass
    return carry_out(Transaction(target, strategy), tree, verify, moved_from)


def rehearse(
    operations: Iterable[Operation],
    target: str,
    strategy: Strategy,
    complete: Complete,
    *,
    link_mode: LinkMode = "auto",
) -> None:
    """Do what `apply` does before the commit, then discard the staged tree: a dry run that tests `complete`.

    :raises ClocheError: a system call failed, or `complete` raised it.
    """
    tree = NewTree([*operations], link_mode, complete)
    with Transaction(target, strategy) as transaction:
        try:
            tree.stage_in(transaction)
        except OSError as error:
            raise write_error(target, error) from error


class NewTree(Value):
    """How to make the tree that is put in place; the arguments of `apply` with these names."""

    operations: Sequence[Operation]
    link_mode: LinkMode
    complete: Complete | None
    environ: Mapping[str, str] | None = None

    def stage_in(self, transaction: Transaction) -> list[Remove | SetMode]:
        """Perform the operations in the staging tree of an open transaction, then those that `complete` returns.

        Return the operations that a merge does not perform there, because they change the destination itself.

        :raises OSError: a system call failed.
        :raises ClocheError: a program that was run failed, or `complete` raised it.
        """
        tree = StagingTree(transaction.new, transaction.descriptor)
        changes: list[Remove | SetMode] = []
        with transaction.delivered_signals():
            take_over = transaction.prepare_takeover(self.operations)

            def perform(operations: Iterable[Operation]) -> None:
                if transaction.strategy == "merge":
                    from cloche.apply.merge import split_operations

                    operations, later = split_operations(operations)
                    changes.extend(later)
                perform_operations(operations, tree, self.link_mode, self.environ, take_over)

            perform(self.operations)
            if self.complete is not None:
                perform(self.complete(transaction.new))
        return changes


def perform_operations(
    operations: Iterable[Operation],
    tree: StagingTree,
    link_mode: LinkMode,
    environ: Mapping[str, str] | None = None,
    take_over: TakeOver | None = None,
) -> None:
    """Perform operations in order in a staging tree.

    :param environ: the environment variables for programs; by default, the variables of this process.
    :param take_over: called for each directory of a tree that is copied.
    :raises OSError: a system call failed; the caller has to remove what was created before.
    :raises ClocheError: a program that was run failed.
    """
    for operation in operations:
        match operation:
            case MakeDir(path):
                tree.create_directory(path)
            case Link(path, target, copy):
                tree.link(path, target, copy)
            case Copy(path, source, mode):
                tree.copy(path, source, mode)
            case Write(path, content):
                tree.write(path, content, 0o777 if operation.is_executable else 0o666)
            case Rewrite(path, content, old):
                tree.rewrite(path, content, old)
            case CopyTree(source, without, mode):
                from cloche.apply.tree_copy import TreeCopy  # not for a new environment

                TreeCopy(tree, source, frozenset(without), mode, take_over).run()
            case InstallTree():
                tree.install_tree(operation, link_mode)
            case SetMode(path, mode):
                tree.set_mode(path, mode)
            case Remove(path):
                tree.remove(path)
            case Run(arguments, purpose):
                from cloche.apply.processes import run_in_tree  # only the creator `venv` needs it

                run_in_tree(tree.root, arguments, purpose, environ)


def carry_out(
    transaction: Transaction, tree: NewTree, verify: Callable[[], None] | None, moved_from: str = ""
) -> list[str]:
    """Stage a tree, commit it, verify the result and remove the old tree; return the warnings. See `apply`.

    :param moved_from: absolute path of the directory to remove, unless the commit does that; empty for none.
    """
    left: list[str] = []
    with transaction:
        try:
            changes = tree.stage_in(transaction)
            transaction.commit(changes)
            try:
                if verify is not None:
                    with transaction.delivered_signals():
                        verify()
                if moved_from:
                    from cloche.apply.removal import remove_directory

                    left = remove_directory(moved_from)
            except BaseException:
                transaction.revert()
                raise
        except OSError as error:
            raise write_error(transaction.target, error) from error
    left += transaction.left
    if left:
        from cloche.apply.obstacles import removal_warning

        return [*map(removal_warning, left)]
    return []


def write_error(target: str, error: OSError) -> ClocheError:
    """Return the error to show after a failed system call, with the reason and the file if it is known."""
    from cloche.apply.obstacles import remedy_for

    name = error.filename2 or error.filename
    shown = f" (`{name}`)" if isinstance(name, str) and name != target else ""
    return ClocheError(
        f"cannot write `{target}`: {reason_of(error)}{shown}",
        hint=f"nothing was changed; {remedy_for(error, target)}",
    )
