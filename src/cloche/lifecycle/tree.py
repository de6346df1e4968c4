"""The tree of an environment as it is on disk, from one walk: every file, link and directory, with its status."""

from __future__ import annotations

import filecmp
import os
import stat
from functools import cached_property
from typing import TYPE_CHECKING

from cloche.apply.staging import is_staging_inside
from cloche.fs.installed_records import is_modified
from cloche.lifecycle.installed import ignore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.fs.installed_records import Row
    from cloche.lifecycle.installed import OnError


def walk_tree(root: str, on_error: OnError = ignore) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the path of everything in an environment, relative to the root and with `/`, and its status.

    Symbolic links and staging trees are not entered.

    :param on_error: called for each directory that cannot be read; what is in it is left out unless this raises.
    """
    stack = [""]
    while stack:
        below = stack.pop()
        prefix = f"{below}/" if below else ""
        try:
            with os.scandir(os.path.join(root, below)) as scanned:
                entries = [(entry.name, entry.stat(follow_symlinks=False)) for entry in scanned]
        except OSError as error:
            on_error(error)
            continue
        entries.sort()
        if not below:
            entries = [entry for entry in entries if not is_staging_inside(entry[0])]
        for name, status in entries:
            path = prefix + name
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                stack.append(path)


class File:
    """A file or symbolic link in an environment. It has slots, because there are ten thousand or more."""

    __slots__ = ("kind", "path", "size")

    def __init__(self, path: str, kind: str, size: int) -> None:
        self.path = path
        """Relative to the root, with `/`."""
        self.kind = kind
        """`file`, `link`, or `other` (such as a socket or a pipe)."""
        self.size = size
        """Bytes; 0 if it is not a regular file."""


def walk_files(root: str, on_error: OnError = ignore) -> Iterator[File]:
    """Yield everything in an environment except directories; symbolic links and staging trees are not entered.

    :param on_error: called for each directory that cannot be read; what is in it is left out unless this raises.
    """
    for path, status in walk_tree(root, on_error):
        if not stat.S_ISDIR(status.st_mode):
            yield file_with_status(path, status)


def file_with_status(path: str, status: os.stat_result) -> File:
    """Return the file with this status, which is not a directory."""
    if stat.S_ISREG(status.st_mode):
        return File(path, "file", status.st_size)
    return File(path, "link" if stat.S_ISLNK(status.st_mode) else "other", 0)


class Tree:
    """The tree of an environment. It is read on first use, and does not change after that."""

    def __init__(self, root: str, entries: dict[str, os.stat_result] | None = None) -> None:
        """Prepare to read the tree, or take its `entries` from a caller who has read it."""
        self.root = root
        if entries is not None:
            self.entries = entries
        self.errors: list[OSError] = []
        """Why directories could not be read; known once `entries` was read."""
        self._times: dict[str, int] = {}
        self._intact: set[tuple[str, str]] = set()
        """The paths and hashes of files that were read and have the content that a RECORD describes."""

    @cached_property
    def entries(self) -> dict[str, os.stat_result]:
        """The status of everything in the environment by its path; links are not followed."""
        return dict(walk_tree(self.root, self.errors.append))

    def after(self, changed: Iterable[str]) -> Tree:
        """Return the tree as it is after changes at and below these paths; the rest of it is not read again."""
        if "entries" not in self.__dict__ or self.errors:
            return Tree(self.root)
        paths = frozenset(changed)
        tree = Tree(self.root, {**self.entries})
        directories = [path for path in paths if path in self.entries and stat.S_ISDIR(self.entries[path].st_mode)]
        if inside := tuple(f"{path}/" for path in directories):
            tree.entries = {path: status for path, status in self.entries.items() if not path.startswith(inside)}
        tree._intact = {key for key in self._intact if key[0] not in paths and not key[0].startswith(inside)}
        parents = {path[:index] for path in paths for index, character in enumerate(path) if character == "/"}
        for path in sorted(parents | paths):
            try:
                tree.entries[path] = os.lstat(os.path.join(self.root, path))
            except (FileNotFoundError, NotADirectoryError):
                tree.entries.pop(path, None)
                continue
            if path in paths and stat.S_ISDIR(tree.entries[path].st_mode):
                found = walk_tree(os.path.join(self.root, path), tree.errors.append)
                tree.entries.update((f"{path}/{below}", status) for below, status in found)
        return tree

    def status(self, path: str) -> os.stat_result | None:
        """Return the status of a path, which may lead through a link or out of the tree; None if it does not exist."""
        if (known := self.entries.get(path)) is not None:
            return known
        try:
            return os.lstat(os.path.join(self.root, path))
        except (OSError, ValueError):
            return None

    def status_of_target(self, path: str) -> os.stat_result | None:
        """Return the status of what a path leads to; None if that does not exist."""
        status = self.status(path)
        if status is None or not stat.S_ISLNK(status.st_mode):
            return status
        try:
            return os.stat(os.path.join(self.root, path))
        except OSError:
            return None

    def doubtful(self, rows: Iterable[Row], metadata: str) -> list[Row]:
        """Return the rows of a RECORD of which the status alone does not show that the file is as they describe it.

        :param metadata: as for `is_altered`.
        """
        entries, newest = self.entries, self._time_of(metadata)
        return [
            row
            for row in rows
            if (status := entries.get(row.path)) is None
            or row.size != str(status.st_size)
            or status.st_mtime_ns > newest
            or not stat.S_ISREG(status.st_mode)
            or row.path == metadata
        ]

    def is_altered(self, row: Row, metadata: str) -> bool:
        """Return whether a file differs from its row in a RECORD. Only a file that is newer than its package is read.

        `cloche verify` reads all of them.

        :param metadata: the `METADATA` of the package: what is newer than that was changed after it was unpacked.
        """
        if not self.doubtful((row,), metadata):
            return False
        status = self.status_of_target(row.path)
        if status is None or (row.size.isdecimal() and row.size != str(status.st_size)):
            return True
        if (row.path, row.digest) in self._intact and row.path in self.entries:
            return False
        if is_modified(os.path.join(self.root, row.path), row.digest, row.size):
            return True
        self._intact.add((row.path, row.digest))
        return False

    def _time_of(self, path: str) -> int:
        """Return when a file was last modified, in nanoseconds; -1 if it does not exist."""
        if path not in self._times:
            status = self.status_of_target(path)
            self._times[path] = status.st_mtime_ns if status is not None else -1
        return self._times[path]

    @cached_property
    def dangling_links(self) -> list[str]:
        """The symbolic links that lead to nothing."""
        links = (path for path, status in self.entries.items() if stat.S_ISLNK(status.st_mode))
        return [path for path in links if not os.path.exists(os.path.join(self.root, path))]

    @cached_property
    def world_writable(self) -> list[str]:
        """What every user can write to, sorted; `.` is the root itself.

        The empty lock file that uv puts beside a `pyvenv.cfg` is left out: it is world-writable on purpose.
        """
        if os.name == "nt":
            return []
        writable = {path: status for path, status in self.entries.items() if status.st_mode & stat.S_IWOTH}
        if (status := os.stat(self.root)).st_mode & stat.S_IWOTH:
            writable["."] = status
        return sorted(
            path
            for path, status in writable.items()
            if not stat.S_ISLNK(status.st_mode)
            and not (self._is_lock_of_uv(path) and stat.S_ISREG(status.st_mode) and not status.st_size)
        )

    def _is_lock_of_uv(self, path: str) -> bool:
        """Return whether a path is that of uv's lock in this environment, or in one that is nested in it."""
        directory, slash, name = path.rpartition("/")
        return name == ".lock" and f"{directory}{slash}pyvenv.cfg" in self.entries

    @cached_property
    def disk_usage(self) -> tuple[int, int]:
        """The bytes of files with one hard link, and of files with several; each of the latter counts once."""
        own, shared, seen = 0, 0, set()
        for status in self.entries.values():
            if not stat.S_ISREG(status.st_mode):
                continue
            if status.st_nlink <= 1:
                own += status.st_size
            elif (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                shared += status.st_size
        return own, shared


def is_same_content(one: str, other: str) -> bool:
    """Return whether two files, or links to files, have the same content."""
    try:
        return os.path.samefile(one, other) or filecmp.cmp(one, other, shallow=False)
    except OSError:
        return os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)
