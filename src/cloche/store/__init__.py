"""The store: the cache directories that keep wheels, images, plans and probe results between runs.

You can delete the store at any time; only environments that were created with `--link-mode symlink` need it. It is private
to its user, and symbolic links in it are never followed. Every warm run loads this module, so it only decides which
directories are usable; `creation` creates them.

`lock_files` selects the packages of a lock file, `fetch` gets files, `builds` builds wheels from sources, `images` unpacks
wheels, and `installation` says what an image puts into an environment.
"""

from __future__ import annotations

import os
import stat

from cloche.errors import ClocheError, reason_of
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

    from cloche.fs.inputs import Inputs
    from cloche.fs.locks import FileLock
    from cloche.model.aliases import Access, ReportProgress
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Host
    from cloche.store.compiling import CompilingProcesses
    from cloche.store.kinds import Kind


class Trust(Value):
    """Which directories are safe to use."""

    users: frozenset[int]
    """User ids that may own them."""
    forbidden_mode: int
    """Permission bits that they must not have."""


class Store:
    """For each kind of file, the directories to read it from and the directory to write it to."""

    def __init__(self, host: Host, root: str, access: Access, trust: Trust | None) -> None:
        self.host = host
        self.root = root
        """The persistent directory, absolute; empty if there is none or it cannot be used."""
        self.access = access
        self.warnings: list[str] = []
        """Warnings for the user, one line each."""
        self.progress: ReportProgress = lambda text, /, **amounts: None
        self.notify: Callable[[str], object] = str
        """As in `Session`."""
        self.compiled: list[str] = []
        """The names of the packages that this run compiled."""
        self.compiling: dict[str, CompilingProcesses] = {}
        """The processes that compile, by interpreter (see `cloche.store.bytecode`); `close` ends them."""
        self.leftovers: dict[str, dict[str, list[str]]] = {}
        """What killed processes left in directories of images, by directory and by name of the image."""
        self.staging: set[str] = set()
        """The paths of staging directories that exist now (see `cloche.store.staging`); `close` removes them."""
        self._inputs: Inputs | None = None
        self._trust = trust
        self._temporary = ""
        """A directory that `close` removes; empty until it is needed."""
        self._writable: dict[str, str] = {}
        """The directories that were prepared for writing, by kind."""
        self.is_read_only_on_disk = False
        """Whether the access is read-only because of the root's permissions, not by request."""

    @classmethod
    def open(cls, host: Host, directory: str | None = None, access: Access = "read-write") -> Store:
        """Open the store in `directory`, or in the user's cache directory.

        If the user's cache directory cannot be used, the run continues with a temporary one and a warning.

        :raises ClocheError: `directory` was given and cannot be used.
        """
        if access == "none":
            return cls(host, "", access, None)
        given = directory is not None
        root = os.path.join(host.cwd, directory) if directory is not None else cache_directory(host)
        store = cls(host, root, access, _trust(root, given))
        if problem := store._prepare_root(given):
            if given:
                raise ClocheError(
                    f"the cache directory `{root}` {problem}",
                    hint="choose another directory with `--cache-dir`, or leave that option out",
                )
            store.root = ""
            store.warnings.append(f"continuing without a cache: `{root or '~/.cache/cloche'}` {problem}")
        return store

    @property
    def inputs(self) -> Inputs:
        """Where the store records what the choice of images depends on; nothing is recorded unless a spec is being resolved."""
        if self._inputs is None:
            from cloche.fs.inputs import UNRECORDED

            return UNRECORDED
        return self._inputs

    @inputs.setter
    def inputs(self, inputs: Inputs) -> None:
        self._inputs = inputs

    def readable_directories(self, kind: Kind) -> list[str]:
        """Return the existing, safe directories to search for this kind of file."""
        found = []
        for root in filter(None, (self.root, self._temporary)):
            path = os.path.join(root, kind)
            if path in self._writable.values() or (os.path.lexists(path) and not self.trust_problem(path)):
                found.append(path)
        return found

    def writable_directory(self, kind: Kind) -> str:
        """Return an existing directory for new files of this kind: in the store, else a temporary one.

        :raises ClocheError: no temporary directory can be created either.
        """
        ready = self._writable.get(kind)
        if ready is None or not os.path.isdir(ready):  # another process may have cleared the cache
            ready = self._writable[kind] = self._persistent_directory(kind) or self._temporary_directory(kind)
        return ready

    def trust_problem(self, path: str) -> str:
        """Return why `path` is not safe to use as a directory of the store; an empty string if it is.

        The text continues a sentence that begins with the path: "belongs to user 1000".

        :raises OSError: its status cannot be read.
        """
        trust = self._trust
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return "is a symbolic link"
        if not stat.S_ISDIR(status.st_mode):
            return "is not a directory"
        if trust is not None and status.st_uid not in trust.users:
            return f"belongs to user {status.st_uid}"
        if trust is not None and status.st_mode & trust.forbidden_mode:
            if status.st_mode & stat.S_IWOTH:
                return "is writable by every user"
            if trust.users == {0}:
                return "is writable by its group, which the superuser does not trust"
            return "is writable by its group, which is allowed only for a directory named with `--cache-dir`"
        return ""

    @property
    def is_persistent(self) -> bool:
        """Whether files created now outlive the run, so that an environment may link to them."""
        return bool(self.root) and self.access == "read-write"

    def is_persistent_path(self, path: str) -> bool:
        """Return whether the file at `path` outlives the run."""
        return bool(self.root) and path.startswith(os.path.join(self.root, ""))

    def mark_installed(self, images: Iterable[Image]) -> None:
        """Record that an environment uses these images, so that missing bytecode is compiled for the next one."""
        for image in images:
            if image.bytecode == "missing" and self.is_persistent and self.is_persistent_path(image.root):
                try:
                    os.utime(image.root)  # see `cloche.store.images`
                except OSError:
                    pass  # another process cleared the store, so there is nothing left to compile

    def fall_back_to_temporary(self, kind: Kind, problem: str) -> None:
        """Create this kind of file in a temporary directory for the rest of the run, and warn with the reason."""
        path = os.path.join(self.root, kind)
        self._writable[kind] = self._temporary_directory(kind)
        self._warn_not_cached(kind, path, problem)

    def lock(self, name: str, seconds: float = 60.0) -> FileLock:
        """Return the lock of that name, which keeps processes from doing the same work twice."""
        from cloche.fs.locks import FileLock

        return FileLock(os.path.join(self.writable_directory("locks"), f"{name}.lock"), seconds)

    def close(self) -> None:
        """End the processes that compile, and remove temporary directories; the store may be used again afterwards."""
        try:
            self._end()
        except KeyboardInterrupt:  # cloche ignores further signals while it handles the first one
            self._end()
            raise

    def _end(self) -> None:
        while self.compiling:
            self.compiling.popitem()[1].close()
        if self.staging:
            from cloche.store.staging import remove_staging_directories

            remove_staging_directories(self.staging)
        if self._temporary:
            import shutil

            shutil.rmtree(self._temporary, ignore_errors=True)
            self._writable = {
                kind: path for kind, path in self._writable.items() if not path.startswith(self._temporary)
            }
            self._temporary = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare_root(self, given: bool) -> str:
        """Create the root unless the store is read-only; return why it cannot be used, or an empty string."""
        if not self.root:
            return "cannot be created (no home directory)"
        try:
            if not os.path.lexists(self.root):
                if self.access == "read-only":
                    return ""
                if problem := _parent_problem(self.root, self._trust):
                    return problem
                from cloche.store.creation import create_root

                create_root(self.root, None if given or self._trust is None else self._trust.users)
            if problem := self.trust_problem(self.root) or _parent_problem(self.root, self._trust):
                return problem
            if self.access == "read-write" and not os.access(self.root, os.W_OK | os.X_OK):
                if not os.access(self.root, os.R_OK | os.X_OK):
                    return "is not readable"
                self.access = "read-only"
                self.is_read_only_on_disk = True
        except (OSError, ValueError) as error:
            return _creation_problem(error)
        return ""

    def _persistent_directory(self, kind: Kind) -> str:
        """Return the store's directory for `kind`, created if necessary; an empty string if it cannot be used."""
        if not self.is_persistent:
            return ""
        path = os.path.join(self.root, kind)
        problem = ""
        for _ in range(3):
            try:
                if not os.path.lexists(path):
                    from cloche.store.creation import create_private_directory, create_root

                    if not os.path.lexists(self.root):
                        create_root(self.root)
                    create_private_directory(path)
                problem = self.trust_problem(path)
                if not problem and not os.access(path, os.W_OK | os.X_OK):
                    problem = "is not writable"
            except FileNotFoundError as error:  # another process is clearing the store
                problem = _creation_problem(error)
                continue
            except OSError as error:
                problem = _creation_problem(error)
            break
        if not problem:
            return path
        self._warn_not_cached(kind, path, problem)
        return ""

    def _temporary_directory(self, kind: Kind) -> str:
        from cloche.store.creation import create_private_directory, create_temporary_root

        if not self._temporary:
            if self.is_read_only_on_disk:
                self.warnings.append(f"continuing without writing to the cache: `{self.root}` is not writable")
            self._temporary = create_temporary_root()
        path = os.path.join(self._temporary, kind)
        create_private_directory(path)
        return path

    def _warn_not_cached(self, kind: Kind, path: str, problem: str) -> None:
        self.warnings.append(f"continuing without the cache of {kind}: `{path}` {problem}")


