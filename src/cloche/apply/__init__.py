"""Write to the disk: perform the operations that create, move, repair or upgrade an environment, all or nothing.

`apply` reads as the table of contents of this package:

1. open a *transaction*, which owns a *staging* directory and defers signals;
2. stage: the *executor* performs the operations in an empty staging tree;
3. commit: put that tree in place by a rename, an *exchange*, or a *merge* that keeps a *journal*; a tree that replaces a
   similar one takes over the directories in which nothing changes (a *takeover*);
4. verify: check the result, and revert the commit if the check fails;
5. close: remove the staging directory. If the run is killed first, the next one finds it among the *leftovers*.
"""

from __future__ import annotations

import os

from cloche.apply.transaction import (
    DeferredHandlers,
    DeferredSignals,
    DeliveredSignals,
    DestinationChanged,
    NotTakenOver,
    Transaction,
)
from cloche.errors import ClocheError, reason_of
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

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
    return carry_out(Transaction(target, strategy, moved_from), tree, verify)


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

    def stage_in(self, transaction: Transaction) -> None:
        """Perform the operations in the staging tree of an open transaction, then those that `complete` returns."""
        transaction.tree.run = self.run
        with transaction.delivered_signals():
            transaction.perform(self.operations, self.link_mode)
            if self.complete is not None:
                transaction.perform(self.complete(transaction.tree.root), self.link_mode)

    def run(self, root: str, arguments: tuple[str, ...], purpose: str) -> None:
        """Run a program for the tree, which is staged at `root`.

        :raises ClocheError: it fails.
        """
        from cloche.apply.processes import run_in_tree  # only the creator `venv` needs it

        run_in_tree(root, arguments, purpose, self.environ)


def carry_out(transaction: Transaction, tree: NewTree, verify: Callable[[], None] | None) -> list[str]:
    """Stage a tree, commit it and verify the result; return the warnings. See `apply`."""
    with transaction:
        try:
            tree.stage_in(transaction)
            transaction.commit()
            try:
                if verify is not None:
                    with transaction.delivered_signals():
                        verify()
                transaction.remove_source()
            except BaseException:
                transaction.revert()
                raise
        except OSError as error:
            raise write_error(transaction.target, error) from error
    return [removal_warning(left) for left in transaction.left]


def removal_warning(left: str) -> str:
    """Return the warning about a staging directory that could not be removed, with what is in it."""
    from cloche.apply.obstacles import commands_before_removal
    from cloche.fs import list_names

    commands = [*commands_before_removal(left), *commands_before_removal(os.path.dirname(left), below=False)]
    allowed = "".join(f"; `{command}` allows you to remove it" for command in commands[:1])
    if not list_names(left):
        return f"the staging directory `{left}` could not be removed{allowed}"
    return f"what was replaced could not be removed completely: the rest is in `{left}`{allowed}"


def write_error(target: str, error: OSError) -> ClocheError:
    """Return the error to show after a failed system call, with the reason and the file if it is known."""
    from cloche.apply.obstacles import remedy_for

    name = error.filename2 or error.filename
    shown = f" (`{name}`)" if isinstance(name, str) and name != target else ""
    return ClocheError(
        f"cannot write `{target}`: {reason_of(error)}{shown}",
        hint=f"nothing was changed; {remedy_for(error, target)}",
    )
