"""Stage an environment beside its destination and put it in place, all or nothing; what it contains is not known here.

A transaction owns a *staging directory* next to the destination (`.NAME.cloche-0`), or inside it where nothing can be
renamed over it (a mount point). The new tree grows in `new/` there, and reaches its place in one of three ways:

- `new`: one rename onto a destination that is absent or an empty directory;
- `exchange`: one exchange with the environment that is there, which is removed afterwards;
- `merge`: entry by entry into a directory that stays, each replaced atomically and noted in a journal beforehand, so
  that a failure, or the next run after a kill, puts back what was there.

A living owner holds a lock on its staging directory; one that can be locked is what a killed run left, and is undone
and removed by the next run that comes by.
"""

from __future__ import annotations

import errno
import os

from cloche.errors import ClocheError, DestinationError
from cloche.operations import Ground
from cloche.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from cloche.model import Way

SLOTS = 16
"""Staging directories that a run looks for; more than this many at once are made, and swept by one of the first."""

PATIENCE = 60.0
"""Seconds to wait for another run that changes the same environment."""

DESCRIPTORS = os.open in os.supports_dir_fd and os.link in os.supports_dir_fd


class DestinationChanged(Exception):
    """Somebody else put something at the destination since the plan was made; plan again, holding the lock."""


@value
class Action:
    """One step of a commit: `add` an entry, `swap` one for another, `drop` one, `set-aside` the whole environment."""

    verb: str
    inode: int
    """Of the new entry, by which a later run can tell whether the step was taken; 0 for `drop`."""
    path: str
    """Relative to the root, with `/`."""


