"""Create the files, links and directories of a staging tree.

The executor creates new directory entries. It never follows or overwrites existing ones: the transaction gives it an empty
directory.
"""

from __future__ import annotations

import errno
import os
import stat

from cloche.fs import DIRECTORY, NEW_FILE, READING, copy_file, paths_in, read_regular_file, write_all
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from cloche.model.aliases import LinkMode
    from cloche.model.operations import InstallTree

    Transfer: TypeAlias = Callable[[str, str, int | None, int | None, str], None]
    """Copies or links a file. Arguments: the old path, the new path, the directory descriptors that they are relative to
    (None for absolute paths), and the absolute path of the directory that the old path is relative to."""


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

    def at(self, path: str) -> str:
        """Return the path of an entry for system calls that get `descriptor` as well."""
        return path if self.descriptor is not None else os.path.join(self.root, *path.split("/"))

    def create_directory(self, path: str) -> None:
        try:
            os.mkdir(self.at(path), dir_fd=self.descriptor)
        except FileExistsError:
            pass

    def link(self, path: str, target: str, copy: str) -> None:
        try:
            os.symlink(target, self.at(path), dir_fd=self.descriptor)
        except FileExistsError:
            if os.readlink(self.at(path), dir_fd=self.descriptor) != target:
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
            self.transfer(source, path, link_mode)

    def write(self, path: str, content: bytes, mode: int) -> None:
        try:
            descriptor = os.open(self.at(path), NEW_FILE, mode, dir_fd=self.descriptor)
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
        if not stat.S_ISREG(os.stat(self.at(path), dir_fd=self.descriptor, follow_symlinks=False).st_mode):
            return False
        with open(os.open(self.at(path), READING, dir_fd=self.descriptor), "rb") as file:
            return file.read() == content

    def rewrite(self, path: str, content: bytes, old: str) -> None:
        from cloche.apply.ownership import keep_attributes  # not for a new environment

        status = os.stat(old)
        self.write(path, content, 0o600)
        keep_attributes(self.at(path), self.descriptor, os.path.realpath(old), status)

    def transfer(self, source: str, path: str, link_mode: LinkMode) -> Transfer:
        """Copy or link a file in the first way that is supported; return it."""
        *sharing, copying = TRANSFERS[link_mode]
        for transfer in sharing:
            if transfer in self._unsupported:
                continue
            try:
                transfer(source, self.at(path), None, self.descriptor, "")
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
            copying(source, self.at(path), None, self.descriptor, "")
        except FileExistsError:
            if not self._exists_with(path, read_regular_file(source)):
                raise
        return copying

    def set_mode(self, path: str, mode: int) -> None:
        entry = self.at(path)
        is_link = stat.S_ISLNK(os.stat(entry, dir_fd=self.descriptor, follow_symlinks=False).st_mode)
        if not is_link:  # links have no permission bits
            os.chmod(entry, mode, dir_fd=self.descriptor)

    def remove(self, path: str) -> None:
        entry = self.at(path)
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
            for path in paths_in(files.directories, self.at(operation.path), target):
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
            for old, new in zip(origins, paths_in(paths, self.at(operation.path), target), strict=True):
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


def hard_link(old: str, new: str, source: int | None, target: int | None, root: str) -> None:
    os.link(old, new, src_dir_fd=source, dst_dir_fd=target)


def _copy(old: str, new: str, source: int | None, target: int | None, root: str) -> None:
    copy_file(old, new, source, target)


def _symbolic_link(old: str, new: str, source: int | None, target: int | None, root: str) -> None:
    os.symlink(os.path.join(root, old), new, dir_fd=target)


TRANSFERS: dict[LinkMode, tuple[Transfer, ...]] = {
    "auto": (_clone, hard_link, _copy),
    "clone": (_clone, _copy),
    "hardlink": (hard_link, _copy),
    "copy": (_copy,),
    "symlink": (_symbolic_link, _copy),
}
"""The transfers to try for each link mode, in order; the last one works on every file system."""
