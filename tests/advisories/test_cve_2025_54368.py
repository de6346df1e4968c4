"""uv (GHSA-8qf3-x8v5-2pj8): programs that read the local headers found other files than those that read the directory."""

from __future__ import annotations

from dataclasses import replace

from tests.archives import Entry, archive_bytes, wheel_entries


def test_a_member_that_the_directory_does_not_list_is_refused(refusal) -> None:
    content = archive_bytes([*wheel_entries(), Entry("evil.py", b"evil", listed=False)])
    assert "has a gap or an overlap" in refusal(content)


def test_a_member_that_is_there_twice_is_refused(refusal) -> None:
    entries = wheel_entries()
    assert "it contains `spam.py` twice" in refusal(archive_bytes([*entries, Entry("spam.py", b"evil")]))
    assert "gap or an overlap" in refusal(archive_bytes([*entries, Entry("spam.py", b"evil", listed=False)]))


def test_two_archives_in_one_file_are_refused(refusal) -> None:
    good, evil = archive_bytes(wheel_entries()), archive_bytes(wheel_entries({"evil.py": b"evil"}))
    for content in (good + evil, evil + good):
        assert "central directory that is not where its end record says" in refusal(content)


def test_headers_that_contradict_each_other_are_refused(refusal) -> None:
    first, *others = wheel_entries()
    for local in ({"name": b"evil.py"}, {"size": 1}, {"packed_size": 1}, {"checksum": 1}, {"method": 8}):
        content = archive_bytes([replace(first, local=local), *others])
        assert "contradicts the central directory" in refusal(content)
