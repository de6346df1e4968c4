"""Paths in lock files. They are untrusted: those in a file of another user must not lead out of its directory.

A project often names others beside it (`../lib`), so your own lock file may name any path. In a file of another user, such a
path would make you read, build and install what that user cannot. Git protects repositories of other users in the same way.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cloche.errors import UsageError
from cloche.model.value import Value

if TYPE_CHECKING:
    from cloche.store import Store


class LockFile(Value):
    """A lock file, or a requirements file that one names."""

    path: str
    """Absolute."""
    other_user: int | None = None
    """The ID of the user that it belongs to; None if it is trusted."""

    @property
    def directory(self) -> str:
        """The directory that relative paths in it refer to."""
        return os.path.dirname(self.path)


def other_user(path: str, status: os.stat_result, store: Store) -> int | None:
    """Return the ID of the user that a file belongs to; None if that is this user or the superuser, and on Windows.

    If the path is a symbolic link, its owner counts too. With sudo, the user who runs it is trusted, as in Git.

    :param status: the status of the open file.
    :raises OSError: the path no longer exists.
    """
    if os.name == "nt":
        return None
    others = {status.st_uid, os.lstat(path).st_uid} - {os.geteuid(), 0}
    if others and os.geteuid() == 0:
        caller = store.inputs.variable(store.host.environ, "SUDO_UID")
        others = {user for user in others if str(user) != caller}
    return min(others, default=None)


def absolute_path(text: str, lock: LockFile) -> str:
    """Return a path in a lock file, which may have POSIX separators on every system, as an absolute path.

    :raises UsageError: it contains a null character, or the lock file must not name it.
    """
    if "\0" in text:
        raise UsageError(f"`{text}` is not a valid path in a lock file", hint="create the lock file again")
    path = os.path.normpath(os.path.join(lock.directory, text.replace("/", os.sep)))
    refuse_path_outside(path, text, lock)
    return path


def path_of_file_url(url: str, lock: LockFile) -> str:
    """Return the path of a `file:` URL.

    :raises UsageError: it names another machine, its path contains a null character, or the lock file must not name it.
    """
    parts = urlsplit(url)
    if "%00" in url or "\0" in url:
        raise UsageError(f"`{lock.path}` names a file with an invalid path: `{url}`", hint="create the lock file again")
    if parts.netloc not in ("", "localhost"):
        raise UsageError(
            f"`{lock.path}` names a file on another machine: `{url}`", hint="use a path or an `https:` URL"
        )
    path = url2pathname(parts.path)
    refuse_path_outside(os.path.join(lock.directory, path), url, lock)
    return path


def refuse_local_url(url: str, lock: LockFile) -> None:
    """Refuse the URL of a file or a repository if it leads out of the directory of another user's lock file.

    :raises UsageError: it does so, or names another machine.
    """
    scheme, _, _ = url.partition(":")
    if scheme.rpartition("+")[2].lower() == "file":
        path_of_file_url(url[len(scheme) - len("file") :], lock)
    elif os.path.isabs(url):
        refuse_path_outside(url, url, lock)


def refuse_path_outside(path: str, text: str, lock: LockFile) -> None:
    """Refuse a path that leads out of the directory of another user's lock file, also through symbolic links.

    :param path: the absolute path.
    :param text: what the lock file says.
    :raises UsageError: it does so.
    """
    if lock.other_user is not None:
        directory = os.path.realpath(lock.directory)
        if os.path.commonpath((directory, os.path.realpath(path))) != directory:
            raise UsageError(
                f"`{lock.path}` belongs to user {lock.other_user} and names a path outside its directory: `{text}`",
                hint="if you trust this file, use a copy of it, which belongs to you, in the same directory",
            )
