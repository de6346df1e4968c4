"""What a plan consists of, and the only code that performs it.

An operation names its place relative to the environment's root, with `/`. Performing makes new directory entries and
never follows or overwrites one that is there: the transaction gives it an empty directory.
"""

from __future__ import annotations

import errno
import os

from cloche.errors import ClocheError
from cloche.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal, TypeAlias

    LinkMode: TypeAlias = Literal["auto", "clone", "hardlink", "copy", "symlink"]
    """How the files of an image reach an environment; `auto` is the first of clone, hardlink, copy that works."""


@value
class MakeDir:
    """Make a directory; its parent is made by an earlier operation or is the root. One that is there is kept."""

    path: str


@value
class Link:
    """Make a symbolic link; where the file system has none, copy what it would point to."""

    path: str
    target: str
    """As it will stand in the link: absolute, or relative to the link's directory."""
    copy: str = ""
    """Absolute path of the file to copy instead; empty: the file in the environment that `target` names."""


@value
class Copy:
    """Copy a file from outside the environment, its permission bits included."""

    path: str
    source: str
    """Absolute."""


@value
class Write:
    """Write a file whose content is known."""

    path: str
    content: bytes
    executable: str = "no"
    """`yes` for a file that is run: mode 0o777 less the umask, else 0o666 less the umask."""


@value
class Rewrite:
    """Write a file that will take the place of another one, whose permission bits and owner it gets."""

    path: str
    content: bytes
    old: str
    """Absolute path of the file that it takes after."""


@value
class CopyTree:
    """Fill the root with what a directory holds: links as links, permission bits and times kept."""

    source: str
    """Absolute."""
    without: tuple[str, ...] = ()
    """Paths in it to leave out; a directory with all that is in it."""
    link_mode: LinkMode = "copy"


@value
class LayImage:
    """Lay the files of one image directory into a directory of the environment, as its manifest lists them."""

    path: str
    source: str
    """Absolute path of the tree in the store."""
    manifest: str
    """Absolute path of its manifest (see `read_manifest`)."""
    files: int
    size: int
    """Bytes of all files together."""


@value
class Run:
    """Run a program that makes part of the environment; `{root}` in an argument stands for the directory to fill."""

    arguments: tuple[str, ...]
    purpose: str
    """What it does, for people: "let the interpreter's own venv make the environment"."""


if TYPE_CHECKING:
    Operation: TypeAlias = MakeDir | Link | Copy | CopyTree | Write | Rewrite | LayImage | Run


@value
class ManifestEntry:
    """One file of an image."""

    path: str
    """Relative to the tree, with `/`."""
    size: int
    mtime_ns: int
    sha256: str
    """Hexadecimal."""


MANIFEST_HEADER = "cloche image 1"


def write_manifest(directories: Iterable[str], files: Iterable[ManifestEntry]) -> str:
    """Return the text of a manifest: a header, the counts, a line per directory (parents first), a line per file."""
    directories = list(directories)
    lines = [f"{entry.size} {entry.mtime_ns} {entry.sha256} {entry.path}" for entry in files]
    return "\n".join([MANIFEST_HEADER, f"{len(directories)} {len(lines)}", *directories, *lines, "end", ""])


def read_manifest(text: str) -> tuple[list[str], list[str]]:
    """Return a manifest's directories and its file lines (`size mtime_ns sha256 path`, unsplit).

    :raises ValueError: it is not a whole manifest.
    """
    lines = text.split("\n")
    directories, files = (int(count) for count in lines[1].split(" ")) if len(lines) > 1 else (0, -1)
    if lines[0] != MANIFEST_HEADER or lines[-2:] != ["end", ""] or len(lines) != directories + files + 4:
        raise ValueError("not a whole image manifest")
    return lines[2 : 2 + directories], lines[2 + directories : -2]


def perform(operations: Iterable[Operation], ground: Ground, link_mode: LinkMode) -> None:
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
            case LayImage():
                ground.lay(operation, link_mode)
            case Run(arguments, purpose):
                ground.run(arguments, purpose)