class Transaction:
    """A staging directory and its way into place. Use it as a context; leaving it early undoes everything.

    :raises DestinationError: the staging directory cannot be made, which says why.
    """

    def __init__(self, target: str, way: Way) -> None:
        self.target = target
        self.way: Way = way
        self._parents: list[str] = []
        self._descriptors: list[int] = []
        self._staging = ""
        self._taken: list[Action] = []

    def __enter__(self) -> Transaction:
        try:
            self._open()
        except OSError as error:
            self._leave()
            raise refused(self.target, error) from error
        except BaseException:
            self._leave()
            raise
        return self

    def _open(self) -> None:
        parent, name = os.path.split(self.target)
        if self.way in ("new", "exchange"):
            self._parents = make_parents(parent)
            stem = os.path.join(parent, f".{short(name)}.cloche-")
        else:
            stem = os.path.join(self.target, ".cloche-")
        try:
            self._staging, descriptor = claim(stem)
        except OSError as error:
            inside = self.way == "new" and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            if not (inside and os.path.isdir(self.target)):
                raise
            # an empty directory that is ours in a parent that is not: fill it in place
            self.way = "merge"
            self._staging, descriptor = claim(os.path.join(self.target, ".cloche-"))
        if descriptor is not None:
            self._descriptors.append(descriptor)
        os.mkdir(self._new)
        ground = None
        if DESCRIPTORS:
            ground = os.open(self._new, os.O_RDONLY | os.O_DIRECTORY)
            self._descriptors.append(ground)
        self.ground = Ground(self._new, ground)

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
        elif self.way == "exchange":
            replace_tree(self._staging, self.target)
        else:
            self._taken = merge(self._staging, self.target, emptied=self.way == "merge-emptied", dropped=dropped)
        self._parents = []

    def revert(self) -> None:
        """Take a commit back: what was there is there again. Only while the context is open, and only once.

        :raises OSError: the system refused; the next run that comes by tries again.
        """
        new, aside = os.path.join(self._staging, "new"), os.path.join(self._staging, "old")
        if self.way in ("merge", "merge-emptied"):
            write_journal(self._staging, self._taken)
            undo(self._taken, self._staging, self.target)
            os.unlink(os.path.join(self._staging, JOURNAL))
        elif self.way == "exchange" and not os.path.lexists(aside):
            exchange(new, self.target)
        else:
            os.rename(self.target, new)
            restore(aside, self.target)

    def _rename_into_place(self) -> None:
        try:
            status = os.lstat(self.target)
        except FileNotFoundError:
            pass
        else:  # an empty directory gives way, and leaves its permissions
            os.chmod(self._new, status.st_mode & 0o7777)
            if os.name == "nt":
                os.rmdir(self.target)
        try:
            os.rename(self._new, self.target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise DestinationChanged from error
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        """Remove the staging directory with whatever is in it, and the parents that were made for nothing.

        One with a journal stays: what was there could not be put back all, and the next run tries again.
        """
        if self._staging and not os.path.lexists(os.path.join(self._staging, JOURNAL)):
            remove(self._staging)
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        for parent in reversed(self._parents):
            try:
                os.rmdir(parent)
            except OSError:
                break  # somebody uses it by now


def refused(target: str, error: OSError) -> ClocheError:
    """Return the error to raise when the system does not let a staging directory be made for `target`."""
    reason = (error.strerror or str(error)).lower()
    message = f"cannot make an environment at `{target}`: {reason}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DestinationError(message, hint="choose a directory that you may write to")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT):
        return DestinationError(message, hint="choose another place")
    return ClocheError(message)


def short(name: str) -> str:
    """Return a directory's name, or a digest of one so long that nothing could be added to it (NAME_MAX is 255)."""
    if len(os.fsencode(name)) <= 200:
        return name
    from zlib import crc32

    return f"{crc32(os.fsencode(name)):08x}"


def make_parents(path: str) -> list[str]:
    """Make a directory and its parents; return those that were made, outermost first."""
    missing: list[str] = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    made: list[str] = []
    for parent in reversed(missing):
        try:
            os.mkdir(parent)
        except FileExistsError:
            if not os.path.isdir(parent):
                raise
        else:
            made.append(parent)
    return made


# Staging directories: claimed by lock, swept when their owner is gone


def claim(stem: str) -> tuple[str, int | None]:
    """Sweep what killed runs left at `stem`0…, then make and lock a staging directory; return its path and descriptor.

    The descriptor is None on a system that cannot lock a directory.
    """
    slot = 0
    while slot < SLOTS or os.path.lexists(f"{stem}{slot}"):
        sweep(f"{stem}{slot}")
        slot += 1
    slot = 0
    while True:
        path = f"{stem}{slot}"
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            slot += 1
            continue
        descriptor, held = lock(path)
        if held != "by another":  # else somebody takes it for a leftover, in the instant before it was locked
            return path, descriptor


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


UNLOCKED_LIFETIME = 24 * 3600
"""Seconds after which a staging directory counts as left behind where no lock can tell."""


def sweep(staging: str) -> None:
    """Undo and remove a staging directory whose owner is gone; leave one whose owner lives, and what is not ours."""
    try:
        status = os.lstat(staging)
    except OSError:
        return
    if not os.path.isdir(staging) or os.path.islink(staging):
        return
    descriptor, held = lock(staging)
    try:
        if held == "by another":
            return
        if held == "by nobody":
            from time import time

            if time() - status.st_mtime < UNLOCKED_LIFETIME:
                return
        recover(staging)
        remove(staging)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def remove(path: str) -> None:
    """Remove a tree, never following a link; what cannot be removed stays for a later sweep."""
    try:
        os.rmdir(path)  # what is left of a transaction that went through
    except OSError:
        from shutil import rmtree

        rmtree(path, ignore_errors=True)


# Exchange


def exchange(one: str, other: str) -> bool:
    """Exchange two directory entries in one step; False where the system or the file system cannot.

    Linux 3.15 `renameat2(RENAME_EXCHANGE)`, macOS 10.12 `renamex_np(RENAME_SWAP)`.
    """
    import ctypes
    import sys

    try:
        library = ctypes.CDLL(None, use_errno=True)
        first, second = os.fsencode(one), os.fsencode(other)
        if sys.platform == "darwin":
            failed = library.renamex_np(first, second, 2)
        else:
            here = -100  # AT_FDCWD
            failed = library.renameat2(here, first, here, second, 2)
    except (AttributeError, OSError, TypeError):
        return False
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), one, None, other)


