"""Stage an environment beside its destination and put it in place, all or nothing; what it contains is not known here.

A transaction owns a *staging directory* next to the destination (`.NAME.cloche-0`), or inside it where nothing can be
renamed over it (a mount point). The new tree grows in `new/` there, and reaches its place in one of three ways:

- `new`: one rename onto a destination that is absent or an empty directory;
- `exchange`: one exchange with the environment that is there, which is removed afterwards;
- `merge`: entry by entry into a directory that stays, each replaced atomically and noted in a journal beforehand, so
  that a failure, or the next run after a kill, puts back what was there.

A living owner holds a lock on its staging directory, and the system releases it however the run ends. So one that can
be locked is what a killed run left, and is undone and removed by the next run that comes by.

An ordinary run needs no more than this module, with the first way in it. The others, and what is done about leftovers,
load when they are needed: `merge`, `exchange`, `journal`, `leftovers`.
"""

from __future__ import annotations

import errno
import os

from cloche.apply.executor import StagingTree
from cloche.apply.signals import DeferredSignals, DeliveredSignals
from cloche.apply.staging import claim, discard, short, sweep_all
from cloche.errors import ClocheError, DestinationError, reason_of
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.apply.journal import Action
    from cloche.model.plan import Strategy

DESCRIPTORS = os.open in os.supports_dir_fd and os.link in os.supports_dir_fd


class DestinationChanged(Exception):
    """Somebody else put something at the destination since the plan was made; plan again, holding the lock."""


class Transaction:
    """A staging directory and its way into place. Use it as a context; leaving it early undoes everything.

    A signal that asks to stop is held back for all of the context, so that there is no instant in which one could leave
    something behind. What takes long, or starts a program, belongs into `disturbed`.

    :raises DestinationError: the staging directory cannot be made, which says why.
    """

    def __init__(self, target: str, strategy: Strategy) -> None:
        self.target = target
        self.strategy: Strategy = strategy
        self._parents: list[str] = []
        self._descriptors: list[int] = []
        self._staging = ""
        self._taken: list[Action] = []
        self._undisturbed = DeferredSignals()

    def __enter__(self) -> Transaction:
        self._undisturbed.__enter__()
        try:
            self._open()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, OSError):
                raise refused(self.target, error) from error
            raise
        return self

    def disturbed(self) -> DeliveredSignals:
        """Return a context in which signals are heard: for what comes before the commit, and what looks at its result."""
        return DeliveredSignals(self._undisturbed)

    def _open(self) -> None:
        try:
            descriptor = self._claim()
        except OSError as error:
            beside = self.strategy in ("new", "exchange")
            denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            if not (beside and denied and os.path.isdir(self.target)):
                raise
            # a directory that is ours in a parent that is not: it stays, and is filled in place
            self.strategy = "merge" if self.strategy == "new" else "merge-emptied"
            descriptor = self._claim()
        if descriptor is not None:
            self._descriptors.append(descriptor)
        os.mkdir(self._new)
        ground = None
        if DESCRIPTORS:
            ground = os.open(self._new, os.O_RDONLY | os.O_DIRECTORY)
            self._descriptors.append(ground)
        self.ground = StagingTree(self._new, ground)

    def _claim(self) -> int | None:
        """Make the staging directory; return the descriptor that holds its lock, if there are locks."""
        parent, name = os.path.split(self.target)
        beside = os.path.join(parent, f".{short(name)}.cloche-")
        if self.strategy in ("merge", "merge-emptied"):
            sweep_all(beside)
            self._staging, descriptor = claim(os.path.join(self.target, ".cloche-"))
            return descriptor
        attempts = 8
        while True:
            attempts -= 1
            try:
                make_parents(parent, self._parents)
                self._staging, descriptor = claim(beside)
                return descriptor
            except FileNotFoundError:  # another run had made the parent, and took it back when it failed
                if not attempts:
                    raise

    @property
    def _new(self) -> str:
        return os.path.join(self._staging, "new")

    def commit(self, dropped: Sequence[str] = ()) -> None:
        """Put the staged tree in place; a merge first takes away what is `dropped`, as paths relative to the root.

        :raises DestinationChanged: the destination is no longer what the plan was made for; nothing was done.
        :raises OSError: the system refused; what was there is back.
        """
        if self.strategy == "new":
            self._rename_into_place()
        else:
            from cloche.apply.merge import put_in_place

            self._taken = put_in_place(self._staging, self.target, self.strategy, dropped)

    def revert(self) -> None:
        """Take a commit back: what was there is there again. Only while the context is open, and only once.

        :raises OSError: the system refused; the next run that comes by tries again.
        """
        from cloche.apply.merge import take_out_again

        take_out_again(self._staging, self.target, self.strategy, self._taken)

    def _rename_into_place(self) -> None:
        try:
            status = os.lstat(self.target)
        except FileNotFoundError:
            pass
        else:  # an empty directory gives way, and leaves its permissions
            os.chmod(self._new, status.st_mode & 0o7777)
        try:
            if os.name == "nt" and os.path.isdir(self.target):
                os.rmdir(self.target)
            os.rename(self._new, self.target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise DestinationChanged from error
            raise

    def __exit__(self, *_: object) -> None:
        with self._undisturbed:  # unless it is so by now: a signal may just have ended `disturbed`
            self._leave()

    def _leave(self) -> None:
        """Remove the staging directory with whatever is in it, and the parents that were made for nothing."""
        if self._staging:
            discard(self._staging)
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        for parent in reversed(self._parents):
            try:
                os.rmdir(parent)
            except OSError:
                break  # the environment is there, or somebody else uses it by now


def refused(target: str, error: OSError) -> ClocheError:
    """Return the error to raise when the system does not let a staging directory be made for `target`."""
    reason = reason_of(error)
    message = f"cannot make an environment at `{target}`: {reason}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DestinationError(message, hint="choose a directory that you may write to")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT):
        return DestinationError(message, hint="choose another place")
    return ClocheError(message)


def make_parents(path: str, made: list[str]) -> None:
    """Make a directory and its parents; note in `made` those that were made, outermost first."""
    missing: list[str] = []
    while not os.path.isdir(path) and os.path.dirname(path) != path:  # a drive that is not there has no parent
        missing.append(path)
        path = os.path.dirname(path)
    for parent in reversed(missing):
        try:
            os.mkdir(parent)
        except FileExistsError:
            if not os.path.isdir(parent):
                raise
        else:
            made.append(parent)


def take_away(target: str) -> None:
    """Remove a whole directory: for others it is gone in one step.

    :raises OSError: the system refused; it is as it was.
    """
    parent, name = os.path.split(target)
    with DeferredSignals():
        staging, descriptor = claim(os.path.join(parent, f".{short(name)}.cloche-"))
        try:
            os.rename(target, os.path.join(staging, "old"))
        finally:
            discard(staging)
            if descriptor is not None:
                os.close(descriptor)
