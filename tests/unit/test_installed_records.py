"""Test how the RECORD of an installed package is read, compared and updated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.fs.installed_records import Row, is_modified, path_from_root, read_record, update_record
from cloche.fs.records import digest_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("spam/x.py", "Lib/site-packages/spam/x.py"),
        ("..\\..\\Scripts\\spam.exe", "Scripts/spam.exe"),
        ("/etc/spam", "/etc/spam"),
        ("C:\\spam\\x.py", "C:/spam/x.py"),
    ],
)
def test_the_path_of_a_row_is_relative_to_the_root_or_absolute(path: str, expected: str) -> None:
    assert path_from_root("Lib/site-packages", path) == expected


def test_a_file_is_compared_with_a_hash_with_or_without_padding(tmp_path: Path) -> None:
    """The standard forbids padding, but some installers write it."""
    file = tmp_path / "file"
    file.write_bytes(b"text")
    assert not is_modified(str(file), digest_of(b"text"), "4")
    assert not is_modified(str(file), f"{digest_of(b'text')}=")
    assert is_modified(str(file), digest_of(b"text"), "5")
    assert is_modified(str(file), digest_of(b"other"))
    assert is_modified(str(tmp_path), digest_of(b"text"))
    assert is_modified(str(tmp_path / "gone"), digest_of(b"text"))


@pytest.mark.parametrize("size", ["\u00b2", "9" * 5000])
def test_a_size_that_is_not_a_usable_number_is_ignored(size: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert is_modified(str(tmp_path / "file"), "sha256=other", size)


def test_an_updated_record_keeps_its_order_and_line_endings() -> None:
    before = 'b.py,sha256=old,3\r\n"a,1.py",sha256=old,3\r\nunhashed,,\r\nx.pyc,,\r\ngone.py,sha256=old,3\r\n../bin/s,sha256=old,'
    changed = {
        "site/a,1.py": b"new",
        "site/unhashed": b"new",
        "site/x.pyc": None,
        "site/gone.py": None,
        "bin/s": b"",
        "c": b"",
    }
    after = update_record(before, "site", changed, lambda path, digest: lambda content: content)
    new, empty = digest_of(b"new"), digest_of(b"")
    assert after == f'b.py,sha256=old,3\r\n"a,1.py",{new},3\r\nunhashed,,\r\nx.pyc,,\r\n../bin/s,{empty},0'


def test_a_hash_that_did_not_match_is_not_updated() -> None:
    record = "a.py,sha256=old,3\n"
    assert update_record(record, "site", {"site/a.py": b"new"}, lambda path, digest: None) == record


def test_absolute_paths_below_a_root_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for row in (tmp_path / "link" / "bin" / "x", tmp_path / "real" / "bin" / "x"):
        assert path_from_root("lib", str(row), str(tmp_path / "link")) == "bin/x"
    outside = tmp_path / "linked" / "x"
    assert path_from_root("lib", str(outside), str(tmp_path / "link")) == str(outside)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("quoted", ["", '"with,comma.py",sha256=y,4'])
def test_rows_are_the_same_whether_or_not_a_record_has_quotes(ending: str, quoted: str) -> None:
    """A RECORD without quotes is not given to `csv`."""
    lines = ["a.py,sha256=x,3", "../../bin/a,,", "one\x0bline.py,,5", "", "short.py", quoted]

    rows = [*read_record("".join(f"{line}{ending}" for line in lines), "lib/site")]

    expected = [("lib/site/a.py", "sha256=x", "3"), ("bin/a", "", ""), ("lib/site/one\x0bline.py", "", "5")]
    expected += [("lib/site/short.py", "", ""), *([("lib/site/with,comma.py", "sha256=y", "4")] if quoted else [])]
    assert rows == [Row(*fields) for fields in expected]
