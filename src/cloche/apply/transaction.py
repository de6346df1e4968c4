"""Put a tree at its destination, whatever it contains, all or nothing.

A transaction owns a *staging directory* beside the destination (`.NAME.cloche-0`), or inside it if that directory stays.
`apply` writes the new tree to `new/` in it. The tree is committed by one of these strategies:

- `new`: one rename onto a destination that is absent or an empty directory. Nothing else is staged, so the staging directory
  (`.NAME.cloche-new-0`) is itself the new tree;
- `exchange`: one exchange with the directory that exists, which is removed afterwards;
- `merge`: entry by entry into a directory that stays. Each step is atomic and is recorded in a journal beforehand, so that
  a failure, or the next run after a kill, restores the previous state;
- `merge-emptied`: the same, after everything in the directory is moved out.

A running process locks its staging directory, and the system releases the lock however the process ends. So a staging
directory that can be locked was left by a killed run; the next run for the same destination undoes and removes it.

A warm run needs only this module and the strategy `new`. `merge`, `exchange`, `journal` and `leftovers` are imported when
they are needed.
"""

from __future__ import annotations

import errno
import os

from cloche.apply.staging import claim_staging, discard_staging, stem_beside, stem_inside, stem_of_new_tree, sweep_slots
from cloche.cpython import signal
from cloche.fs import lock_open_directory
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import FrameType

    from cloche.apply.journal import Action
    from cloche.apply.tree_copy import TakeOver
    from cloche.model.aliases import Strategy
    from cloche.model.operations import Operation, Remove, SetMode

SUPPORTS_DIR_FD = os.open in os.supports_dir_fd and os.link in os.supports_dir_fd


class DestinationChanged(Exception):
    """Another program created something at the destination after the plan was made; lock it and plan again."""


class NotTakenOver(Exception):
    """The old tree has to stay complete until the new one is finished. Nothing was changed; do it without a takeover."""


