"""pip, and CPython's tarfile (CVE-2025-4517): a link in an archive led the files after it out of the directory."""

from __future__ import annotations

import stat
from dataclasses import replace

import pytest

from tests.archives import Entry, archive_bytes, wheel_entries


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_a_member_that_is_a_link_or_a_device_is_refused(kind: int, refusal) -> None:
    first, *others = wheel_entries()
    content = archive_bytes([replace(first, content=b"/etc", mode=kind | 0o777), *others])
    assert "`spam.py` is not a regular file" in refusal(content)


def test_a_file_below_a_link_is_refused(refusal) -> None:
    entries = wheel_entries({"link": b"/tmp", "link/evil.py": b"evil"})
    entries[0] = replace(entries[0], mode=stat.S_IFLNK | 0o777)
    assert "`link` is not a regular file" in refusal(archive_bytes(entries))
    entries[0] = Entry("link", b"/tmp")
    assert "is both a file and the directory of" in refusal(archive_bytes(entries))
