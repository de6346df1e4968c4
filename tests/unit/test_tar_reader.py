"""Test that tar archives are read as other programs write them, and that what they say costs neither memory nor time."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from cloche.lifecycle.tar_reader import MAX_EXTENDED_SIZE, tar_members
from cloche.store.archives import InvalidArchive

if TYPE_CHECKING:
    from collections.abc import Mapping

END = bytes(1024)
LONG = "d" * 90 + "/" + "f" * 90
BYTES = "caf\udce9"


def member(name: str = "x", content: bytes = b"", kind: bytes = tarfile.REGTYPE, size: int = -1) -> bytes:
    """Return the blocks of one member, in the format of GNU tar."""
    header = tarfile.TarInfo(name)
    header.type, header.size = kind, len(content) if size < 0 else size
    return header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)


def attributes(*lines: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """Return the blocks of an extended header with some `KEY=VALUE`."""
    records = b""
    for line in lines:
        length = len(line) + 2
        while len(str(length)) + len(line) + 2 != length:
            length += 1
        records += b"%d %s\n" % (length, line)
    return member("attributes", records, kind)


def read_all(content: bytes) -> dict[str, tuple[str, bytes]]:
    """Return kind and content (the target of a link) of each member by path."""
    return {
        found.path: (found.kind, b"".join(found.read()) or found.target.encode("utf-8", "surrogateescape"))
        for found in tar_members(io.BytesIO(content))
    }


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_the_standard_library_are_read(layout: int) -> None:
    names = (
        ["x", "d/y"]
        + [LONG, BYTES, "\u00e9"] * (layout != tarfile.USTAR_FORMAT)
        + [LONG] * (layout == tarfile.USTAR_FORMAT)
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout, errors="surrogateescape") as archive:
        directory = tarfile.TarInfo("d")
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        for name in names:
            header = tarfile.TarInfo(name)
            header.size, header.mtime = 600, 1234567890.5 if layout == tarfile.PAX_FORMAT else 1234567890
            archive.addfile(header, io.BytesIO(b"s" * 600))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../" * 50 + BYTES if layout == tarfile.GNU_FORMAT else "x"
        archive.addfile(link)

    found = read_all(buffer.getvalue())

    assert found.pop("d") == ("directory", b"")
    assert found.pop("link") == ("link", link.linkname.encode("utf-8", "surrogateescape"))
    assert found == dict.fromkeys(names, ("file", b"s" * 600))
    assert all(one.time in (0, 1234567890) for one in tar_members(io.BytesIO(buffer.getvalue())))


def test_a_member_that_nobody_reads_is_skipped() -> None:
    archive = io.BytesIO(member("a", b"x" * 5000) + member("b", b"y") + END)

    assert [found.path for found in tar_members(archive)] == ["a", "b"]


def test_a_size_in_binary_is_read() -> None:
    blocks = bytearray(member("a", b"x" * 5))
    blocks[124:136] = b"\x80" + (5).to_bytes(11, "big")
    blocks[148:156] = b" " * 8
    blocks[148:156] = b"%06o\0 " % sum(blocks[:512])

    assert read_all(bytes(blocks) + END) == {"a": ("file", b"x" * 5)}


REFUSED: Mapping[str, tuple[bytes, str]] = {
    "many long names for one member": (member("n", b"a\0", tarfile.GNUTYPE_LONGNAME) * 2000, "two extended headers"),
    "many attributes for one member": (attributes(b"comment=a") * 2000, "two extended headers"),
    "a long name": (member("n", b"a" * (MAX_EXTENDED_SIZE + 1), tarfile.GNUTYPE_LONGNAME), "unreasonable size"),
    "many attributes": (attributes(*(b"k%d=v" % index for index in range(10_000))), "unreasonable size"),
    "digits": (member("a", b"1" * MAX_EXTENDED_SIZE, tarfile.XHDTYPE) + member(), "damaged extended header"),
    "a long number": (member("a", b"9" * 5000 + b" path=x\n", tarfile.XHDTYPE) + member(), "damaged extended header"),
    "a length of 0": (member("a", b"0 path=x\n", tarfile.XHDTYPE) + member(), "damaged extended header"),
    "a length that is too large": (member("a", b"99 path=x\n", tarfile.XHDTYPE) + member(), "damaged extended header"),
    "no separator": (member("a", b"9 pathxx\n", tarfile.XHDTYPE) + member(), "damaged extended header"),
    "two paths": (attributes(b"path=a", b"path=b") + member(), "damaged extended header"),
    "a negative size": (attributes(b"size=-512") + member(), "damaged extended header"),
    "a size of 5000 digits": (attributes(b"size=" + b"9" * 5000) + member(), "damaged extended header"),
    "a size that is not a number": (attributes(b"size=abc") + member(), "damaged extended header"),
    "a time that is not a number": (attributes(b"mtime=nan") + member(), "the time of `x` is out of range"),
    "attributes of all members": (attributes(b"path=a", kind=tarfile.XGLTYPE) + member(), "that apply to all members"),
    "a sparse file with an invalid map": (attributes(b"GNU.sparse.map=a,b") + member(), "`x`, which is not a file"),
    "a sparse file": (member("x", b"s", tarfile.GNUTYPE_SPARSE), "`x`, which is not a file"),
    "a device": (member("x", b"", tarfile.CHRTYPE), "`x`, which is not a file"),
    "a hard link": (member("x", b"", tarfile.LNKTYPE), "`x`, which is not a file"),
    "a directory with a content": (member("x", b"s", tarfile.DIRTYPE), "has content for `x`"),
    "a name without a member": (member("n", b"a\0", tarfile.GNUTYPE_LONGNAME), "truncated"),
    "a larger size": (member("x", b"s" * 600, size=6000), "truncated"),
    "a size of 2^70": (member("x", b"s" * 600, size=1 << 70), "truncated"),
    "a wrong checksum": (member("x").replace(b"ustar", b"USTAR"), "damaged header"),
    "a negative mode": (member("x").replace(b"0000644", b"-000644"), "damaged header"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_archives_are_refused(case: str) -> None:
    blocks, message = REFUSED[case]

    with pytest.raises(InvalidArchive, match=message):
        read_all(blocks + END)


ENDS = {b"": "truncated", END + b"x": "after its end", bytes(3 << 20): "after its end"}


@pytest.mark.parametrize(("end", "message"), ENDS.items(), ids=["missing", "with-data", "too-long"])
def test_the_end_is_checked(end: bytes, message: str) -> None:
    with pytest.raises(InvalidArchive, match=message):
        read_all(member("x", b"s") + end)


def test_a_truncated_archive_is_refused() -> None:
    whole = member("d", b"", tarfile.DIRTYPE) + attributes(b"path=y") + member("x", b"s" * 600)
    for size in range(0, len(whole), 100):
        with pytest.raises(InvalidArchive, match="truncated"):
            read_all(whole[:size])


def test_a_changed_byte_of_a_header_is_noticed() -> None:
    """Except in what does not count: the checksum has spaces and zeros that may be others."""
    whole = member("x", b"s" * 600) + END
    for at in (number for number in range(512) if not 148 <= number < 156):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        with pytest.raises(InvalidArchive):
            read_all(bytes(changed))
