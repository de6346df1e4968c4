"""Write the files of a new image, with the lists that describe them, and flush them to the disk."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from threading import Lock
from typing import TYPE_CHECKING

from cloche.apply.file_list import FileList, format_file_list
from cloche.fs import write_all
from cloche.fs.records import digest_text, format_row
from cloche.model.value import fields
from cloche.store.check import FILE_LIST_SUFFIX, OWN_FILE_LIST
from cloche.store.startup_code import is_startup_file, path_in_site, startup_code_of_wheel
from cloche.store.worker_threads import raise_if_stopped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloche.store.contents import FileContent

READ_ONLY = os.name != "nt"
"""Whether files are created read-only. An editor that opens one in an environment then refuses to change it in all
environments that share it. Windows cannot delete read-only files."""

UTIME_BY_DESCRIPTOR = os.utime in os.supports_fd

SHEBANGS = "shebangs"
"""The directory for scripts whose first line must name the Python of the environment."""


class ImageWriter:
    """Writes the files of a new image and keeps a list of them."""

    def __init__(self, root: str, seconds: int) -> None:
        self.root = root
        self.seconds = seconds
        """The modification time of every file, in seconds since the epoch."""
        self._files: dict[str, dict[str, tuple[int, str]]] = {}
        """Size and SHA-256 of each file, by tree and path."""
        self._created: set[str] = set()
        self._startup_files: dict[tuple[str, str], bytes] = {}
        """The content of the files that may run whenever Python starts, by tree and path."""

    def add(self, tree: str, path: str, content: bytes, *, executable: bool = False, sha256: str = "") -> None:
        """Write a new file and register it.

        :param sha256: the hash of the content in hexadecimal, if it is known.
        """
        self._register_content(tree, path, content, sha256 or hashlib.sha256(content).hexdigest())
        self._write(f"{tree}/{path}", (content,), 0o555 if executable else 0o444)

    def add_link(self, tree: str, path: str, source: str, content: bytes, sha256: str) -> None:
        """Add a file of another image by a hard link, so that environments that have the file go on sharing it.

        If it has other permissions or another time than a new file would have, or cannot be linked, it is written again.

        :param content: its content, which was compared with its hash.
        """
        status = os.stat(source, follow_symlinks=False)
        is_executable = bool(status.st_mode & stat.S_IXUSR) and READ_ONLY
        state = (stat.S_IMODE(status.st_mode), status.st_mtime_ns)
        if state == (0o555 if is_executable else 0o444, self.seconds * 10**9):
            self._create_parent(f"{tree}/{path}")
            try:
                os.link(source, f"{self.root}/{tree}/{path}", follow_symlinks=False)
            except OSError:  # the file system does not support links, or not that many
                pass
            else:
                self._register_content(tree, path, content, sha256)
                return
        self.add(tree, path, content, executable=is_executable, sha256=sha256)

    def add_large(self, content: FileContent) -> None:
        """Write a new file piece by piece and register it.

        :raises SeedError: it cannot be read, or is damaged.
        """
        tree, path = content.file.tree, content.file.path
        self._write(f"{tree}/{path}", content.pieces(), 0o555 if content.is_executable else 0o444)
        self.register(tree, path, content.size, content.sha256)

    def _register_content(self, tree: str, path: str, content: bytes, sha256: str) -> None:
        self.register(tree, path, len(content), sha256)
        if is_startup_file(path_in_site(tree, path)[1]):
            self._startup_files[tree, path] = content

    def register(self, tree: str, path: str, size: int, sha256: str) -> None:
        """Add an existing file to the file list."""
        self._files.setdefault(tree, {})[path] = (size, sha256)

    def finish(self, description: Mapping[str, object], version: Sequence[object]) -> None:
        """Write the file lists, the records and the description.

        :param description: what the source of the image says about it; the writer adds what follows from the files.
        :param version: the version of the Python that the image is for.
        """
        own: dict[str, tuple[int, str]] = {}

        def write(name: str, text: str) -> None:
            content = text.encode("utf-8")
            self._write(name, (content,), 0o444)
            own[name] = (len(content), hashlib.sha256(content).hexdigest())

        for tree, files in self._files.items():
            if tree == SHEBANGS:
                own.update({f"{SHEBANGS}/{path}": size_and_hash for path, size_and_hash in files.items()})
                continue
            write(f"{tree}{FILE_LIST_SUFFIX}", self._file_list(files))
            write(f"{tree}.record", "".join(_record_row(path, *files[path]) for path in sorted(files)))
        completed = {
            **description,
            "startup_code": [*map(fields, startup_code_of_wheel(self._startup_files, version))],
            "files": sum(len(files) for tree, files in self._files.items() if tree != SHEBANGS),
            "size": sum(size for tree, files in self._files.items() if tree != SHEBANGS for size, _ in files.values()),
        }
        write("image.json", json.dumps(completed, indent=1, sort_keys=True) + "\n")
        self._write(OWN_FILE_LIST, (self._file_list(own).encode("utf-8"),), 0o444)

    def _file_list(self, files: dict[str, tuple[int, str]]) -> str:
        directories = directories_of(files)
        paths = sorted(files)
        sizes, hashes = zip(*(files[path] for path in paths), strict=True) if paths else ((), ())
        return format_file_list(FileList(sorted(directories), paths, sizes, hashes, self.seconds * 10**9))

    def _write(self, path: str, pieces: Iterable[bytes], mode: int) -> None:
        self._create_parent(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(f"{self.root}/{path}", flags, mode if READ_ONLY else 0o666)
        try:  # faster than a file object for each of a thousand files
            for piece in pieces:
                raise_if_stopped()
                write_all(descriptor, piece)
            if READ_ONLY:
                os.fchmod(descriptor, mode)  # not reduced by the umask: environments share this file
            if UTIME_BY_DESCRIPTOR:
                os.utime(descriptor, (self.seconds, self.seconds))
        finally:
            os.close(descriptor)
        if not UTIME_BY_DESCRIPTOR:
            os.utime(f"{self.root}/{path}", (self.seconds, self.seconds))

    def _create_parent(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent and parent not in self._created:  # never the root: another process may have removed it on purpose
            self._create_parent(parent)
            _create_directory(f"{self.root}/{parent}")
            self._created.add(parent)


def _create_directory(path: str) -> None:
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def directories_of(paths: Iterable[str]) -> set[str]:
    """Return all directories above some paths, which are relative and have `/`."""
    found: set[str] = set()
    for path in paths:
        for parent in parents_of(path):
            if parent in found:
                break
            found.add(parent)
    return found


def parents_of(path: str) -> Iterator[str]:
    """Yield the directories above a path that is relative and has `/`, innermost first."""
    parent = path.rpartition("/")[0]
    while parent:
        yield parent
        parent = parent.rpartition("/")[0]


def _record_row(path: str, size: int, sha256: str) -> str:
    """Return a row of a RECORD; bytecode gets no hash, because Python may write it again at any time."""
    if path.endswith(".pyc"):
        return format_row(path)
    return format_row(path, f"sha256={digest_text(bytes.fromhex(sha256))}", size)


def flush_tree(root: str) -> None:
    """Flush everything in `root` to the disk, with a single `syncfs` where the system supports it (Linux)."""
    descriptor = os.open(root, os.O_RDONLY) if os.name != "nt" else -1
    try:
        if descriptor >= 0 and FLUSHES.setdefault(os.fstat(descriptor).st_dev, SharedFlush()).run(descriptor):
            return
        for parent, _, names in os.walk(root):
            for name in names:
                flush_path(os.path.join(parent, name))
            flush_path(parent)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


class SharedFlush:
    """Flushes one file system for several threads: one flush serves all that asked for it before it began."""

    def __init__(self) -> None:
        self._running = Lock()
        self._asking = Lock()
        self._asked = 0
        self._flushed = 0
        """The number of requests that completed flushes have served."""

    def run(self, descriptor: int) -> bool:
        """Flush the file system of an open file; return False if the system does not support it."""
        with self._asking:
            self._asked += 1
            number = self._asked
        with self._running:
            if self._flushed >= number:
                return True
            with self._asking:
                asked = self._asked
            if not _flush_file_system(descriptor):
                return False
            self._flushed = asked
            return True


FLUSHES: dict[int, SharedFlush] = {}
"""By the number of the device."""


def _flush_file_system(descriptor: int) -> bool:
    """Flush the file system of an open file; return False if the system does not support it."""
    try:
        import ctypes

        status: int = ctypes.CDLL(None).syncfs(descriptor)  # 20 ms, where 900 calls of `fsync` take 500 ms
    except (ImportError, AttributeError, OSError, TypeError):
        return False
    return status == 0


def flush_path(path: str) -> None:
    """Flush one file or directory to the disk; does nothing on Windows, where that requires opening it for writing."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
