"""CPython: `zipfile` did not check the offset of the zip64 end record, so that other programs read another directory."""

from __future__ import annotations

from tests.archives import archive_bytes, end_64, wheel_entries


def test_a_zip64_end_record_at_another_offset_is_refused(refusal) -> None:
    plain = archive_bytes(wheel_entries())
    start = plain.index(b"PK\1\2")
    count, size = len(wheel_entries()), len(plain) - 22 - start
    for offset in (0, start, start + size - 1, start + size + 1):
        content = archive_bytes(wheel_entries(), end_64=end_64(count, size, start, offset=offset))
        assert "zip64 end record that is not where its locator says" in refusal(content)
