"""Test reading and writing manifests in a format that `sha256sum` can read."""

from __future__ import annotations

import errno
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.fs.manifests import (
    MANIFEST,
    RUNTIME_MANIFEST,
    files_from_other_tools,
    format_manifest,
    parse_manifest,
    read_manifest,
    sha256_of,
    update_manifest,
    was_edited,
)
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path


@given(st.dictionaries(st.text(st.characters(categories=("L", "N", "P")), min_size=1), st.binary().map(sha256_of)))
def test_a_formatted_manifest_can_be_parsed(hashes: dict[str, str]) -> None:
    assert parse_manifest(format_manifest(hashes).decode()) == hashes


@pytest.mark.parametrize("name", ["bin/activate.caf\udce9", "bin/activate.café"])
def test_a_manifest_on_disk_can_be_read_whatever_names_it_has(name: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(format_manifest({name: sha256_of(b"")}, [name]))

    text = read_manifest(str(tmp_path))

    assert parse_manifest(text) == {name: sha256_of(b"")}
    assert files_from_other_tools(text) == {name}


def test_a_manifest_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    errors: list[OSError] = []
    (tmp_path / RUNTIME_MANIFEST).mkdir()

    assert read_manifest(str(tmp_path), on_error=errors.append) == ""
    assert [error.errno for error in errors] == [errno.ENOENT]
    assert read_manifest(str(tmp_path), RUNTIME_MANIFEST) == ""


def test_sha256sum_can_check_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "activate").write_bytes(b"text\n")
    (tmp_path / "manifest").write_bytes(format_manifest({"bin/activate": sha256_of(b"text\n")}))
    command = [require("sha256sum"), "--check", "--strict", "manifest"]
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0


def test_an_updated_manifest_keeps_the_old_hash_of_a_file_that_was_edited() -> None:
    files = {"edited": b"by the user", "intact": b"old", "removed": b"old"}
    before = {"edited": sha256_of(b"old"), "intact": sha256_of(b"old"), "removed": sha256_of(b"old"), "x": "y"}
    changed = {"edited": b"new", "intact": b"new", "removed": None, "unlisted": b"new"}
    after = parse_manifest(update_manifest(format_manifest(before).decode(), changed, files.get).decode())
    assert after == {"edited": sha256_of(b"old"), "intact": sha256_of(b"new"), "x": "y"}
    assert was_edited(b"new", after["edited"])
    assert not was_edited(b"new", after["intact"])


def test_a_manifest_without_the_changed_files_stays_the_same() -> None:
    text = "not a manifest\r\nxyz  file\n"
    assert update_manifest(text, {"other": b"new"}, {}.get) == text.encode()
