"""Create the files, links and directories of a staging tree.

The executor creates new directory entries. It never follows or overwrites existing ones: the transaction gives it an empty
directory.
"""

from __future__ import annotations

import errno
import os
import stat

from cloche.fs import DIRECTORY, NEW_FILE, READING, copied_mode, copy_file, paths_in, read_regular_file, write_all
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from cloche.model.aliases import LinkMode
    from cloche.model.operations import InstallTree

    Transfer: TypeAlias = Callable[[str, str, int | None, int | None, str], None]
    """Copies or links a file. Arguments: the old path, the new path, the directory descriptors that they are relative to
    (None for absolute paths), and the absolute path of the directory that the old path is relative to."""

    TakeOver: TypeAlias = Callable[[str, os.DirEntry[str]], bool]
    """Takes a path and the directory of a tree that is copied to it; may provide it in another way, and returns whether it
    did (see `cloche.apply.takeover`)."""


class StagingTree:
    """The directory in which operations are performed, with a method for each kind of operation.

    Where the platform supports it, every path is resolved from an open descriptor of the directory. That is faster, has no
    limit on the length of absolute paths, and works even if a parent is renamed meanwhile.
    """

    def __init__(self, root: str, descriptor: int | None) -> None:
        self.root = root
        self.descriptor = descriptor
        self._unsupported: set[Transfer] = set()
        """The transfers that this file system does not support."""
        self._creator = (-1, -1)
        """The user and the group that new entries belong to, once a tree is copied."""
        self._copied: dict[tuple[int, int], str] = {}
        """The paths of copied files that have several links, by device and inode of the original."""

    def _at(self, path: str) -> str:
        return path if self.descriptor is not None else os.path.join(self.root, *path.split("/"))

    def create_directory(self, path: str) -> None:
        try:
            os.mkdir(self._at(path), dir_fd=self.descriptor)
        except FileExistsError:
            pass

    def link(self, path: str, target: str, copy: str) -> None:
        try:
            os.symlink(target, self._at(path), dir_fd=self.descriptor)
        except FileExistsError:
            if os.readlink(self._at(path), dir_fd=self.descriptor) != target:
                raise  # otherwise the interpreter's own `venv` created the same link
        except OSError as error:
            if error.errno not in LINK_UNSUPPORTED_ERRORS:
                raise
            self.copy(path, copy or os.path.join(self.root, os.path.dirname(path), target))

    def copy(self, path: str, source: str, link_mode: LinkMode = "copy") -> None:
        if os.path.isdir(source):
            self.create_directory(path)
            for name in sorted(os.listdir(source)):
                self.copy(f"{path}/{name}", os.path.join(source, name), link_mode)
        else:
            self._transfer(source, path, link_mode)

    def write(self, path: str, content: bytes, mode: int) -> None:
        try:
            descriptor = os.open(self._at(path), NEW_FILE, mode, dir_fd=self.descriptor)
        except FileExistsError:
            if not self._exists_with(path, content):
                raise
            return
        try:
            write_all(descriptor, content)
        finally:
            os.close(descriptor)

    def _exists_with(self, path: str, content: bytes) -> bool:
        """Return whether a file exists in the tree under another spelling of its name, and has this content.

        Some file systems ignore case, and there `activate.ps1` and `Activate.ps1` are one file.
        """
        directory, _, name = path.rpartition("/")
        if name in os.listdir(os.path.join(self.root, directory)):
            return False
        if not stat.S_ISREG(os.stat(self._at(path), dir_fd=self.descriptor, follow_symlinks=False).st_mode):
            return False
        with open(os.open(self._at(path), READING, dir_fd=self.descriptor), "rb") as file:
            return file.read() == content

    def rewrite(self, path: str, content: bytes, old: str) -> None:
        status = os.stat(old)
        self.write(path, content, 0o600)
        self.keep_attributes(path, os.path.realpath(old), status)

    def keep_attributes(self, path: str, source: str, status: os.stat_result) -> None:
        """Give a new file or directory the owner, the extended attributes and the mode of `source`."""
        from cloche.apply.ownership import allowed_mode, keep_extended_attributes, keep_owner

        entry = self._at(path)
        is_same_owner = keep_owner(entry, self.descriptor, status)
        keep_extended_attributes(entry, self.descriptor, source)
        if os.name != "nt":
            os.chmod(entry, allowed_mode(status.st_mode, is_same_owner), dir_fd=self.descriptor)

    def copy_tree(
        self, source: str, without: frozenset[str], link_mode: LinkMode, take_over: TakeOver | None, below: str = ""
    ) -> None:
        """Copy the contents of `source`, with their owners. The times of directories are set last: new entries change them.

        A file that environments share may become a hard link instead of a clone, as when it was installed.
        """
        from cloche.apply.ownership import keep_extended_attributes, keep_owner  # not for a new environment

        if not below:
            created = os.stat(self._at("."), dir_fd=self.descriptor)
            self._creator = created.st_uid, created.st_gid
        with os.scandir(os.path.join(source, below)) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if path in without:
                continue
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), self._at(path), dir_fd=self.descriptor)
                keep_owner(self._at(path), self.descriptor, entry.stat(follow_symlinks=False))
            elif entry.is_dir(follow_symlinks=False):
                if take_over is not None and take_over(path, entry):
                    continue
                status = entry.stat(follow_symlinks=False)
                os.mkdir(self._at(path), 0o700, dir_fd=self.descriptor)
                self.copy_tree(source, without, link_mode, take_over, path)
                self.keep_attributes(path, entry.path, status)
                os.utime(self._at(path), ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=self.descriptor)
            elif entry.is_file(follow_symlinks=False):
                self._copy_entry(entry, path, link_mode)
            elif stat.S_ISFIFO((status := entry.stat(follow_symlinks=False)).st_mode):
                os.mkfifo(self._at(path), 0o600, dir_fd=self.descriptor)
                keep_owner(self._at(path), self.descriptor, status)
                os.chmod(self._at(path), stat.S_IMODE(status.st_mode), dir_fd=self.descriptor)
            # sockets are left out: only a running process can use them
        if not below:  # the plan decides the mode of the root
            keep_owner(self._at("."), self.descriptor, os.stat(source))
            keep_extended_attributes(self._at("."), self.descriptor, source)

    def _copy_entry(self, entry: os.DirEntry[str], path: str, link_mode: LinkMode) -> None:
        """Copy a file of a tree with its attributes. A hard link has them already, so its status is not read.

        Files of the tree that are hard links to each other remain so.
        """
        is_shared = False
        if link_mode == "clone" or self._copied:
            status = entry.stat(follow_symlinks=False)
            if self._link_again(status, path):
                return
            is_in_store = status.st_nlink > 1 and not status.st_mode & 0o222
            is_shared = link_mode == "clone" and is_in_store
        if self._transfer(entry.path, path, "auto" if is_shared else link_mode) is not _hard_link and not is_shared:
            status = entry.stat(follow_symlinks=False)
            self._keep_attributes_of_copy(path, entry.path, status)
            if status.st_nlink > 1:
                self._copied[status.st_dev, status.st_ino] = path

    def _keep_attributes_of_copy(self, path: str, source: str, status: os.stat_result) -> None:
        """Do what `keep_attributes` does to a file that was just copied, which in most cases needs no system call."""
        from cloche.apply.ownership import keep_extended_attributes

        is_usual = stat.S_IMODE(status.st_mode) == copied_mode(status.st_mode)
        if not is_usual or (status.st_uid, status.st_gid) != self._creator:
            self.keep_attributes(path, source, status)
        elif keep_extended_attributes(self._at(path), self.descriptor, source):  # access control lists change the mode
            os.chmod(self._at(path), stat.S_IMODE(status.st_mode), dir_fd=self.descriptor)

    def _link_again(self, status: os.stat_result, path: str) -> bool:
        """Link a file to the copy of another link to it; return False if there is none, or links are not supported."""
        copied = self._copied.get((status.st_dev, status.st_ino))
        if copied is None:
            return False
        try:
            os.link(self._at(copied), self._at(path), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except OSError as error:
            if error.errno not in LINK_UNSUPPORTED_ERRORS:
                raise
            return False
        return True

    def _transfer(self, source: str, path: str, link_mode: LinkMode) -> Transfer:
        """Copy or link a file in the first way that is supported; return it."""
        *sharing, copying = TRANSFERS[link_mode]
        for transfer in sharing:
            if transfer in self._unsupported:
                continue
            try:
                transfer(source, self._at(path), None, self.descriptor, "")
                return transfer
            except FileExistsError:
                if not self._exists_with(path, read_regular_file(source)):
                    raise
                return transfer
            except OSError as error:
                if error.errno not in LINK_UNSUPPORTED_ERRORS:
                    raise
                if error.errno in CLONE_UNSUPPORTED_ERRORS and transfer is _clone:
                    self._unsupported.add(transfer)  # otherwise every file would be created twice
        try:
            copying(source, self._at(path), None, self.descriptor, "")
        except FileExistsError:
            if not self._exists_with(path, read_regular_file(source)):
                raise
        return copying

    def set_mode(self, path: str, mode: int) -> None:
        entry = self._at(path)
        is_link = stat.S_ISLNK(os.stat(entry, dir_fd=self.descriptor, follow_symlinks=False).st_mode)
        if not is_link:  # links have no permission bits
            os.chmod(entry, mode, dir_fd=self.descriptor)

    def remove(self, path: str) -> None:
        entry = self._at(path)
        try:
            is_directory = stat.S_ISDIR(os.stat(entry, dir_fd=self.descriptor, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return
        if is_directory:
            from shutil import rmtree

            rmtree(os.path.join(self.root, *path.split("/")))
        else:
            os.unlink(entry, dir_fd=self.descriptor)

    def install_tree(self, operation: InstallTree, link_mode: LinkMode) -> None:
        """Copy or link the files of an image, if all of them are intact.

        :raises DamagedImage: a file is missing or modified; nothing was installed.
        """
        from cloche.apply.file_list import DamagedImage, check_files, read_file_list, shared_mode  # only for seeds

        opened: list[int] = []
        try:
            files = read_file_list(operation.file_list)
            if self.descriptor is not None:
                opened.append(os.open(operation.source, DIRECTORY))
                opened.append(os.open(operation.path, DIRECTORY, dir_fd=self.descriptor))
            source, target = opened or (None, None)
            check_files(files, shared_mode(operation.file_list), operation.source, source)
            for path in paths_in(files.directories, self._at(operation.path), target):
                try:
                    os.mkdir(path, dir_fd=target)
                except FileExistsError:
                    pass  # two images share a namespace package
            transfers = TRANSFERS[link_mode]
            paths = files.paths
            if operation.without:
                left_out = frozenset(operation.without)
                paths = [path for path in paths if path not in left_out]
            origins = paths_in(paths, operation.source, source)
            for old, new in zip(origins, paths_in(paths, self._at(operation.path), target), strict=True):
                while True:
                    try:
                        transfers[0](old, new, source, target, operation.source)
                        break
                    except OSError as error:
                        if len(transfers) == 1 or error.errno not in LINK_UNSUPPORTED_ERRORS:
                            raise
                        transfers = transfers[1:]  # not supported for this file, so not tried for the others
        except ValueError as error:
            raise DamagedImage(f"`{operation.file_list}` is damaged: {error}") from None
        finally:
            for descriptor in opened:
                os.close(descriptor)


LINK_UNSUPPORTED_ERRORS = frozenset(
    (errno.EPERM, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
)
"""Errors that mean that the file system, or this pair of file systems, does not support such a link."""


CLONE_UNSUPPORTED_ERRORS = frozenset((errno.ENOTTY, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP))
"""Errors that mean that the file system of the staging tree does not support clones, wherever the source is."""


FICLONE = 0x40049409
"""The request of `ioctl` that clones the content of a file (`linux/fs.h`)."""


def _clone(old: str, new: str, source: int | None, target: int | None, root: str) -> None:
    """Share the file's blocks until one of the two files is modified (`FICLONE`: btrfs, XFS, bcachefs, ZFS)."""
    copy_file(old, new, source, target, _clone_content)


def _clone_content(reading: int, writing: int) -> None:
    try:
        from fcntl import ioctl
    except ImportError:
        raise OSError(errno.ENOSYS, "this platform does not support clones") from None
    ioctl(writing, FICLONE, reading)


def _hard_link(old: str, new: str, source: int | None, target: int | None, root: str) -> None:
    os.link(old, new, src_dir_fd=source, dst_dir_fd=target)


def _copy(old: str, new: str, source: int | None, target: int | None, root: str) -> None:
    copy_file(old, new, source, target)


def _symbolic_link(old: str, new: str, source: int | None, target: int | None, root: str) -> None:
    os.symlink(os.path.join(root, old), new, dir_fd=target)


TRANSFERS: dict[LinkMode, tuple[Transfer, ...]] = {
    "auto": (_clone, _hard_link, _copy),
    "clone": (_clone, _copy),
    "hardlink": (_hard_link, _copy),
    "copy": (_copy,),
    "symlink": (_symbolic_link, _copy),
}
"""The transfers to try for each link mode, in order; the last one works on every file system."""