def _trust(root: str, given: bool) -> Trust | None:
    """Return which directories are safe to use; None on Windows, where ownership is not checked.

    A user who can change the store can change what runs in every environment that is created from it. So only this user and
    the superuser may do so. If an ordinary user names a directory, its owner is trusted, and its group if the group may write to
    it. The superuser trusts no one else, whether the directory is named or not.
    """
    if os.name == "nt":
        return None
    is_superuser = os.geteuid() == 0
    users = {os.geteuid(), 0}
    if given and not is_superuser:
        try:
            users.add(os.lstat(root).st_uid)
        except (OSError, ValueError):
            pass
        return Trust(frozenset(users), stat.S_IWOTH)
    return Trust(frozenset(users), stat.S_IWOTH | stat.S_IWGRP)


def _parent_problem(root: str, trust: Trust | None) -> str:
    """Return why a parent of the store's root is not safe: another user could replace the root. Empty if all are.

    In a directory with the sticky bit, such as `/tmp`, users can rename only their own entries. For an ordinary user, the
    group and the owner of a parent are trusted: homes are often writable by a group that has one member.
    """
    if trust is None:
        return ""
    is_superuser = trust.users == {0}
    forbidden = trust.forbidden_mode if is_superuser else stat.S_IWOTH
    parent = os.path.realpath(os.path.dirname(root))
    owners = trust.users | {os.stat("/").st_uid}  # in a container without the real superuser, another user owns `/`
    while True:
        try:
            status = os.stat(parent)
        except OSError:
            status = None
        if status is not None:
            if is_superuser and status.st_uid not in owners:
                return f"is in `{parent}`, which belongs to user {status.st_uid}"
            if status.st_mode & forbidden and not status.st_mode & stat.S_ISVTX:
                by = "every user" if status.st_mode & stat.S_IWOTH else "its group"
                return f"is in `{parent}`, which is writable by {by}"
        if parent == (parent := os.path.dirname(parent)):
            return ""


