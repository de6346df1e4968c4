"""Copy an existing tree into a staging tree, with the owners, the attributes and the times of its files and directories.

An environment that is moved, copied or updated keeps what it contains; a new one needs nothing of this.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cloche.apply.executor import LINK_UNSUPPORTED_ERRORS, hard_link
from cloche.apply.ownership import keep_attributes, keep_extended_attributes, keep_owner
from cloche.fs import copied_mode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeAlias

    from cloche.apply.executor import StagingTree
    from cloche.model.aliases import LinkMode

    TakeOver: TypeAlias = Callable[[str, os.DirEntry[str]], bool]
    """Takes a path and the directory that is to be copied to it; may provide it in another way, and returns whether it did
    (see `cloche.apply.takeover`)."""


class TreeCopy:
    """The copy of one tree."""

    def __init__(
        self,
        tree: StagingTree,
        source: str,
        without: Collection[str],
        link_mode: LinkMode,
        take_over: TakeOver | None = None,
    ) -> None:
        """Prepare a copy of the directory `source` to the root of a staging tree.

        A file that environments share may become a hard link instead of a clone, as when it was installed.

        :param without: the relative paths that are left out.
        """
        self.tree = tree
        self.source = source
        self.without = without
        self.link_mode: LinkMode = link_mode
        self.take_over = take_over
        created = os.stat(tree.at("."), dir_fd=tree.descriptor)
        self._creator = created.st_uid, created.st_gid
        """The user and the group that new entries belong to."""
        self._copied: dict[tuple[int, int], str] = {}
        """The paths of copied files that have several links, by device and inode of the original."""

    def run(self) -> None:
        """Copy everything but the mode of the root, which the plan decides.

        :raises OSError: a system call failed.
        """
        tree = self.tree
        self._copy_contents("")
        keep_owner(tree.at("."), tree.descriptor, os.stat(self.source))
        keep_extended_attributes(tree.at("."), tree.descriptor, self.source)

    def _copy_contents(self, directory: str) -> None:
        """Copy what is in a directory. The times of directories are set last: new entries change them."""
        tree = self.tree
        with os.scandir(os.path.join(self.source, directory)) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{directory}/{entry.name}" if directory else entry.name
            if path in self.without:
                continue
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), tree.at(path), dir_fd=tree.descriptor)
                keep_owner(tree.at(path), tree.descriptor, entry.stat(follow_symlinks=False))
            elif entry.is_dir(follow_symlinks=False):
                if self.take_over is not None and self.take_over(path, entry):
                    continue
                status = entry.stat(follow_symlinks=False)
                os.mkdir(tree.at(path), 0o700, dir_fd=tree.descriptor)
                self._copy_contents(path)
                keep_attributes(tree.at(path), tree.descriptor, entry.path, status)
                os.utime(tree.at(path), ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=tree.descriptor)
            elif entry.is_file(follow_symlinks=False):
                self._copy_file(entry, path)
            elif stat.S_ISFIFO((status := entry.stat(follow_symlinks=False)).st_mode):
                os.mkfifo(tree.at(path), 0o600, dir_fd=tree.descriptor)
                keep_owner(tree.at(path), tree.descriptor, status)
                os.chmod(tree.at(path), stat.S_IMODE(status.st_mode), dir_fd=tree.descriptor)
            # sockets are left out: only a running process can use them

    def _copy_file(self, entry: os.DirEntry[str], path: str) -> None:
        """Copy a file with its attributes. A hard link has them already, so its status is not read.

        Files of the tree that are hard links to each other remain so.
        """
        link_mode, is_shared = self.link_mode, False
        if link_mode == "clone" or self._copied:
            status = entry.stat(follow_symlinks=False)
            if self._link_again(status, path):
                return
            is_in_store = status.st_nlink > 1 and not status.st_mode & 0o222
            is_shared = link_mode == "clone" and is_in_store
        if self.tree.transfer(entry.path, path, "auto" if is_shared else link_mode) is not hard_link and not is_shared:
            status = entry.stat(follow_symlinks=False)
            self._keep_attributes_of_copy(path, entry.path, status)
            if status.st_nlink > 1:
                self._copied[status.st_dev, status.st_ino] = path

    def _keep_attributes_of_copy(self, path: str, source: str, status: os.stat_result) -> None:
        """Do what `keep_attributes` does to a file that was just copied, which in most cases needs no system call."""
        entry, descriptor = self.tree.at(path), self.tree.descriptor
        is_usual = stat.S_IMODE(status.st_mode) == copied_mode(status.st_mode)
        if not is_usual or (status.st_uid, status.st_gid) != self._creator:
            keep_attributes(entry, descriptor, source, status)
        elif keep_extended_attributes(entry, descriptor, source):  # access control lists change the mode
            os.chmod(entry, stat.S_IMODE(status.st_mode), dir_fd=descriptor)

    def _link_again(self, status: os.stat_result, path: str) -> bool:
        """Link a file to the copy of another link to it; return False if there is none, or links are not supported."""
        copied = self._copied.get((status.st_dev, status.st_ino))
        if copied is None:
            return False
        tree = self.tree
        try:
            os.link(tree.at(copied), tree.at(path), src_dir_fd=tree.descriptor, dst_dir_fd=tree.descriptor)
        except OSError as error:
            if error.errno not in LINK_UNSUPPORTED_ERRORS:
                raise
            return False
        return True
