"""Read zip archives strictly: an archive that two programs could read differently is refused.

A zip archive says most things twice, and readers disagree on which statement counts. So both must agree, every byte must
belong to exactly one thing, and what no wheel needs is refused:

    (local header, data, optional descriptor) for each member, without gaps or overlaps
    central directory, one entry for each member
    end record, without a comment, at the end of the file

The format is PKWARE's APPNOTE.TXT 6.3; the numbers in this module are in its sections 4.3 and 4.5.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING

from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")

STORED, DEFLATED = 0, 8
ENCRYPTED, DESCRIPTOR, UTF_8 = 0x1, 0x8, 0x800
ALLOWED_FLAGS = DESCRIPTOR | UTF_8 | 0x6  # two bits that describe how well the data is compressed
ZIP64, UNICODE_PATH = 0x0001, 0x7075
MAX_16, MAX_32 = 0xFFFF, 0xFFFFFFFF
"""Instead of a number, these mean that the real number is in a zip64 record."""


class InvalidArchive(ValueError):
    """A file is not a zip archive, or not one that all programs read in the same way. The text continues "it …"."""


class Member(Value):
    """A file or directory in an archive."""

    name: str
    size: int
    """In bytes, unpacked."""
    mode: int
    """`st_mode`, if the archive was written on Unix; often 0 otherwise."""
    flags: int
    method: int
    checksum: int
    """CRC-32."""
    packed_size: int
    offset: int
    """Where its local header begins."""

    @property
    def is_directory(self) -> bool:
        return self.name.endswith("/")


class Archive:
    """An open archive, whose structure has been checked. The content of a member is checked when it is read."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the structure of an archive.

        :raises InvalidArchive: it is not a zip archive, or it is ambiguous.
        :raises OSError: the file cannot be read.
        """
        self.file = file
        self.file_size = file.seek(0, os.SEEK_END)
        """The size of the file in bytes."""
        self._refuse_tar()
        count, start, end = self._central_directory()
        central = self._read(start, end - start)
        self.members = tuple(_central_entries(central))
        if len(self.members) != count:
            raise InvalidArchive(f"has {len(self.members)} members, but announces {count}")
        self._by_name: dict[str, Member] = {}
        for member in self.members:
            if self._by_name.setdefault(member.name, member) is not member:
                raise InvalidArchive(f"contains `{member.name}` twice")
        self._data = dict(self._data_offsets(start))

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        :raises InvalidArchive: it is damaged.
        """
        member = self._by_name[name]
        content = self._read(self._data[name], member.packed_size)
        if member.method == DEFLATED:
            decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                content = decompressor.decompress(content, member.size + 1)  # more than its size says is refused
            except zlib.error as error:
                raise InvalidArchive(f"is damaged: {error}") from None
            if not decompressor.eof or decompressor.unused_data:
                raise InvalidArchive(WRONG_SIZE)
        _check_content(member, len(content), zlib.crc32(content))
        return content

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the content of a member in pieces; only at the end is it known to be intact.

        :raises InvalidArchive: it is damaged.
        """
        member = self._by_name[name]
        size = checksum = 0
        for piece in self._unpacked(member):
            size += len(piece)
            if size > member.size:
                break
            checksum = zlib.crc32(piece, checksum)
            yield piece
        _check_content(member, size, checksum)

    def _unpacked(self, member: Member) -> Iterator[bytes]:
        """Yield the data of a member, unpacked, in pieces of a limited size."""
        at, end = self._data[member.name], self._data[member.name] + member.packed_size
        decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
        while at < end:
            packed = self._read(at, min(end - at, PIECE))
            at += len(packed)
            if member.method != DEFLATED:
                yield packed
                continue
            full = True
            while packed or full:  # a full piece may not be all that there is of the data so far
                try:
                    piece = decompressor.decompress(packed, PIECE)
                except zlib.error as error:
                    raise InvalidArchive(f"is damaged: {error}") from None
                packed, full = decompressor.unconsumed_tail, len(piece) == PIECE
                yield piece
        if member.method == DEFLATED and (not decompressor.eof or decompressor.unused_data):
            raise InvalidArchive(WRONG_SIZE)

    def size(self, name: str) -> int:
        """Return the size of a member, unpacked, in bytes."""
        return self._by_name[name].size

    def mode(self, name: str) -> int:
        """Return `st_mode` of a member."""
        return self._by_name[name].mode

    def _read(self, offset: int, size: int) -> bytes:
        self.file.seek(offset)
        content = self.file.read(size)
        if len(content) != size:
            raise InvalidArchive("is truncated")
        return content

    def _refuse_tar(self) -> None:
        """Refuse a file that is a tar archive too: other programs may unpack that one."""
        import tarfile

        self.file.seek(0)
        block = self.file.read(tarfile.BLOCKSIZE)
        try:
            tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            return
        raise InvalidArchive("is a tar archive as well")

    def _central_directory(self) -> tuple[int, int, int]:
        """Return the number of members, and the start and the end of the central directory."""
        at = self.file_size - END.size
        if at < 0:
            raise InvalidArchive("is not a zip archive")
        signature, disk, first, here, count, size, start, comment = END.unpack(self._read(at, END.size))
        if signature != b"PK\5\6" or comment:
            raise InvalidArchive("does not end with the end record of a zip archive")
        if disk or first or here != count:
            raise InvalidArchive("is one part of several")
        located = self._read(at - LOCATOR_64.size, LOCATOR_64.size) if at >= LOCATOR_64.size else b""
        if located.startswith(b"PK\6\7"):
            at, *numbers = self._end_64(located, at)
            if any(
                short not in (number, limit)
                for short, number, limit in zip((count, size, start), numbers, (MAX_16, MAX_32, MAX_32), strict=True)
            ):
                raise InvalidArchive("has two end records that contradict each other")
            count, size, start = numbers
        elif count == MAX_16 or MAX_32 in (size, start):
            raise InvalidArchive("lacks its zip64 end record")
        if start + size != at:
            raise InvalidArchive("has a central directory that is not where its end record says")
        return count, start, at

    def _end_64(self, located: bytes, at: int) -> tuple[int, int, int, int]:
        """Return the offset of the zip64 end record, and its number of members, size and start of the directory."""
        _, disk, offset, disks = LOCATOR_64.unpack(located)
        if disk or disks != 1 or offset != at - LOCATOR_64.size - END_64.size:
            raise InvalidArchive("has a zip64 end record that is not where its locator says")
        signature, length, _, _, disk, first, here, count, size, start = END_64.unpack(self._read(offset, END_64.size))
        if signature != b"PK\6\6" or length != END_64.size - 12 or disk or first or here != count:
            raise InvalidArchive("has an invalid zip64 end record")
        return offset, count, size, start

    def _data_offsets(self, end: int) -> Iterator[tuple[str, int]]:
        """Yield the name of each member and where its data begins; the members must fill the file up to `end`."""
        members = sorted(self.members, key=lambda member: member.offset)
        following = [*(member.offset for member in members[1:]), end]
        if (members[0].offset if members else end) != 0:
            raise InvalidArchive("has data before its first member")
        for member, limit in zip(members, following, strict=True):
            start = self._check_local_header(member)
            descriptor = limit - start - member.packed_size
            if member.flags & DESCRIPTOR and descriptor in DESCRIPTORS:
                self._check_descriptor(member, start + member.packed_size, descriptor)
            elif descriptor:
                raise InvalidArchive(f"has a gap or an overlap after `{member.name}`")
            yield member.name, start

    def _check_local_header(self, member: Member) -> int:
        """Compare a local header with the central directory; return where the data begins."""
        fields = LOCAL.unpack(self._read(member.offset, LOCAL.size))
        signature, _, flags, method, _, _, checksum, packed_size, size, name_size, extra_size = fields
        if signature != b"PK\3\4":
            raise InvalidArchive(f"has no local header for `{member.name}`")
        rest = self._read(member.offset + LOCAL.size, name_size + extra_size)
        name = _decode_name(rest[:name_size], flags)
        extra = _extra_fields(rest[name_size:], name)
        sizes = [size, packed_size]
        if MAX_32 in sizes:
            sizes = _numbers_64(extra, 2)
        elif ZIP64 in extra and _numbers_64(extra, 2) != sizes:  # some writers repeat them without need
            raise InvalidArchive(f"has two sizes for `{name}`")
        stated = (checksum, *sizes)
        actual = (member.checksum, member.size, member.packed_size)
        later = flags & DESCRIPTOR and stated in ((0, 0, 0), (0, *actual[1:]))
        if (name, flags, method) != (member.name, member.flags, member.method) or not (stated == actual or later):
            raise InvalidArchive(f"has a local header for `{member.name}` that contradicts the central directory")
        return member.offset + LOCAL.size + len(rest)

    def _check_descriptor(self, member: Member, offset: int, length: int) -> None:
        content = self._read(offset, length)
        if DESCRIPTORS[length].unpack(content)[-3:] != (member.checksum, member.packed_size, member.size) or (
            length in (16, 24) and not content.startswith(b"PK\7\10")
        ):
            raise InvalidArchive(f"has a descriptor after `{member.name}` that contradicts the central directory")


PIECE = 1 << 20
"""The largest number of bytes of a member in memory at once."""

DESCRIPTORS = {layout.size: layout for layout in map(struct.Struct, ("<3L", "<4s3L", "<L2Q", "<4sL2Q"))}
"""The layouts of the record after the data of a member, by length in bytes: with or without signature and zip64."""


WRONG_SIZE = "contains more or less data than its size says"


def _check_content(member: Member, size: int, checksum: int) -> None:
    """Compare the size and the CRC-32 of unpacked data with what the archive says about a member."""
    if size != member.size:
        raise InvalidArchive(WRONG_SIZE)
    if checksum != member.checksum:
        raise InvalidArchive("does not match its checksum")


def _central_entries(content: bytes) -> Iterator[Member]:
    """Yield the members that a central directory lists."""
    at = 0
    while at < len(content):
        if len(content) - at < CENTRAL.size:
            raise InvalidArchive("has a damaged central directory")
        fields = CENTRAL.unpack_from(content, at)
        signature, _, _, flags, method, _, _, checksum = fields[:8]
        packed_size, size, name_size, extra_size, comment_size, disk, _, attributes, offset = fields[8:]
        at += CENTRAL.size
        name_end, extra_end = at + name_size, at + name_size + extra_size
        if signature != b"PK\1\2" or extra_end + comment_size > len(content):
            raise InvalidArchive("has a damaged central directory")
        name = _decode_name(content[at:name_end], flags)
        extra = _extra_fields(content[name_end:extra_end], name)
        at = extra_end
        numbers = [size, packed_size, offset]
        missing = [index for index, number in enumerate(numbers) if number == MAX_32]
        if missing or ZIP64 in extra:
            for index, number in zip(missing, _numbers_64(extra, len(missing)), strict=True):
                numbers[index] = number
        size, packed_size, offset = numbers
        if flags & ENCRYPTED:
            raise InvalidArchive(f"contains `{name}`, which is encrypted")
        if comment_size or disk or flags & ~ALLOWED_FLAGS or method not in (STORED, DEFLATED):
            raise InvalidArchive(f"uses a feature for `{name}` that wheels do not need")
        if (method == STORED and size != packed_size) or (name.endswith("/") and size):
            raise InvalidArchive(f"has contradictory sizes for `{name}`")
        yield Member(name, size, attributes >> 16, flags, method, checksum, packed_size, offset)


def _decode_name(name: bytes, flags: int) -> str:
    try:
        return name.decode("utf-8" if flags & UTF_8 else "ascii")
    except UnicodeDecodeError:
        raise InvalidArchive(f"contains a name that is not UTF-8, or not marked as such: {name[:100]!r}") from None


def _extra_fields(content: bytes, name: str) -> dict[int, bytes]:
    """Return the extra fields of a header by their number."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(content):
        kind, length = struct.unpack_from("<2H", content, at) if len(content) - at >= 4 else (0, MAX_16)
        if at + 4 + length > len(content) or kind in found:
            raise InvalidArchive(f"has invalid extra fields for `{name}`")
        found[kind] = content[at + 4 : at + 4 + length]
        at += 4 + length
    if UNICODE_PATH in found and found[UNICODE_PATH][5:] != name.encode():
        raise InvalidArchive(f"has two names for `{name}`")
    return found


def _numbers_64(extra: dict[int, bytes], count: int) -> list[int]:
    """Return the numbers in a zip64 extra field, which must have exactly this many."""
    content = extra.get(ZIP64, b"")
    if not count or len(content) != 8 * count:
        raise InvalidArchive("has unnecessary zip64 fields, or lacks required ones")
    return [*struct.unpack(f"<{count}Q", content)]
