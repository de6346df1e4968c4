"""uv (GHSA-pqhf-p39g-3x64): comments and names in the central directory could hide members from other programs."""

from __future__ import annotations

from dataclasses import replace

from tests.archives import UNICODE_PATH, Entry, archive_bytes, wheel_entries


def test_a_comment_in_the_central_directory_is_refused(refusal) -> None:
    first, *others = wheel_entries()
    hidden = archive_bytes([Entry("evil.py")])
    assert "that wheels do not need" in refusal(archive_bytes([replace(first, comment=hidden), *others]))


def test_a_second_name_in_an_extra_field_is_refused(refusal) -> None:
    first, *others = wheel_entries()
    for field in ("local_extra", "central_extra"):
        content = archive_bytes([replace(first, **{field: UNICODE_PATH}), *others])
        assert "it has two names for `spam.py`" in refusal(content)


def test_a_comment_of_the_archive_is_refused(refusal) -> None:
    content = archive_bytes(wheel_entries(), comment=b"PK\5\6" + bytes(18))
    assert "it " in refusal(content)