def replace_tree(staging: str, target: str) -> None:
    """Put `staging/new` where the directory `target` is, in one step where the system can.

    Elsewhere the old one is first renamed aside, noted in the journal: for that instant the destination is absent.
    """
    new, aside = os.path.join(staging, "new"), os.path.join(staging, "old")
    if exchange(new, target):
        return
    actions = [Action("set-aside", 0, os.path.basename(target))]
    write_journal(staging, actions)
    os.rename(target, aside)
    try:
        os.rename(new, target)
    except BaseException:
        restore(aside, target)
        os.unlink(os.path.join(staging, JOURNAL))
        raise
    os.unlink(os.path.join(staging, JOURNAL))


def restore(aside: str, target: str) -> None:
    """Put back an environment that was set aside, if nothing has taken its place."""
    if os.path.lexists(aside) and not os.path.lexists(target):
        os.rename(aside, target)


def take_away(target: str) -> None:
    """Remove a whole directory: for others it is gone in one step.

    :raises OSError: the system refused; it is as it was.
    """
    parent, name = os.path.split(target)
    staging, descriptor = claim(os.path.join(parent, f".{short(name)}.cloche-"))
    try:
        os.rename(target, os.path.join(staging, "old"))
    finally:
        remove(staging)
        if descriptor is not None:
            os.close(descriptor)


# Merge: a journal first, then step by step, and back on failure


def merge(staging: str, target: str, *, emptied: bool, dropped: Sequence[str] = ()) -> list[Action]:
    """Move what is in `staging/new` into `target` entry by entry; on any failure put back what was there.

    What is `dropped` from it goes before. Returns the steps that were taken.

    :raises DestinationError: a directory is needed where something else stands, or the other way round; nothing is done.
    """
    new = os.path.join(staging, "new")
    actions = [Action("drop", 0, path) for path in dropped]
    actions += emptying(staging, target) if emptied else differences(new, target, "", frozenset(dropped))
    os.mkdir(os.path.join(staging, "old"))
    write_journal(staging, actions)
    try:
        for action in actions:
            take(action, staging, target)
    except BaseException:
        undo(actions, staging, target)
        os.unlink(os.path.join(staging, JOURNAL))
        raise
    os.unlink(os.path.join(staging, JOURNAL))  # from here on the new state counts
    return actions


JOURNAL = "journal"
"""File in a staging directory while a commit is under way: as long as it is there, the directory holds what was there."""

JOURNAL_HEADER = "cloche journal 1"


