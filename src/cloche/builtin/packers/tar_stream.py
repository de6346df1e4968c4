"""A tar archive as a stream of bytes, for the packers that compress it."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.model.archive import Member

TYPES = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}

CHUNK = 1 << 20
"""The smallest number of bytes that are passed on at once, except at the end."""


def tar_stream(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield a tar archive in large chunks. All owners are 0, and have no names."""
    pending: list[bytes] = []
    size = 0
    for piece in tar_pieces(members):
        pending.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(pending)
            pending.clear()
            size = 0
    yield b"".join(pending)


def tar_pieces(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield a tar archive in the format of GNU tar, which can hold names of any length and any bytes."""
    for member in members:
        header = tarfile.TarInfo(member.path)
        header.type = TYPES[member.kind]
        header.mode, header.mtime, header.size, header.linkname = member.mode, member.time, member.size, member.target
        yield header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        yield from member.read()
        yield bytes(-member.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
