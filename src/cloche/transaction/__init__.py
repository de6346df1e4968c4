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
load when they are needed: `merge`, `exchange`, `journal`, `leftovers`, and `hold` for what exists already.
"""

from __future__ import annotations

import _signal  # what `signal` wraps: the wrapper's enums cost 1.5 ms
import errno
import os

from cloche.errors import ClocheError, DestinationError, reason_of
from cloche.ground import Ground
from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from cloche.model import Way
    from cloche.transaction.journal import Action

SLOTS = 16
"""Staging directories that a run looks for; more than this many at once are made, and swept by one of the first."""

DESCRIPTORS = os.open in os.supports_dir_fd and os.link in os.supports_dir_fd


class DestinationChanged(Exception):
    """Somebody else put something at the destination since the plan was made; plan again, holding the lock."""


class Transaction:
    """A staging directory and its way into place. Use it as a context; leaving it early undoes everything.

    A signal that asks to stop is held back for all of the context, so that there is no instant in which one could leave
    something behind. What takes long, or starts a program, belongs into `disturbed`.

    :raises DestinationError: the staging directory cannot be made, which says why.
    """

    def __init__(self, target: str, way: Way) -> None:
        self.target = target
        self.way: Way = way
        self._parents: list[str] = []
        self._descriptors: list[int] = []
        self._staging = ""
        self._taken: list[Action] = []
        self._undisturbed = Undisturbed()

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

    def disturbed(self) -> Disturbed:
        """Return a context in which signals are heard: for what comes before the commit, and what looks at its result."""
        return Disturbed(self._undisturbed)

    def _open(self) -> None:
        try:
            descriptor = self._claim()
        except OSError as error:
            beside = self.way in ("new", "exchange")
            denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            if not (beside and denied and os.path.isdir(self.target)):
                raise
            # a directory that is ours in a parent that is not: it stays, and is filled in place
            self.way = "merge" if self.way == "new" else "merge-emptied"
            descriptor = self._claim()
        if descriptor is not None:
            self._descriptors.append(descriptor)
        os.mkdir(self._new)
        ground = None
        if DESCRIPTORS:
            ground = os.open(self._new, os.O_RDONLY | os.O_DIRECTORY)
            self._descriptors.append(ground)
        self.ground = Ground(self._new, ground)

    def _claim(self) -> int | None:
        """Make the staging directory; return the descriptor that holds its lock, if there are locks."""
        parent, name = os.path.split(self.target)
        beside = os.path.join(parent, f".{short(name)}.cloche-")
        if self.way in ("merge", "merge-emptied"):
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
        if self.way == "new":
            self._rename_into_place()
        else:
            from cloche.transaction.merge import put_in_place

            self._taken = put_in_place(self._staging, self.target, self.way, dropped)

    def revert(self) -> None:
        """Take a commit back: what was there is there again. Only while the context is open, and only once.

        :raises OSError: the system refused; the next run that comes by tries again.
        """
        from cloche.transaction.merge import take_out_again

        take_out_again(self._staging, self.target, self.way, self._taken)

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


# Staging directories: claimed by lock, swept when their owner is gone


def short(name: str) -> str:
    """Return a directory's name, or a digest of one so long that nothing could be added to it (NAME_MAX is 255)."""
    if len(os.fsencode(name)) <= 200:
        return name
    from zlib import crc32

    return f"{crc32(os.fsencode(name)):08x}"


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


def claim(stem: str) -> tuple[str, int | None]:
    """Sweep what killed runs left at `stem`0…, then make and lock a staging directory; return its path and descriptor.

    The descriptor is None on a system that cannot lock a directory.
    """
    sweep_all(stem)
    slot = 0
    while True:
        path = f"{stem}{slot}"
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            slot += 1
            continue
        try:
            descriptor, held = lock(path)
        except OSError:
            os.rmdir(path)
            raise
        if held != "by another":  # else somebody takes it for a leftover, in the instant before it was locked
            return path, descriptor


def sweep_all(stem: str) -> None:
    """Sweep every staging directory with this stem."""
    slot = 0
    while slot < SLOTS or os.path.lexists(f"{stem}{slot}"):
        sweep(f"{stem}{slot}")
        slot += 1


def lock(path: str) -> tuple[int | None, str]:
    """Try to lock a directory; return the descriptor that holds it and `by us`, `by another` or `by nobody` (it cannot).

    The lock ends with its process, however that ends. One on a directory that was removed meanwhile does not count.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        return None, "by nobody"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None, "by another"
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            os.close(descriptor)
            return None, "by another"
        return descriptor, "by nobody"  # a file system without locks
    try:
        same = os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        same = False
    if not same:
        os.close(descriptor)
        return None, "by another"
    return descriptor, "by us"


def sweep(staging: str) -> None:
    """Undo and remove a staging directory whose owner is gone; leave one whose owner lives, and what is not ours."""
    if os.path.lexists(staging):
        from cloche.transaction.leftovers import sweep_up

        sweep_up(staging)


def discard(staging: str) -> None:
    """Remove a staging directory with what is in it.

    One with a journal stays: what was there could not be put back all, and the next run tries again.
    """
    try:
        os.rmdir(staging)  # what is left of a transaction that went through
    except OSError:
        from cloche.transaction.leftovers import remove_unless_needed

        remove_unless_needed(staging)


# Signals


class Undisturbed:
    """Hold back the signals that ask to stop until what must not be left half-done is done; a context.

    They arrive at its end, as if they had been sent then. Masking them is enough for a program of one thread. Where there
    are more the system gives a signal to another thread, and Python runs its handler in the main one all the same, so the
    handlers take turns with one that only notes what came. A program that is started within would never hear of these
    signals.

    Entering it twice is as good as once.
    """

    def __init__(self) -> None:
        self._came: list[int] = []
        self._handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
        self._before: set[int] | None = None

    def __enter__(self) -> None:
        if self._before is not None:
            return
        handlers = [(number, handler) for number in STOPPING if callable(handler := _signal.getsignal(number))]
        try:
            self._before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ()) if MASKS else set()
            if MASKS:
                _signal.pthread_sigmask(_signal.SIG_BLOCK, STOPPING)
            for number, handler in handlers:
                self._handlers[number] = handler
                _signal.signal(number, self._note)
        except ValueError:  # not the main thread, the only one that handlers run in
            self._handlers.clear()
        except BaseException:  # one had come already, and nothing has begun
            self.__exit__()
            raise

    def _note(self, number: int, _: FrameType | None) -> None:
        self._came.append(number)

    def __exit__(self, *_: object) -> None:
        before, self._before = self._before, None
        if MASKS and before is not None:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)  # what comes now is noted yet
        try:
            for number, handler in list(self._handlers.items()):
                _signal.signal(number, handler)
                del self._handlers[number]
        finally:
            if self._handlers:  # one came while this was done: what is left is done all the same
                self.__exit__()
        while self._came:
            _signal.raise_signal(self._came.pop(0))


class Disturbed:
    """Let through, for what takes long, the signals that an `Undisturbed` around it holds back; a context."""

    def __init__(self, around: Undisturbed) -> None:
        self._around = around

    def __enter__(self) -> None:
        self._around.__exit__()

    def __exit__(self, *_: object) -> None:
        self._around.__enter__()


MASKS = hasattr(_signal, "pthread_sigmask")

STOPPING = tuple(getattr(_signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(_signal, name))
"""Signals that ask a program to stop."""
