"""Test that only zip archives are read that every program reads in the same way."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cloche.store.archives import PIECE, Archive, InvalidArchive
from tests.archives import LATER, UNICODE_PATH, Entry, archive_bytes, deflated, descriptor, end_64, tar_and_zip, zip_64

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = b"spam " * 100
A, B = Entry("a.py", TEXT), Entry("b.py", b"b", flags=0x800)
COMPRESSED = Entry("a.py", TEXT, deflated(TEXT), 8)


def read_all(content: bytes) -> dict[str, bytes]:
    archive = Archive(io.BytesIO(content))
    return {member.name: archive.read(member.name) for member in archive.members}


STREAMED = replace(COMPRESSED, flags=8, local=LATER)


LARGE = replace(A, local={"packed_size": 0xFFFFFFFF, "size": 0xFFFFFFFF}, local_extra=zip_64(len(TEXT), len(TEXT)))

VALID = {
    "stored": A,
    "compressed": COMPRESSED,
    "a descriptor": replace(STREAMED, descriptor=descriptor(STREAMED, "<4s3L", b"PK\7\10")),
    "a descriptor without signature": replace(STREAMED, descriptor=descriptor(STREAMED, "<3L")),
    "a zip64 descriptor": replace(STREAMED, descriptor=descriptor(STREAMED, "<4sL2Q", b"PK\7\10")),
    "a descriptor and known sizes": replace(
        STREAMED, local={"checksum": 0}, descriptor=descriptor(STREAMED, "<4s3L", b"PK\7\10")
    ),
    "zip64 sizes": LARGE,
    "zip64 sizes that repeat the others": replace(A, local_extra=zip_64(len(TEXT), len(TEXT))),
    "another extra field": replace(A, local_extra=b"UT\5\0abcde", central_extra=b"UT\1\0a"),
}


@pytest.mark.parametrize("case", VALID)
def test_valid_archives_are_read(case: str) -> None:
    assert read_all(archive_bytes([VALID[case], B])) == {"a.py": TEXT, "b.py": b"b"}


PLAIN = archive_bytes([A, B])
START = PLAIN.index(b"PK\1\2")
SIZE = len(PLAIN) - 22 - START
MARKED = {"here": 0xFFFF, "count": 0xFFFF, "size": 0xFFFFFFFF, "start": 0xFFFFFFFF}


def test_a_zip64_end_record_is_read() -> None:
    for last in ({}, MARKED):
        assert len(read_all(archive_bytes([A, B], end_64=end_64(2, SIZE, START), **last))) == 2


def test_archives_of_the_standard_library_are_read(tmp_path) -> None:
    class Stream(io.RawIOBase):
        """A file that cannot seek, so that `zipfile` writes descriptors."""

        def __init__(self) -> None:
            self.content = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.content += bytes(data)
            return len(data)

    def fill(archive: zipfile.ZipFile) -> None:
        archive.writestr("a.py", TEXT)
        archive.writestr("d/", b"")
        archive.writestr("caf\u00e9.py", b"")
        with archive.open("large", "w", force_zip64=True) as file:
            file.write(TEXT)

    expected = {"a.py": TEXT, "d/": b"", "caf\u00e9.py": b"", "large": TEXT}
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for target in (io.BytesIO(), Stream()):
            with zipfile.ZipFile(target, "w", compression) as archive:
                fill(archive)
            content = target.getvalue() if isinstance(target, io.BytesIO) else target.content
            assert read_all(content) == expected


INVALID: dict[str, tuple[Callable[[], bytes] | bytes, str]] = {
    "an empty file": (b"", "is not a zip archive"),
    "no zip archive": (b"x" * 100, "does not end with the end record"),
    "leading data": (archive_bytes([A], prefix=b"#!/bin/sh\n"), "data before its first member"),
    "leading data that the offsets ignore": (b"#!/bin/sh\n" + PLAIN, "not where its end record says"),
    "trailing data": (PLAIN + b"x", "does not end with the end record"),
    "trailing zeros": (PLAIN + bytes(100), "does not end with the end record"),
    "a second archive": (PLAIN + archive_bytes([Entry("evil.py")]), "not where its end record says"),
    "a comment": (archive_bytes([A], comment=b"hello"), "does not end with the end record"),
    "a comment with an archive": (archive_bytes([A], comment=PLAIN), "not where its end record says"),
    "a tar archive": (tar_and_zip, "is a tar archive as well"),
    "a gap": (archive_bytes([A, replace(B, before=b"evil")]), "has a gap or an overlap after `a.py`"),
    "an unlisted member": (
        archive_bytes([A, Entry("evil.py", listed=False), B]),
        "has a gap or an overlap after `a.py`",
    ),
    "an unlisted member at the start": (
        archive_bytes([Entry("evil.py", listed=False), B]),
        "has data before its first member",
    ),
    "two members with the same data": (
        archive_bytes([A, replace(B, name="a.py", central={"offset": 0})]),
        "contains `a.py` twice",
    ),
    "overlapping members": (
        archive_bytes([A, replace(B, central={"offset": 0, "name": b"c.py"})]),
        "has a gap or an overlap after `a.py`",
    ),
    "a member inside another": (
        archive_bytes([Entry("a.py", archive_bytes([B])), replace(B, central={"offset": 34})]),
        "has a gap or an overlap after `a.py`",
    ),
    "fewer members than announced": (archive_bytes([A], count=2, here=2), "has 1 members, but announces 2"),
    "more members than announced": (archive_bytes([A, B], count=1, here=1), "has 2 members, but announces 1"),
    "an empty directory": (archive_bytes([A], size=0), "not where its end record says"),
    "several disks": (archive_bytes([A], disk=1), "is one part of several"),
    "a member on another disk": (archive_bytes([replace(A, central={"disk": 1})]), "that wheels do not need"),
    "a comment of a member": (archive_bytes([replace(A, comment=b"hello")]), "that wheels do not need"),
    "another name": (archive_bytes([replace(A, local={"name": b"evil.py"})]), "contradicts the central directory"),
    "another method": (archive_bytes([replace(COMPRESSED, local={"method": 0})]), "contradicts the central directory"),
    "another size": (archive_bytes([replace(A, local={"size": 1})]), "contradicts the central directory"),
    "another packed size": (archive_bytes([replace(A, local={"packed_size": 1})]), "contradicts the central directory"),
    "another checksum": (archive_bytes([replace(A, local={"checksum": 1})]), "contradicts the central directory"),
    "other flags": (archive_bytes([replace(A, local={"flags": 0x800})]), "contradicts the central directory"),
    "no sizes, and no descriptor": (archive_bytes([replace(A, local=LATER)]), "contradicts the central directory"),
    "a wrong descriptor": (
        archive_bytes([replace(STREAMED, descriptor=descriptor(A, "<4s3L", b"PK\7\10"))]),
        "has a descriptor after `a.py` that contradicts",
    ),
    "a wrong signature of a descriptor": (
        archive_bytes([replace(STREAMED, descriptor=descriptor(STREAMED, "<4s3L", b"evil"))]),
        "has a descriptor after `a.py` that contradicts",
    ),
    "a member that is encrypted": (archive_bytes([replace(A, flags=1)]), "`a.py`, which is encrypted"),
    "strong encryption": (archive_bytes([replace(A, flags=0x40)]), "that wheels do not need"),
    "masked headers": (archive_bytes([replace(A, flags=0x2000)]), "that wheels do not need"),
    "another compression": (archive_bytes([replace(A, method=14)]), "that wheels do not need"),
    "a directory with content": (archive_bytes([Entry("d/", b"x")]), "has contradictory sizes"),
    "stored with two sizes": (
        archive_bytes([replace(A, central={"size": 1}, local={"size": 1})]),
        "has contradictory sizes",
    ),
    "a name that is not UTF-8": (
        archive_bytes([replace(B, central={"name": b"\xff"}, local={"name": b"\xff"})]),
        "contains a name that is not UTF-8",
    ),
    "a name in an unknown encoding": (archive_bytes([Entry("\u00e9")]), "not marked as such"),
    "a second name": (archive_bytes([replace(A, central_extra=UNICODE_PATH)]), "has two names for `a.py`"),
    "a second local name": (archive_bytes([replace(A, local_extra=UNICODE_PATH)]), "has two names for `a.py`"),
    "an extra field twice": (archive_bytes([replace(A, central_extra=b"UT\0\0UT\0\0")]), "has invalid extra fields"),
    "an extra field that is too long": (
        archive_bytes([replace(A, central_extra=b"UT\5\0abc")]),
        "has invalid extra fields",
    ),
    "half an extra field": (archive_bytes([replace(A, local_extra=b"UT")]), "has invalid extra fields"),
    "zip64 sizes that differ": (
        archive_bytes([replace(LARGE, local_extra=zip_64(1, len(TEXT)))]),
        "contradicts the central directory",
    ),
    "two sizes": (archive_bytes([replace(A, local_extra=zip_64(1, 1))]), "has two sizes for `a.py`"),
    "half of the zip64 sizes": (archive_bytes([replace(A, local_extra=zip_64(1))]), "or lacks required ones"),
    "zip64 numbers without need": (archive_bytes([replace(A, central_extra=zip_64(1))]), "unnecessary zip64 fields"),
    "missing zip64 numbers": (archive_bytes([replace(A, central={"size": 0xFFFFFFFF})]), "or lacks required ones"),
    "a missing zip64 end record": (archive_bytes([A], **MARKED), "lacks its zip64 end record"),
    "a zip64 end record elsewhere": (
        archive_bytes([A, B], end_64=end_64(2, SIZE, START, offset=0)),
        "not where its locator says",
    ),
    "a longer zip64 end record": (
        archive_bytes([A, B], end_64=end_64(2, SIZE, START, length=45)),
        "has an invalid zip64 end record",
    ),
    "two end records that differ": (
        archive_bytes([A, B], end_64=end_64(2, SIZE, START), here=1, count=1),
        "has two end records that contradict each other",
    ),
    "two end records for two directories": (
        archive_bytes([A, B], end_64=end_64(1, SIZE - 50, START + 50), **MARKED),
        "has data before its first member",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_ambiguous_archives_are_refused(case: str) -> None:
    content, reason = INVALID[case]
    with pytest.raises(InvalidArchive) as raised:
        read_all(content() if callable(content) else content)
    assert reason in str(raised.value)


def test_the_polyglot_of_this_test_is_both() -> None:
    content = tar_and_zip()
    assert tarfile.is_tarfile(io.BytesIO(content))
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


DAMAGED = {
    "more data than the size says": replace(COMPRESSED, content=TEXT, packed=deflated(TEXT + b"evil")),
    "fewer data than the size says": replace(COMPRESSED, packed=deflated(TEXT[:-1])),
    "data after the compressed data": replace(COMPRESSED, packed=deflated(TEXT) + b"evil"),
    "compressed data without an end": replace(COMPRESSED, packed=deflated(TEXT)[:-2]),
    "no compressed data": replace(COMPRESSED, packed=b"\xff" * 10),
    "another content": replace(A, packed=TEXT.replace(b"s", b"S")),
    "a bomb": replace(COMPRESSED, content=b"x", packed=deflated(bytes(1 << 26))),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_content_is_refused_when_it_is_read(case: str) -> None:
    archive = Archive(io.BytesIO(archive_bytes([DAMAGED[case], B])))
    assert archive.read("b.py") == b"b"
    with pytest.raises(InvalidArchive, match=r"damaged|than its size says|checksum"):
        archive.read("a.py")


def test_a_truncated_archive_is_refused() -> None:
    for size in range(len(PLAIN)):
        with pytest.raises(InvalidArchive):
            read_all(PLAIN[:size])


def test_a_changed_byte_is_noticed_or_changes_no_name_and_no_content() -> None:
    """Versions, times and attributes may have any value."""
    for at in range(len(PLAIN)):
        content = bytearray(PLAIN)
        content[at] ^= 0xFF
        try:
            found = read_all(bytes(content))
        except InvalidArchive:
            continue
        assert found == read_all(PLAIN), at


def test_the_python_that_runs_the_tests_reads_some_of_these_archives() -> None:
    """They are not simply broken: without the checks, they would be installed."""
    readable = []
    for case, (content, _) in INVALID.items():
        try:
            with zipfile.ZipFile(io.BytesIO(content() if callable(content) else content)) as archive:
                archive.testzip()
            readable.append(case)
        except Exception:
            continue
    assert {"leading data", "a comment", "an unlisted member", "a tar archive", "a gap"} <= {*readable}, sys.version


def test_a_large_member_is_read_in_pieces(tmp_path: Path) -> None:
    content = bytes(PIECE) + os.urandom(2 * PIECE) + bytes(3 * PIECE + 5)
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = tmp_path / f"{compression}.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("large", content)
            archive.writestr("empty", b"")
        with open(path, "rb") as file:
            opened = Archive(file)
            pieces = list(opened.pieces("large"))

            assert b"".join(pieces) == content
            assert max(map(len, pieces)) <= PIECE
            assert opened.read("empty") == b""
