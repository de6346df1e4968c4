"""CPython: `zipfile` accepted overlapping members, so that a small archive unpacks to a huge number of bytes."""

from __future__ import annotations

from dataclasses import replace

from tests.archives import Entry, archive_bytes, deflated, wheel_entries


def test_members_that_overlap_are_refused(refusal) -> None:
    bomb = bytes(1 << 24)
    kernel = Entry("0", bomb, deflated(bomb), 8)
    others = [replace(kernel, name=str(n), packed=b"", central={"offset": 0}) for n in range(1, 9)]
    assert "it " in refusal(archive_bytes([kernel, *others, *wheel_entries()]))


def test_data_beyond_the_declared_size_is_refused(refusal) -> None:
    first, *others = wheel_entries()
    bomb = replace(first, packed=deflated(bytes(1 << 26)), method=8)
    assert "more or less data than its size says" in refusal(archive_bytes([bomb, *others]))
