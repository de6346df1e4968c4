"""Test reading and writing RECORD in a format that other tools can read."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.fs.records import (
    Row,
    digest_of,
    format_row,
    is_modified,
    parse_rows,
    path_from_root,
    prefix_rows,
    read_record,
    update_record,
)

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0/\\"), min_size=1)


@given(st.binary())
def test_a_digest_is_url_safe_base64_without_padding(content: bytes) -> None:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
    assert digest_of(content) == f"sha256={encoded.rstrip('=')}"


@given(NAMES, st.integers(0))
def test_csv_reads_a_row_as_it_was_written(name: str, size: int) -> None:
    row = format_row(name, digest_of(b""), size)
    assert [*csv.reader(io.StringIO(row, newline=""), strict=True)] == [[name, digest_of(b""), str(size)]]


@pytest.mark.parametrize("name", ["spam.py", "a,b.py", 'say "x".py', "line\u2028separator.py"])
def test_paths_of_rows_are_relative_to_the_directory_of_the_record(name: str) -> None:
    [row] = read_record(prefix_rows(format_row(name, "sha256=x", 3), "../../bin"), "lib/site")
    assert (row.path, row.digest, row.size) == (f"bin/{name}", "sha256=x", "3")


def test_a_row_that_cannot_be_read_is_skipped() -> None:
    rows = ["a.py,,\n", "x" * (csv.field_size_limit() + 1) + "\n", "b.py,,\n"]

    assert [row[0] for row in parse_rows("".join(rows))] == ["a.py", "b.py"]
    with pytest.raises(ValueError, match="field"):
        list(parse_rows("".join(rows), strict=True))


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
