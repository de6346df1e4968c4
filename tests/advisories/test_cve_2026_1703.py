"""pip: a wheel could write outside its directory, into one whose name begins with the same letters."""

from __future__ import annotations

import pytest

from tests.archives import archive_bytes, wheel_entries


@pytest.mark.parametrize(
    "name",
    ["../site-packages-evil/x.py", "spam/../../x.py", "spam-1.0.data/purelib/../../../site-packages2/x.py", "/x.py"],
)
def test_a_path_that_leaves_its_directory_is_refused(name: str, refusal) -> None:
    assert f"`{name}` is not a safe relative path" in refusal(archive_bytes(wheel_entries({name: b"evil"})))
