"""The only code that performs operations: it fills a directory, and knows nothing of what stands around that.

Performing makes new directory entries and never follows or overwrites one that is there: the transaction gives it an
empty directory.
"""

from __future__ import annotations

import errno
import os

from cloche.apply.file_list import DamagedImage, kind_of, look, read_file_list
from cloche.errors import ClocheError
from cloche.fs.files import DIRECTORY, NEW_FILE, copy_file, named, open_quietly, write_all
from cloche.model.operations import Copy, CopyTree, InstallTree, Link, MakeDir, Rewrite, Run, Write
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloche.model.operations import LinkMode, Operation


def perform(operations: Iterable[Operation], ground: StagingTree, link_mode: LinkMode) -> None:
    """Perform operations in order in an empty directory.

    :raises OSError: the first one that the system refuses; what was made until then is left for the caller to remove.
    :raises ClocheError: a program that was run failed.
    """
    for operation in operations:
        match operation:
            case MakeDir(path):
                ground.make_directory(path)
            case Link(path, target, copy):
                ground.link(path, target, copy)
            case Copy(path, source):
                ground.copy(path, source)
            case Write(path, content, executable):
                ground.write(path, content, 0o777 if executable == "yes" else 0o666)
            case Rewrite(path, content, old):
                ground.rewrite(path, content, old)
            case CopyTree(source, without, mode):
                ground.copy_tree(source, frozenset(without), mode)
            case InstallTree():
                ground.lay(operation, link_mode)
            case Run(arguments, purpose):
                ground.run(arguments, purpose)