def _creation_problem(error: Exception) -> str:
    """Return a failure to create a directory as a text that continues a sentence beginning with its path."""
    return f"cannot be created ({reason_of(error)})"


# The user's directories


def cache_directory(host: Host) -> str:
    """Return the user's cache directory for cloche, as platformdirs defines it; empty without a home directory.

    On Linux that is `$XDG_CACHE_HOME/cloche` if the variable holds an absolute path, else `~/.cache/cloche` (XDG Base
    Directory Specification). This function finds it itself, because importing platformdirs takes 18 ms.
    """
    if host.platform != "linux":
        import platformdirs

        return platformdirs.user_cache_dir("cloche", appauthor=False)
    return _xdg(host, "XDG_CACHE_HOME", ".cache")


def config_directory(host: Host) -> str:
    """Return the user's configuration directory for cloche, as platformdirs defines it; empty without a home directory."""
    if host.platform != "linux":
        import platformdirs

        return platformdirs.user_config_dir("cloche", appauthor=False)
    return _xdg(host, "XDG_CONFIG_HOME", ".config")


def _xdg(host: Host, variable: str, below_home: str) -> str:
    given = host.environ.get(variable, "").strip()
    if os.path.isabs(given):
        return os.path.join(given, "cloche")
    home = _home(host)
    return os.path.join(home, below_home, "cloche") if home else ""


def _home(host: Host) -> str:
    """Return `$HOME`, else the home directory in the password database; empty if it is not an absolute path."""
    home = host.environ.get("HOME")
    if home is None:
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # containers often run with a user id that has no entry
            return ""
    return home if os.path.isabs(home) else ""
