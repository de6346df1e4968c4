"""Read tar archives strictly, as a stream: what `cloche pack`, GNU tar and bsdtar write for files, directories and links.

`tarfile` reads more formats than an environment needs, and some of its errors, and the time and memory that it takes, depend
on what the archive says. Here each member has at most one header of each kind, and each header a limited size.

The formats are those of POSIX.1-2001 (ustar and pax) and of GNU tar (long names and large numbers).
"""

from __future__ import annotations

import os
import re
import sys
from tarfile import (
    AREGTYPE,
    BLOCKSIZE,
    DIRTYPE,
    GNUTYPE_LONGLINK,
    GNUTYPE_LONGNAME,
    NUL,
    REGTYPE,
    SYMTYPE,
    XGLTYPE,
    XHDTYPE,
)
from typing import TYPE_CHECKING, Protocol

from cloche.model.archive import Member
from cloche.model.value import Value
from cloche.store.archives import InvalidArchive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.model.aliases import MemberKind

PIECE = 1 << 20
"""The maximum number of bytes of a member in memory."""

MAX_EXTENDED_SIZE = 1 << 16
"""The maximum size, in bytes, of a header with a name or with attributes; the longest path of a system has 4096."""

MAX_PADDING = 1 << 20
"""The maximum number of bytes after the last member. GNU tar pads an archive to a full record, usually 10 kB."""

LATEST = 1 << 40
"""The time in seconds that no member reaches; every system can represent earlier ones."""

KINDS: dict[bytes, MemberKind] = {REGTYPE: "file", AREGTYPE: "file", DIRTYPE: "directory", SYMTYPE: "link"}

EXTENDED = {GNUTYPE_LONGNAME: "path", GNUTYPE_LONGLINK: "linkpath", XHDTYPE: "attributes", XGLTYPE: "attributes of all"}
"""The headers that belong to the next member, and what they have."""


class SupportsRead(Protocol):
    """A file that can only be read."""

    def read(self, size: int, /) -> bytes: ...


class Header(Value):
    """The first block of a member."""

    name: bytes
    type: bytes
    mode: int
    size: int
    time: int
    target: bytes


def tar_members(stream: SupportsRead) -> Iterator[Member]:
    """Yield the members of a tar archive, and read it to its end. Read each member before you take the next one.

    :raises InvalidArchive: it is damaged, contains something else, or has a header of an unreasonable size.
    """
    reader = TarReader(stream)
    while (member := reader.next()) is not None:
        if member.kind != "directory" or member.path != ".":
            yield member
        reader.skip_rest()