class StagingTree:
    """The directory in which operations are performed.

    Where the platform can, every path is resolved from an open descriptor of the directory: quicker, not bound by the
    length limit of absolute paths, and indifferent to somebody renaming a parent meanwhile.
    """

    def __init__(self, root: str, descriptor: int | None) -> None:
        self.root = root
        self.descriptor = descriptor

    def _at(self, path: str) -> str:
        return path if self.descriptor is not None else os.path.join(self.root, *path.split("/"))

    def make_directory(self, path: str) -> None:
        try:
            os.mkdir(self._at(path), dir_fd=self.descriptor)
        except FileExistsError:
            pass

    def link(self, path: str, target: str, copy: str) -> None:
        try:
            os.symlink(target, self._at(path), dir_fd=self.descriptor)
        except FileExistsError:
            if os.readlink(self._at(path), dir_fd=self.descriptor) != target:
                raise  # else the interpreter's own `venv` made the same one
        except OSError as error:
            if error.errno not in LINKLESS:
                raise
            self.copy(path, copy or os.path.join(self.root, os.path.dirname(path), target))

    def copy(self, path: str, source: str) -> None:
        if os.path.isdir(source):
            self.make_directory(path)
            for name in sorted(os.listdir(source)):
                self.copy(f"{path}/{name}", os.path.join(source, name))
        else:
            copy_file(source, self._at(path), target_directory=self.descriptor)

    def write(self, path: str, content: bytes, mode: int) -> None:
        descriptor = os.open(self._at(path), NEW_FILE, mode, dir_fd=self.descriptor)
        try:
            write_all(descriptor, content)
        finally:
            os.close(descriptor)

    def rewrite(self, path: str, content: bytes, old: str) -> None:
        status = os.stat(old)
        self.write(path, content, 0o600)
        if os.name != "nt":
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                try:
                    os.chown(self._at(path), status.st_uid, status.st_gid, dir_fd=self.descriptor)
                except OSError:
                    pass  # only the superuser may give files away
            os.chmod(self._at(path), status.st_mode & 0o7777, dir_fd=self.descriptor)

    def copy_tree(self, source: str, without: frozenset[str], link_mode: LinkMode, below: str = "") -> None:
        """Copy what is below `source`, the directories' times last: making entries changes them."""
        with os.scandir(os.path.join(source, below)) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if path in without:
                continue
            status = entry.stat(follow_symlinks=False)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), self._at(path), dir_fd=self.descriptor)
            elif entry.is_dir(follow_symlinks=False):
                os.mkdir(self._at(path), 0o700, dir_fd=self.descriptor)
                self.copy_tree(source, without, link_mode, path)
                os.chmod(self._at(path), status.st_mode & 0o7777, dir_fd=self.descriptor)
                os.utime(self._at(path), ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=self.descriptor)
            elif entry.is_file(follow_symlinks=False):  # a socket or a pipe belongs to whoever listens there
                self._bring(entry.path, path, link_mode)

    def _bring(self, source: str, path: str, link_mode: LinkMode) -> None:
        *sharing, copying = WAYS[link_mode]
        for way in sharing:
            try:
                way(source, self._at(path), None, self.descriptor, "")
                return
            except OSError as error:
                if error.errno not in LINKLESS:
                    raise
        copying(source, self._at(path), None, self.descriptor, "")

    def run(self, arguments: tuple[str, ...], purpose: str) -> None:
        import subprocess  # only the creator that hands over needs it

        command = [argument.replace("{root}", self.root) for argument in arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise ClocheError(f"cannot {purpose}: {said}")

    def lay(self, image: InstallTree, link_mode: LinkMode) -> None:
        """Lay the files of an image, if all of them are what was published.

        :raises DamagedImage: one is not; nothing was laid.
        """
        opened: list[int] = []
        try:
            manifest = read_file_list(image.manifest)
            if self.descriptor is not None:
                opened.append(os.open(image.source, DIRECTORY))
                opened.append(os.open(image.path, DIRECTORY, dir_fd=self.descriptor))
            source, target = opened or (None, None)
            look(manifest, kind_of(image.manifest), image.source, source)
            for path in named(manifest.directories, self._at(image.path), target):
                try:
                    os.mkdir(path, dir_fd=target)
                except FileExistsError:
                    pass  # two images share a namespace package
            ways = WAYS[link_mode]
            origins = named(manifest.paths, image.source, source)
            for here, there in zip(origins, named(manifest.paths, self._at(image.path), target), strict=True):
                while True:
                    try:
                        ways[0](here, there, source, target, image.source)
                        break
                    except OSError as error:
                        if len(ways) == 1 or error.errno not in LINKLESS:
                            raise
                        ways = ways[1:]  # what one file of an image refuses, the others do too
        except ValueError as error:
            raise DamagedImage(f"`{image.manifest}` is damaged: {error}") from None
        finally:
            for descriptor in opened:
                os.close(descriptor)


LINKLESS = frozenset(
    (errno.EPERM, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
)
"""What systems answer where a file system, or a pair of them, has no such link."""


def _clone(here: str, there: str, source: int | None, target: int | None, root: str) -> None:
    """Share the file's blocks until one side is written (`FICLONE`: btrfs, XFS, bcachefs, ZFS)."""
    try:
        from fcntl import ioctl
    except ImportError:
        raise OSError(errno.ENOSYS, "no clones on this platform") from None
    reading = open_quietly(here, source)
    try:
        status = os.fstat(reading)
        writing = os.open(there, NEW_FILE, status.st_mode & 0o777 | 0o200, dir_fd=target)
        try:
            try:
                ioctl(writing, 0x40049409, reading)
            except OSError:
                os.unlink(there, dir_fd=target)
                raise
            os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _hard_link(here: str, there: str, source: int | None, target: int | None, root: str) -> None:
    os.link(here, there, src_dir_fd=source, dst_dir_fd=target)


def _copy(here: str, there: str, source: int | None, target: int | None, root: str) -> None:
    copy_file(here, there, source, target)


def _symbolic_link(here: str, there: str, source: int | None, target: int | None, root: str) -> None:
    os.symlink(os.path.join(root, here), there, dir_fd=target)


WAYS: dict[LinkMode, tuple[Callable[[str, str, int | None, int | None, str], None], ...]] = {
    "auto": (_clone, _hard_link, _copy),
    "clone": (_clone, _copy),
    "hardlink": (_hard_link, _copy),
    "copy": (_copy,),
    "symlink": (_symbolic_link, _copy),
}