class Ground:
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

    def lay(self, image: LayImage, link_mode: LinkMode) -> None:
        try:
            directories, lines = read_manifest(read_plain(image.manifest).decode("utf-8"))
        except ValueError as error:
            raise DamagedImage(f"`{image.manifest}` is damaged: {error}") from None
        kind = kind_of(image.manifest)
        if self.descriptor is None:
            self._lay(directories, lines, kind, image.source, self._at(image.path), None, None, link_mode)
            return
        source = os.open(image.source, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            target = os.open(image.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.descriptor)
            try:
                self._lay(directories, lines, kind, image.source, "", source, target, link_mode)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _lay(
        self,
        directories: list[str],
        lines: list[str],
        kind: int,
        root: str,
        prefix: str,
        source: int | None,
        target: int | None,
        link_mode: LinkMode,
    ) -> None:
        for path in directories:
            try:
                os.mkdir(os.path.join(prefix, path), dir_fd=target)
            except FileExistsError:
                pass  # two images share a namespace package
        ways = WAYS[link_mode]
        for line in lines:
            size, mtime, _, path = line.split(" ", 3)
            here, there = (path, path) if source is not None else (os.path.join(root, path), os.path.join(prefix, path))
            try:
                status = os.stat(here, dir_fd=source, follow_symlinks=False)
            except FileNotFoundError:
                raise DamagedImage(f"`{root}/{path}` is missing") from None
            if not as_listed(status, size, mtime, kind):
                raise DamagedImage(f"`{root}/{path}` was changed")
            while True:
                try:
                    ways[0](here, there, source, target, root)
                    break
                except OSError as error:
                    if len(ways) == 1 or error.errno not in LINKLESS:
                        raise
                    ways = ways[1:]  # what one file of an image refuses, the others do too


class DamagedImage(ClocheError):
    """A file of an image is not what was published; whoever asked for the image may have it built again."""


REGULAR = 0o100000 >> 12
"""Type of a plain file in the upper bits of its mode."""


RUN_BITS = 0o111


def kind_of(manifest: str) -> int:
    """Return what a manifest and the files that it lists have in common: type and permission bits, less those to run it.

    They were made with the same bits, which some file systems show as others.
    """
    return os.lstat(manifest).st_mode | RUN_BITS


def as_listed(status: os.stat_result, size: str, mtime: str, kind: int) -> bool:
    """Return whether a file is the plain one of a manifest's line, as far as a cheap look at it can tell.

    One that was cut short, emptied, replaced or edited in place shows another size or another time (in nanoseconds), and
    one whose permissions were changed, in an environment that shares it by a hard link, another `kind_of`.
    """
    return status.st_size == int(size) and status.st_mtime_ns == int(mtime) and status.st_mode | RUN_BITS == kind


NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

LINKLESS = frozenset(
    (errno.EPERM, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
)
"""What systems answer where a file system, or a pair of them, has no such link."""


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`; the system may take it in pieces."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def open_quietly(path: str, directory: int | None = None, *, more: int = 0) -> int:
    """Open a file for reading, without a trace in its time of access where it is ours; a FIFO holds nobody up."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | more
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0), dir_fd=directory)
    except PermissionError:  # another user's: Linux grants that to the owner alone
        return os.open(path, flags, dir_fd=directory)


def read_plain(path: str) -> bytes:
    """Return what a plain file holds, never through a link.

    :raises OSError: it cannot be read, or is none.
    """
    descriptor = open_quietly(path, more=getattr(os, "O_NOFOLLOW", 0))
    try:
        status = os.fstat(descriptor)
        if status.st_mode >> 12 != REGULAR:
            raise OSError(errno.EINVAL, "not a plain file", path)
        pieces = []
        while piece := os.read(descriptor, status.st_size + 1):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(descriptor)


def replace_file(path: str, content: bytes) -> None:
    """Put a private file where another one, a link or a directory may be, whole or not at all; nothing is followed.

    :raises OSError: the system refused; what was there may still be.
    """
    temporary = f"{path}.new"
    try:
        descriptor = os.open(temporary, NEW_FILE, 0o600)
    except FileExistsError:  # of a run that was killed; one that lives puts ours in place, and is no worse off
        os.unlink(temporary)
        descriptor = os.open(temporary, NEW_FILE, 0o600)
    try:
        try:
            write_all(descriptor, content)
        finally:
            os.close(descriptor)
        try:
            os.replace(temporary, path)
        except IsADirectoryError:
            from shutil import rmtree

            rmtree(path)
            os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def copy_file(
    source: str, target: str, source_directory: int | None = None, target_directory: int | None = None
) -> None:
    """Copy a file's bytes, permission bits and modification time (byte-code stays valid by it) to a new file.

    Its owner may write to it: files of an image are read-only because environments share them, and a copy is not shared.
    """
    reading = open_quietly(source, source_directory)
    try:
        status = os.fstat(reading)
        writing = os.open(target, NEW_FILE, status.st_mode & 0o777 | 0o200, dir_fd=target_directory)
        try:
            while block := os.read(reading, 1 << 20):
                write_all(writing, block)
            if os.utime in os.supports_fd:
                os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))
            else:
                os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(writing)
    finally:
        os.close(reading)


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
