"""RECORD names files relative to a directory for packages, on whichever system it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.lifecycle.record import digest, from_site, is_altered

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("spam/x.py", "Lib/site-packages/spam/x.py"),
        ("..\\..\\Scripts\\spam.exe", "Scripts/spam.exe"),
        ("/etc/spam", "/etc/spam"),
        ("C:\\spam\\x.py", "C:/spam/x.py"),
    ],
)
def test_a_row_names_a_path_below_the_root_or_an_absolute_one(path: str, meant: str) -> None:
    assert from_site("Lib/site-packages", path) == meant


def test_a_file_is_as_it_was_installed_if_its_hash_is_however_that_is_written(tmp_path: Path) -> None:
    """The standard wants no padding; some installers write it."""
    file = tmp_path / "file"
    file.write_bytes(b"text")
    assert not is_altered(str(file), digest(b"text"), "4")
    assert not is_altered(str(file), f"{digest(b'text')}=", "")
    assert is_altered(str(file), digest(b"text"), "5")
    assert is_altered(str(file), digest(b"other"), "")
    assert is_altered(str(tmp_path), digest(b"text"), "")
    assert is_altered(str(tmp_path / "gone"), digest(b"text"), "")