class Transaction:
    """A staging directory and its commit; a context manager that undoes everything unless `commit` was called.

    Signals that ask to stop are deferred inside the context, so that none can interrupt a critical step. Put slow
    code, and code that starts a program, into `delivered_signals`.

    :raises ClocheError: the staging directory cannot be created.
    """

    def __init__(self, target: str, strategy: Strategy) -> None:
        self.target = target
        self.strategy: Strategy = strategy
        self.staging = ""
        """The absolute path of the staging directory; empty if there is none, because it was renamed into place."""
        self.new = ""
        """The absolute path of the staging tree: the staging directory itself, or `new` in it."""
        self.descriptor: int | None = None
        """The descriptor of the staging tree, where the system supports it."""
        self.left: list[str] = []
        """The staging directories that could not be removed; they hold what was replaced."""
        self._shared_mode = 0
        """The mode of a new tree in which other users may write; 0 if they may not."""
        self._parents: list[str] = []
        self._descriptors: list[int] = []
        self._performed: list[Action] = []
        self._deferred = DeferredSignals()

    def __enter__(self) -> Transaction:
        self._deferred.__enter__()
        try:
            self._open()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, OSError):
                from cloche.apply.obstacles import staging_error

                raise staging_error(self.target, error) from error
            raise
        return self

    def delivered_signals(self) -> DeliveredSignals:
        """Return a context manager in which signals are delivered: for staging, and for verifying the result."""
        return DeliveredSignals(self._deferred)

    def _open(self) -> None:
        try:
            descriptor = self._claim()
        except OSError as error:
            beside = self.strategy in ("new", "exchange")
            denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            if not (beside and denied and os.path.isdir(self.target)):
                raise
            # the directory is writable but its parent is not, whatever `access` said: change the contents of the directory
            self.strategy = "merge" if self.strategy == "new" else "merge-emptied"
            descriptor = self._claim()
        if descriptor is not None:
            self._descriptors.append(descriptor)
        if self.stages_new_tree():
            self.new = self.staging
            self.descriptor = descriptor if SUPPORTS_DIR_FD else None
            self._deny_other_writers()
            return
        self.new = os.path.join(self.staging, "new")
        os.mkdir(self.new)
        if SUPPORTS_DIR_FD:
            self.descriptor = os.open(self.new, os.O_RDONLY | os.O_DIRECTORY)
            self._descriptors.append(self.descriptor)

    def _deny_other_writers(self) -> None:
        """Keep other users from writing to the new tree before it is complete, whatever the umask allows.

        They could otherwise create a link in the place of a directory, and files would be written where it leads.

        :raises OSError: they have already created something.
        """
        mode = os.stat(self.new).st_mode & 0o7777
        if os.name == "posix" and mode & 0o022:
            os.chmod(self.new, mode & ~0o022)
            if os.listdir(self.new):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), self.new)
            self._shared_mode = mode

    def stages_new_tree(self) -> bool:
        """Return whether the staging directory is itself the new tree."""
        return self.strategy == "new"

    def _claim(self) -> int | None:
        """Create the staging directory; return the descriptor that holds its lock, None if locks are not supported."""
        beside, new_tree = stem_beside(self.target), stem_of_new_tree(self.target)
        if self.strategy in ("merge", "merge-emptied"):
            sweep_slots(beside)
            sweep_slots(new_tree)
            self.staging, descriptor = claim_staging(stem_inside(self.target))
            return descriptor
        is_tree = self.stages_new_tree()
        sweep_slots(beside if is_tree else new_tree)
        attempts = 8
        while True:
            attempts -= 1
            try:
                create_parents(os.path.dirname(self.target), self._parents)
                self.staging, descriptor = claim_staging(new_tree, 0o777) if is_tree else claim_staging(beside)
                return descriptor
            except FileNotFoundError:  # another run had created the parent, and removed it when it failed
                if not attempts:
                    raise

    def prepare_takeover(self, operations: Sequence[Operation]) -> TakeOver | None:
        """Return what takes over directories of a tree that operations copy; None if all of them are copied."""
        return None

    def commit(self, changes: Iterable[Remove | SetMode] = ()) -> None:
        """Put the staging tree in place.

        :param changes: what a merge changes in the destination itself.
        :raises DestinationChanged: something has appeared at the target; nothing was changed.
        :raises OSError: a system call failed; the previous state was restored.
        """
        self.lock_tree()
        if self.strategy == "new":
            self.rename_into_place()
        else:
            from cloche.apply.merge import commit_tree

            self.give_to_owner()
            self._performed = commit_tree(self.staging, self.target, self.strategy, changes)

    def lock_tree(self) -> None:
        """Lock the new tree until the transaction ends, so that other runs do not use it before it is verified.

        The lock that the caller holds is on the directory that it replaces.
        """
        if self.descriptor is not None and not self.stages_new_tree():  # such a tree is locked already
            lock_open_directory(self.descriptor)

    def revert(self) -> None:
        """Revert a commit and restore the previous state. Call it once, while the context is open.

        :raises OSError: a system call failed; the next run for this destination tries again.
        """
        from cloche.apply.merge import revert_commit

        if not self.staging:  # it was renamed into place, and another run may use its name by now
            self.staging, descriptor = claim_staging(stem_beside(self.target))
            if descriptor is not None:
                self._descriptors.append(descriptor)
        revert_commit(self.staging, self.target, self.strategy, self._performed)

    def give_to_owner(self) -> None:
        """Give the new tree to the owner of the existing directory: an upgrade by the superuser must not lock users out."""
        if self.descriptor is not None:
            from cloche.apply.ownership import give_to_owner

            give_to_owner(os.stat(self.target), os.lstat(self.staging), self.descriptor)

    def rename_into_place(self) -> None:
        try:
            status = os.lstat(self.target)
        except FileNotFoundError:
            if self._shared_mode:
                os.chmod(self.new, self._shared_mode)
        else:  # an empty directory is replaced; keep its owner and its permissions
            created = os.lstat(self.new)
            if (status.st_uid, status.st_gid) != (created.st_uid, created.st_gid):
                from cloche.apply.ownership import keep_owner

                keep_owner(self.new, None, status)
            os.chmod(self.new, status.st_mode & 0o7777)
        try:
            if os.name == "nt" and os.path.isdir(self.target):
                os.rmdir(self.target)
            os.rename(self.new, self.target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise DestinationChanged from error
            raise
        if self.stages_new_tree():
            self.staging = ""

    def __exit__(self, *_: object) -> None:
        with self._deferred:  # needed if a signal has just ended `delivered_signals`
            self._close()

    def _close(self) -> None:
        """Remove the staging directory with its contents, and the parents that this run created and does not need."""
        if self.staging and not discard_staging(self.staging):
            self.left.append(self.staging)
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        for parent in reversed(self._parents):
            try:
                os.rmdir(parent)
            except OSError:
                break  # it contains the environment, or another program uses it by now


def create_parents(path: str, created: list[str]) -> None:
    """Create a directory and its parents; add to `created` those that did not exist, outermost first."""
    missing: list[str] = []
    while not os.path.isdir(path) and os.path.dirname(path) != path:  # a drive that does not exist has no parent
        missing.append(path)
        path = os.path.dirname(path)
    for parent in reversed(missing):
        try:
            os.mkdir(parent)
        except FileExistsError:
            if not os.path.isdir(parent):
                raise
        else:
            created.append(parent)


# Signals

CAN_MASK_SIGNALS = hasattr(signal, "pthread_sigmask")


class DeferredSignals:
    """A context manager that defers the signals that ask a program to stop.

    They are delivered when the context ends. Masking them is enough in a program with one thread. With several threads, the
    system delivers a signal to another thread, and Python still runs its handler in the main thread. So the handlers are
    replaced by one that only records the signal.

    Entering the context twice has the same effect as entering it once.
    """

    _masks = CAN_MASK_SIGNALS

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
        self._before: set[int] | None = None

    def __enter__(self) -> None:
        if self._before is not None:
            return
        handlers = [(number, handler) for number in STOPPING if callable(handler := signal.getsignal(number))]
        try:
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if self._masks else set()
            if self._masks:
                signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
            for number, handler in handlers:
                self._handlers[number] = handler
                signal.signal(number, self._record)
        except ValueError:  # only the main thread may set handlers
            self._handlers.clear()
        except BaseException:  # a signal arrived before all handlers were replaced
            self.__exit__()
            raise

    def _record(self, number: int, _: FrameType | None) -> None:
        self._pending.append(number)

    def __exit__(self, *_: object) -> None:
        before, self._before = self._before, None
        if self._masks and before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)  # signals that arrive now are still only recorded
        try:
            for number, handler in list(self._handlers.items()):
                signal.signal(number, handler)
                del self._handlers[number]
        finally:
            if self._handlers:  # a signal interrupted the loop; restore the rest anyway
                self.__exit__()
        while self._pending:
            signal.raise_signal(self._pending.pop(0))


class DeferredHandlers(DeferredSignals):
    """Like `DeferredSignals`, but programs can be started inside, and a signal does not lose the new process.

    The signals are not masked: a program would inherit the mask, and never receive them.
    """

    _masks = False


class DeliveredSignals:
    """A context manager for long operations that delivers the signals that an outer `DeferredSignals` defers."""

    def __init__(self, outer: DeferredSignals) -> None:
        self._outer = outer

    def __enter__(self) -> None:
        self._outer.__exit__()

    def __exit__(self, *_: object) -> None:
        self._outer.__enter__()


STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a program to stop."""
