"""Test reading and writing RECORD in a format that other tools can read."""

from __future__ import annotations

import base64
import csv
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.fs.installed_records import read_record
from cloche.fs.records import digest_of, format_row, parse_rows, prefix_rows, remove_rows

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


def test_the_rows_of_some_paths_are_removed() -> None:
    paths = ["a.py", "a,b.py", 'say "x".py', '"', "b.py"]
    rows = {path: format_row(path, digest_of(b""), 0) for path in paths}

    for path in paths:
        kept = "".join(row for other, row in rows.items() if other != path)
        assert remove_rows("".join(rows.values()), frozenset([path])) == kept
    assert remove_rows(format_row("a.pyc"), frozenset(["a.pyc"])) == ""


def test_a_row_that_cannot_be_read_is_skipped() -> None:
    rows = ["a.py,,\n", "x" * (csv.field_size_limit() + 1) + "\n", "b.py,,\n"]

    assert [row[0] for row in parse_rows("".join(rows))] == ["a.py", "b.py"]
    with pytest.raises(ValueError, match="field"):
        list(parse_rows("".join(rows), strict=True))
