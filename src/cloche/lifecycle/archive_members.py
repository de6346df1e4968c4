"""The members of an archive of any format that `cloche pack` writes. The archive is not trusted."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

from cloche.errors import ClocheError, UsageError, reason_of
from cloche.lifecycle.tar_reader import tar_members
from cloche.lifecycle.unsquashfs import extract_squashfs
from cloche.model.archive import Member
from cloche.store.archives import Archive, InvalidArchive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.tar_reader import SupportsRead

PIECE = 1 << 20
"""How many bytes are read at once."""

LONGEST_TARGET = 4096
"""The bytes of the longest target of a link on all systems."""


def read_members(path: str, scratch: str, limit: int) -> Iterator[Member]:
    """Yield the members of an archive, whatever its name is.

    :param scratch: a directory for what cannot be read as a stream; it does not exist yet.
    :param limit: how many bytes may be written there.
    :raises UsageError: it is not an archive of a known format.
    """
    if os.path.isdir(path):
        yield from directory_members(path)
        return
    try:
        with open(path, "rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == b"PK\3\4":
                yield from zip_members(file)
            elif start[:2] == b"\x1f\x8b":
                yield from tar_members(Decompressed(gzip.GzipFile(fileobj=file), (OSError, EOFError, zlib.error)))
            elif start == b"\x28\xb5\x2f\xfd":
                module = zstandard()
                yield from tar_members(Decompressed(module.ZstdFile(file), (EOFError, module.ZstdError)))
            elif start == b"hsqs":
                extract_squashfs(path, scratch, limit)
                yield from directory_members(scratch)
            else:
                raise UsageError(
                    f"`{path}` is not an archive of a known format",
                    hint="known formats are tar.gz, tar.zst, zip, squashfs and directories",
                )
    except OSError as error:
        if error.filename == path:
            raise cannot_read(path, error) from None
        raise


def zstandard() -> Any:
    """Return the module that decompresses Zstandard: `compression.zstd` or `backports.zstd`.

    :raises ClocheError: neither is installed.
    """
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            pass
    raise ClocheError(
        "Zstandard archives need Python 3.14, or the package backports.zstd",
        hint="install backports.zstd in cloche's environment",
    )


class Decompressed:
    """A compressed file, read as a stream. If it is damaged, reading raises `InvalidArchive`."""

    def __init__(self, file: SupportsRead, errors: tuple[type[Exception], ...]) -> None:
        """Read from `file`, which raises one of `errors` if it is damaged."""
        self._file = file
        self._errors = errors

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except self._errors as error:
            raise InvalidArchive(f"cannot be decompressed: {reason_of(error)}") from error


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def zip_members(file: BinaryIO) -> Iterator[Member]:
    """Yield the members of a zip archive."""
    archive = Archive(file)
    for found in archive.members:
        kind = stat.S_IFMT(found.mode)
        name = found.name.rstrip("/")
        if found.is_directory:
            yield Member(name, "directory", 0o755, 315532800)
        elif kind == stat.S_IFLNK:
            if found.size > LONGEST_TARGET:
                raise InvalidArchive(f"contains `{name}`, which is a link to a path of {found.size} bytes")
            yield Member(name, "link", 0o777, 0, target=os.fsdecode(archive.read(found.name)))
        elif kind in (0, stat.S_IFREG):
            yield Member(name, "file", found.mode, 315532800, found.size, reader=partial(archive.pieces, name))
        else:
            raise InvalidArchive(f"contains `{name}`, which is not a file, a directory or a link")


def directory_members(root: str) -> Iterator[Member]:
    """Yield what is in a directory."""
    stack = [""]
    while stack:
        below = stack.pop()
        with os.scandir(os.path.join(root, below)) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            status = entry.stat(follow_symlinks=False)
            time = int(status.st_mtime)
            if stat.S_ISLNK(status.st_mode):
                yield Member(path, "link", 0o777, time, target=os.readlink(entry.path))
            elif stat.S_ISDIR(status.st_mode):
                yield Member(path, "directory", 0o755, time)
                stack.append(path)
            elif stat.S_ISREG(status.st_mode):
                with open(entry.path, "rb") as file:
                    yield Member(path, "file", status.st_mode, time, status.st_size, reader=partial(pieces_of, file))
            else:
                raise InvalidArchive(f"contains `{path}`, which is not a file, a directory or a link")


def cannot_read(path: str, error: OSError) -> UsageError:
    missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
    return UsageError(
        f"cannot read `{path}`: {reason_of(error)}",
        hint="check the path; `cloche pack ENV -o FILE` writes an archive" if missing else "check its permissions",
    )