class TarReader:
    """Reads one archive."""

    def __init__(self, stream: SupportsRead) -> None:
        self._stream = stream
        self._left = 0
        """The bytes of the current member that were not read yet."""
        self._padding = 0
        """The bytes that follow it up to the next block."""

    def next(self) -> Member | None:
        """Return the next member; None at the end of the archive."""
        extended: dict[str, bytes] = {}
        while (header := self._header()) is not None:
            purpose = EXTENDED.get(header.type)
            if purpose is None:
                return self._member(header, extended)
            if header.size > MAX_EXTENDED_SIZE:
                raise InvalidArchive("has a name or an attribute of an unreasonable size")
            if purpose in extended:
                raise InvalidArchive("has two extended headers for one member")
            extended[purpose] = self._exactly(header.size + -header.size % BLOCKSIZE)[: header.size]
        if extended:
            raise InvalidArchive("is truncated")
        self._check_end()
        return None

    def skip_rest(self) -> None:
        """Read what is left of the current member."""
        for _ in self._pieces():
            pass
        self._exactly(self._padding)
        self._padding = 0

    def _member(self, header: Header, extended: Mapping[str, bytes]) -> Member:
        name, target = (extended.get(key, b"").rstrip(NUL) for key in ("path", "linkpath"))
        name, target = name or header.name, target or header.target
        size, time = header.size, header.time
        attributes = pax_records(extended.get("attributes", b""))
        if any(is_significant(key) for key in pax_records(extended.get("attributes of all", b""))):
            raise InvalidArchive("has attributes that apply to all members")
        name, target = attributes.get(b"path", name), attributes.get(b"linkpath", target)
        shown = os.fsdecode(name.rstrip(b"/"))
        if b"size" in attributes:
            size = decimal(attributes[b"size"])
        if b"mtime" in attributes:
            match = re.fullmatch(rb"(\d{1,15})(?:\.\d*)?", attributes[b"mtime"])
            time = int(match[1]) if match else LATEST
        if not 0 <= time < LATEST:
            raise InvalidArchive(f"says that the time of `{shown}` is out of range")
        kind = KINDS.get(header.type)
        if kind is None or any(key.startswith(b"GNU.sparse.") for key in attributes):
            raise InvalidArchive(f"contains `{shown}`, which is not a file, a directory or a link")
        if kind == "directory" or (header.type == AREGTYPE and name.endswith(b"/")):  # before POSIX
            kind, name = "directory", name.rstrip(b"/")
        if kind != "file" and size:
            raise InvalidArchive(f"has content for `{shown}`, which is not a file")
        self._left, self._padding = size, -size % BLOCKSIZE
        path = os.fsdecode(name.removeprefix(b"./"))  # `tar -C DIR -c .` writes such names
        if kind == "file":
            return Member(path, kind, header.mode, time, size, reader=self._pieces)
        return Member(path, kind, header.mode, time, target=os.fsdecode(target) if kind == "link" else "")

    def _header(self) -> Header | None:
        """Return the next header; None for the block of zeros after the last member."""
        block = self._exactly(BLOCKSIZE)
        if not block.strip(NUL):
            return None
        if number(block[148:156]) != sum(block[:148]) + sum(block[156:]) + 8 * ord(" "):
            raise InvalidArchive("has a damaged header")
        name, target = text(block[:100]), text(block[157:257])
        if block[257:263] == b"ustar\0" and (prefix := text(block[345:500])):
            name = prefix + b"/" + name
        size, time = number(block[124:136]), number(block[136:148])
        return Header(name, block[156:157], number(block[100:108]) & 0o7777, size, time, target)

    def _pieces(self) -> Iterator[bytes]:
        """Yield what is left of the current member."""
        while self._left:
            piece = self._exactly(min(self._left, PIECE))
            self._left -= len(piece)
            yield piece

    def _exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = self._stream.read(size)
            if not piece:
                raise InvalidArchive("is truncated")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _check_end(self) -> None:
        """Read the rest of the archive, which must consist of zeros; a compressed one has its checksum there."""
        size = 0
        while rest := self._stream.read(PIECE):
            size += len(rest)
            if rest.strip(NUL) or size > MAX_PADDING:
                raise InvalidArchive("continues after its end")


def text(field: bytes) -> bytes:
    return field.partition(NUL)[0]


def number(field: bytes) -> int:
    """Return a number in a header: octal digits, or the bytes themselves (GNU tar).

    :raises InvalidArchive: it is neither, or negative.
    """
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]*", digits):
        raise InvalidArchive("has a damaged header")
    return int(digits or b"0", 8)


def decimal(digits: bytes) -> int:
    if not re.fullmatch(rb"\d{1,19}", digits) or int(digits) > sys.maxsize:
        raise InvalidArchive("has a damaged extended header")
    return int(digits)


def is_significant(key: bytes) -> bool:
    """Return whether an attribute decides what is unpacked."""
    return key in (b"path", b"linkpath", b"size", b"mtime") or key.startswith(b"GNU.sparse.")


def pax_records(content: bytes) -> dict[bytes, bytes]:
    """Return the attributes in an extended header: lines `LENGTH KEY=VALUE`, whose length counts all its bytes.

    :raises InvalidArchive: they are damaged, or contradict each other.
    """
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(content):
        digits = content[at : at + 8].partition(b" ")[0]
        end = at + (int(digits) if digits.isdigit() else 0)
        line = content[at + len(digits) + 1 : end]
        key, separator, value = line.removesuffix(b"\n").partition(b"=")
        if end > len(content) or not separator or not line.endswith(b"\n") or key in records:
            raise InvalidArchive("has a damaged extended header")
        records[key] = value
        at = end
    return records
