"""The store: where seeds, and facts that are dear to find out, are kept between runs.

A warm run loads this module, so it does no more than say which directories may be used, and make them. What it keeps
can be lost at any moment without harm to an environment, is private to its user, and is never reached through a link.
"""

from __future__ import annotations

import os
import stat

from cloche.errors import ClocheError, reason_of
from cloche.fs.inputs import UNRECORDED
from cloche.model.value import TYPE_CHECKING, value
from cloche.store.directories import cache_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal, TypeAlias

    from typing_extensions import Self

    from cloche.fs.inputs import Inputs
    from cloche.fs.locks import LockFile
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Host

    Access: TypeAlias = Literal["read-write", "read-only", "none"]
    """`read-only` uses what is there and writes nothing to it; `none` neither reads nor writes it. What such a run has
    to make all the same lies in a private temporary directory until `close`."""

    Kind: TypeAlias = Literal["interpreters", "wheels", "images", "plans", "locks", "packed", "python-discovery"]

KINDS: tuple[Kind, ...] = ("interpreters", "wheels", "images", "plans", "locks")
"""Its directories: answers of the probe, downloaded wheels, unpacked wheels, plans of earlier runs, lock files."""

GUESTS: tuple[Kind, ...] = ("packed", "python-discovery")
"""Directories that the stand-in for virtualenv keeps beside them: wheels packed from images, answers in another form."""

TAG = b"""Signature: 8a477f597d28d172789f06886806bc55
# A cache of cloche: everything in it can be made again, and may be removed at any time.
# See https://bford.info/cachedir/
"""


@value
class Trust:
    """Who may change what is kept."""

    users: frozenset[int]
    """Those whose directories may be taken for ours."""
    barred: int
    """Permission bits with which a directory is not used."""


