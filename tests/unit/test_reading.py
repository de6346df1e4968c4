"""Test that no more of a file is read than a limit allows."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from cloche.fs import read_at_most, read_bounded

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert read_at_most(str(tmp_path / "file"), 10) == b"x" * 10
    assert read_at_most(str(tmp_path / "file"), 1000) == b"x" * 100


def test_a_limit_for_reading_reserves_no_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    tracemalloc.start()
    try:
        with open(tmp_path / "file", "rb") as file:
            assert read_bounded(file, 1 << 28) == b"x" * 100
        with open(tmp_path / "file", "rb") as file:
            assert read_bounded(file, 10) == b"x" * 10
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()