def write_journal(staging: str, actions: list[Action]) -> None:
    """Note what is going to be done, durably, before the first step."""
    lines = [JOURNAL_HEADER, *(f"{action.verb} {action.inode} {action.path}" for action in actions), "end", ""]
    with open(os.path.join(staging, JOURNAL), "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write("\n".join(lines))
        file.flush()
        os.fsync(file.fileno())


def differences(new: str, target: str, below: str, dropped: frozenset[str] = frozenset()) -> Iterator[Action]:
    """Yield the steps that make `target` hold what `new` holds, `pyvenv.cfg` last; equal entries take none.

    What is `dropped` will be gone by then.
    """
    entries = sorted(os.scandir(os.path.join(new, below)), key=lambda entry: (entry.name == "pyvenv.cfg", entry.name))
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if path in dropped:
            yield Action("add", entry.inode(), path)
            continue
        there = os.path.join(target, path)
        try:
            status = os.lstat(there)
        except FileNotFoundError:
            yield Action("add", entry.inode(), path)
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
            yield Action("swap", entry.inode(), path)


def emptying(staging: str, target: str) -> Iterator[Action]:
    """Yield the steps that take away everything in `target` and then add everything in `staging/new`."""
    ours = os.path.basename(staging)
    for name in sorted(os.listdir(target)):
        if name != ours:
            yield Action("drop", 0, name)
    for entry in sorted(os.scandir(os.path.join(staging, "new")), key=lambda entry: entry.name):
        yield Action("add", entry.inode(), entry.name)


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


def take(action: Action, staging: str, target: str) -> None:
    """Take one step. Each leaves the target with the old entry or the new one, never with neither, where it can."""
    new, there = os.path.join(staging, "new", action.path), os.path.join(target, action.path)
    if action.verb == "add":
        os.rename(new, there)
    elif action.verb == "drop":
        os.rename(there, kept(action, staging))
    elif not exchange(new, there):
        try:
            os.link(there, kept(action, staging), follow_symlinks=False)
        except OSError:
            os.rename(there, kept(action, staging))
        os.replace(new, there)


def kept(action: Action, staging: str) -> str:
    """Return where the old entry is put meanwhile: one flat name, since its directory may not exist there."""
    return os.path.join(staging, "old", short(action.path.replace("/", "\\")))


def undo(actions: list[Action], staging: str, target: str) -> None:
    """Take back, last first, the steps that were taken; the inode tells which were. Goes on whatever fails.

    :raises ClocheError: something could not be put back; the next run tries again.
    """
    failure: OSError | None = None
    for action in reversed(actions):
        try:
            take_back(action, staging, target)
        except OSError as error:
            failure = failure or error
    if failure is not None:
        raise ClocheError(
            f"not all of `{target}` could be put back: {(failure.strerror or str(failure)).lower()}",
            hint=f"what is missing is in `{staging}`, and the next run puts it back",
        ) from failure


def take_back(action: Action, staging: str, target: str) -> None:
    new, there = os.path.join(staging, "new", action.path), os.path.join(target, action.path)
    old = kept(action, staging)
    match action.verb:
        case "set-aside":
            restore(os.path.join(staging, "old"), there)
        case "add":
            if not os.path.lexists(new) and os.path.lexists(there) and os.lstat(there).st_ino == action.inode:
                os.rename(there, new)
        case "drop" | "swap" if os.path.lexists(old):
            os.replace(old, there)
        case "swap" if os.lstat(new).st_ino != action.inode:
            exchange(new, there)


def recover(staging: str) -> None:
    """Put back what a run that was killed in the middle of a commit had already changed."""
    try:
        with open(os.path.join(staging, JOURNAL), encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            header, *lines = file.read().split("\n")
    except (FileNotFoundError, ValueError):
        return
    if header != JOURNAL_HEADER or lines[-2:] != ["end", ""]:
        return  # it was killed before the first step
    actions = []
    for line in lines[:-2]:
        verb, inode, path = line.split(" ", 2)
        actions.append(Action(verb, int(inode), path))
    undo(actions, staging, os.path.dirname(staging))


# Locking a destination that exists


class Hold:
    """Hold a directory against other runs that would change it; a context.

    :raises ClocheError: another run held it for longer than `PATIENCE`.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._descriptor: int | None = None

    def __enter__(self) -> Hold:
        from time import monotonic, sleep

        deadline = monotonic() + PATIENCE
        while True:
            self._descriptor, held = lock(self.target)
            if held != "by another" or not os.path.isdir(self.target):
                return self
            if monotonic() > deadline:
                raise ClocheError(
                    f"{holder(self.target)} has been changing `{self.target}` for more than {PATIENCE:.0f} seconds",
                    hint="wait for it, or end it, and try again",
                )
            sleep(0.02)

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder(path: str) -> str:
    """Return who holds the lock on a directory, for people; Linux tells in `/proc/locks`."""
    try:
        inode = os.stat(path).st_ino
        with open("/proc/locks", encoding="ascii") as file:
            owners = [line.split()[4] for line in file if line.split()[5].endswith(f":{inode}")]
        with open(f"/proc/{owners[0]}/cmdline", encoding="utf-8", errors="replace") as file:
            return f"process {owners[0]} (`{' '.join(file.read().split(chr(0))).strip()[:80]}`)"
    except (OSError, IndexError):
        return "another process"