class Store:
    """Directories that may be read, and directories that may be written, for each kind of thing that is kept."""

    def __init__(self, host: Host, root: str, access: Access, trust: Trust | None) -> None:
        self.host = host
        self.root = root
        """The lasting directory, absolute; empty where there is none or it cannot be used."""
        self.access = access
        self.warnings: list[str] = []
        """What the user should be told on standard error, one line each."""
        self.progress: Callable[[str], object] = str
        """Told what is about to be done where that may take seconds: `downloading pip==24.0`; by default nobody is."""
        self.inputs: Inputs = UNRECORDED
        """Records what is read to choose a seed."""
        self._trust = trust
        self._scratch = ""
        self._ready: dict[str, str] = {}
        self._closed = False
        """Whether it is read-only because the system says so, which the user may not know."""

    @classmethod
    def open(cls, host: Host, directory: str | None = None, access: Access = "read-write") -> Store:
        """Return the store in `directory`, or in the default place; one that cannot be used is replaced for this run.

        :raises ClocheError: `directory` was given and cannot be used.
        """
        if access == "none":
            return cls(host, "", access, None)
        given = directory is not None
        root = os.path.join(host.cwd, directory) if directory is not None else cache_directory(host)
        store = cls(host, root, access, _trust(root, given))
        if reason := store._unusable(given):
            if given:
                raise ClocheError(
                    f"the cache directory `{root}` {reason}",
                    hint="name another with `--cache-dir`, or leave the choice to cloche",
                )
            store.root = ""
            store.warnings.append(f"working without a cache, because `{root or '~/.cache/cloche'}` {reason}")
        return store

    def places(self, kind: Kind) -> list[str]:
        """Return the directories in which things of this kind may be found; each exists and can be trusted."""
        found = []
        for root in filter(None, (self.root, self._scratch)):
            path = os.path.join(root, kind)
            if path in self._ready.values() or (os.path.lexists(path) and not _mistrust(path, self._trust)):
                found.append(path)
        return found

    def mistrusted(self) -> dict[str, str]:
        """Return what stands in the place of its directories and is not used, with the reason why."""
        paths = [os.path.join(self.root, kind) for kind in KINDS] if self.root else []
        found = {path: _mistrust(path, self._trust) for path in paths if os.path.lexists(path)}
        return {path: reason for path, reason in found.items() if reason}

    def room(self, kind: Kind) -> str:
        """Return a directory in which things of this kind may be made; it exists, and may last no longer than the run.

        :raises ClocheError: there is not even a temporary directory.
        """
        ready = self._ready.get(kind)
        if ready is None or not os.path.isdir(ready):  # anybody may clear the cache at any moment
            ready = self._ready[kind] = self._lasting_room(kind) or self._temporary_room(kind)
        return ready

    @property
    def lasts(self) -> bool:
        """Whether what is made now will be there after the run, so that links into it may be made."""
        return bool(self.root) and self.access == "read-write"

    def keeps(self, path: str) -> bool:
        """Whether what lies at `path` will be there after the run."""
        return bool(self.root) and path.startswith(os.path.join(self.root, ""))

    def note_laid(self, images: Iterable[Image]) -> None:
        """Note that an environment has got these images: those without byte-code are compiled for the next one."""
        for image in images:
            if image.bytecode == "missing" and self.lasts and self.keeps(image.root):
                try:
                    os.utime(image.root)  # see `cloche.store.images`
                except OSError:
                    pass  # somebody clears the store; there is nothing to compile then

    def give_up(self, kind: Kind, reason: str) -> None:
        """Make things of this kind in a temporary directory for the rest of the run, and say why, in a line."""
        path = os.path.join(self.root, kind)
        self._ready[kind] = self._temporary_room(kind)
        self.warnings.append(f"working without the cache of {kind}, because `{path}` {reason}")

    def lock(self, name: str, seconds: float = 60.0) -> LockFile:
        """Return the lock of that name, for processes that would otherwise do the same work."""
        from cloche.fs.locks import LockFile

        return LockFile(os.path.join(self.room("locks"), f"{name}.lock"), seconds)

    def close(self) -> None:
        """Remove what does not outlast the run; the store may be used again afterwards."""
        if self._scratch:
            import shutil

            shutil.rmtree(self._scratch, ignore_errors=True)
            self._ready = {kind: path for kind, path in self._ready.items() if not path.startswith(self._scratch)}
            self._scratch = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unusable(self, given: bool) -> str:
        """Return why the root cannot be used, empty if it can; in a store that may be written it exists afterwards."""
        if not self.root:
            return "has no home directory to lie in"
        try:
            present = os.path.lexists(self.root)
            if not present:
                if self.access == "read-only":
                    return ""
                self._make_root(given)
            if reason := _mistrust(self.root, self._trust):
                return reason
            if self.access == "read-write" and not os.access(self.root, os.W_OK | os.X_OK):
                if not os.access(self.root, os.R_OK | os.X_OK):
                    return "cannot be read"
                self.access = "read-only"
                self._closed = True
        except (OSError, ValueError) as error:
            return _cause(error)
        return ""

    def _make_root(self, given: bool) -> None:
        """Make the root and its missing parents for this user alone, and mark it as a cache.

        :raises OSError: it cannot be made, or lies in another user's directory (as under `sudo` with the user's HOME).
        """
        parent = os.path.dirname(self.root)
        missing = [self.root]
        while not os.path.isdir(parent):
            missing.append(parent)
            parent = os.path.dirname(parent)
        if not given and self._trust is not None and (owner := os.stat(parent).st_uid) not in self._trust.users:
            raise PermissionError(0, f"would lie in `{parent}`, which belongs to user {owner}")
        for path in reversed(missing):
            _make_private(path)
        try:
            tag = os.open(os.path.join(self.root, "CACHEDIR.TAG"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        try:
            os.write(tag, TAG)
        finally:
            os.close(tag)

    def _lasting_room(self, kind: str) -> str:
        if not self.lasts:
            return ""
        path = os.path.join(self.root, kind)
        reason = ""
        for _ in range(3):
            try:
                if not os.path.lexists(self.root):
                    self._make_root(given=True)
                _make_private(path)
                reason = _mistrust(path, self._trust)
                if not reason and not os.access(path, os.W_OK | os.X_OK):
                    reason = "cannot be written"
            except FileNotFoundError as error:  # somebody clears it at this very moment
                reason = _cause(error)
                continue
            except OSError as error:
                reason = _cause(error)
            break
        if not reason:
            return path
        self.warnings.append(f"working without the cache of {kind}, because `{path}` {reason}")
        return ""

    def _temporary_room(self, kind: str) -> str:
        if not self._scratch:
            if self._closed:
                self.warnings.append(f"nothing is kept for later, because `{self.root}` cannot be written")
            import tempfile

            try:
                self._scratch = tempfile.mkdtemp(prefix="cloche-")
            except OSError as error:
                raise ClocheError(
                    f"there is nowhere to work: no cache, and no temporary directory ({_cause(error)})",
                    hint="set `TMPDIR` or `--cache-dir` to a directory that can be written",
                ) from None
        path = os.path.join(self._scratch, kind)
        _make_private(path)
        return path


def _make_private(path: str) -> None:
    """Make a directory for this user alone, or keep what is there.

    :raises OSError: it cannot be made.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass


def _trust(root: str, given: bool) -> Trust | None:
    """Return who may change the store; None where ownership has no such meaning.

    Whoever names a directory trusts its owner, and its group if that may write to it. Otherwise only the user and the
    superuser may.
    """
    if os.name == "nt":
        return None
    users = {os.geteuid(), 0}
    if not given:
        return Trust(frozenset(users), stat.S_IWOTH | stat.S_IWGRP)
    try:
        users.add(os.lstat(root).st_uid)
    except (OSError, ValueError):
        pass
    return Trust(frozenset(users), stat.S_IWOTH)


def _mistrust(path: str, trust: Trust | None) -> str:
    """Return why what stands at `path` must not be used as a directory of the store; empty if it may.

    :raises OSError: it cannot be looked at.
    """
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return "is a link"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a directory"
    if trust is not None and found.st_uid not in trust.users:
        return f"belongs to user {found.st_uid}"
    if trust is not None and found.st_mode & trust.barred:
        if found.st_mode & stat.S_IWOTH:
            return "can be written by every user"
        return "can be written by its group, and was not chosen with `--cache-dir`"
    return ""


def _cause(error: Exception) -> str:
    """Return the reason of a failed system call as a lower-case fragment that follows the name of a directory."""
    reason = reason_of(error)
    return reason if reason.startswith("would lie") else f"could not be made ({reason})"
