"""Test how paths are compared, and the directories above them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.fs import contains_path, directory_and_parents, is_within, nearest_existing_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("path", "directory", "expected"),
    [
        ("/srv/env", "/srv/env", True),
        ("/srv/env/bin", "/srv/env", True),
        ("/srv/env/bin", "/srv/env/", True),
        ("/srv/env2", "/srv/env", False),
        ("/srv", "/srv/env", False),
        ("/srv", "/", True),
        (r"/srv/env\2", "/srv/env", False),
        ("/srv/x\\", "/srv/\\", False),
        ("/srv/\\/bin", "/srv/\\", True),
        (r"C:\env\Scripts", r"C:\env", True),
        (r"C:\env", "C:\\", True),
        (r"D:\env", "C:\\", False),
    ],
)
def test_a_path_is_within_a_directory(path: str, directory: str, expected: bool) -> None:
    assert is_within(path, directory) is expected


@pytest.mark.skipif(os.name == "nt", reason="only users with a special privilege create links on Windows")
def test_links_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert contains_path(str(tmp_path / "link"), str(tmp_path / "real" / "file"))
    assert contains_path(str(tmp_path / "real"), str(tmp_path / "link" / "file"))
    assert not contains_path(str(tmp_path / "real"), str(tmp_path))


def test_directories_are_walked_upwards(tmp_path: Path) -> None:
    assert [*directory_and_parents(str(tmp_path))] == [str(tmp_path), *map(str, tmp_path.parents)]
    assert [*directory_and_parents("")] == [*directory_and_parents(os.path.join("src", "cloche"))] == []


@pytest.mark.skipif(os.name == "nt", reason="only users with a special privilege create links on Windows")
def test_the_nearest_existing_path_may_be_a_broken_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("missing")

    assert nearest_existing_path(str(tmp_path / "a" / "b")) == str(tmp_path)
    assert nearest_existing_path(str(tmp_path / "link")) == str(tmp_path / "link")
