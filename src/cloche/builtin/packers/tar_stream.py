"""A tar archive as a stream of bytes, for the packers that compress it."""

from __future__ import annotations

import tarfile
from functools import cache
from tarfile import BLOCKSIZE
from typing import TYPE_CHECKING

from cloche.model.archive import Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.model.aliases import MemberKind

TYPES = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}

CHUNK = 1 << 20
"""The smallest number of bytes that are passed on at once, except at the end."""

PADDING = bytes(BLOCKSIZE)


def tar_stream(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield a tar archive in large chunks. All owners are 0, and have no names.

    The format is that of GNU tar, which can hold names of any length and any bytes.
    """
    pending: list[bytes] = []
    size = 0
    for member in members:
        pending.append(header(member))
        size += BLOCKSIZE
        for piece in member.read():
            if len(piece) >= CHUNK:  # not copied, as a part of a larger chunk would be
                yield b"".join(pending)
                yield piece
            else:
                pending.append(piece)
                size += len(piece)
                if size < CHUNK:
                    continue
                yield b"".join(pending)
            pending.clear()
            size = 0
        if rest := member.size % BLOCKSIZE:
            pending.append(PADDING[rest:])
    pending.append(bytes(2 * BLOCKSIZE))
    yield b"".join(pending)


NAME, SIZE, CHECKSUM = slice(0, 100), slice(124, 135), slice(148, 156)
"""The positions of the header fields that differ between files."""


def header(member: Member) -> bytes:
    """Return the header of a member."""
    path = member.path.encode("utf-8", "surrogateescape") + b"/" * (member.kind == "directory")
    size = b"%011o" % member.size
    if member.kind == "link" or len(size) > SIZE.stop - SIZE.start:
        return complete_header(member)
    long_name = b""
    if len(path) > NAME.stop:
        long_name = b"".join((long_name_header(len(path)), path, bytes(BLOCKSIZE - len(path) % BLOCKSIZE)))
        path = path[: NAME.stop]
    before, between, after, checksum = header_parts(member.kind, member.mode, member.time)
    summed = b"%06o\0 " % (checksum + sum(path) + sum(size))
    return b"".join((long_name, path.ljust(NAME.stop, b"\0"), before, size, between, summed, after))


@cache
def long_name_header(length: int) -> bytes:
    """Return the header of the block with a name that does not fit into a header."""
    return complete_header(Member("-" * length, "file", 0, 0))[:BLOCKSIZE]


@cache
def header_parts(kind: MemberKind, mode: int, time: int) -> tuple[bytes, bytes, bytes, int]:
    """Return a header before its size, between size and checksum, and after the checksum; and the sum of these bytes.

    Most headers differ only in name and size, and `tarfile` takes longer to format one than it takes to read the file.
    """
    made = complete_header(Member("-", kind, mode, time))
    before, between, after = made[NAME.stop : SIZE.start], made[SIZE.stop : CHECKSUM.start], made[CHECKSUM.stop :]
    spaces = b" " * (CHECKSUM.stop - CHECKSUM.start)
    return before, between, after, sum(before + between + spaces + after)


def complete_header(member: Member) -> bytes:
    """Return the header of any member, with the additional blocks that a long name needs."""
    made = tarfile.TarInfo(member.path)
    made.type = TYPES[member.kind]
    made.mode, made.mtime, made.size, made.linkname = member.mode, member.time, member.size, member.target
    return made.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
