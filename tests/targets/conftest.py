"""A command line with its own home directory, and one cache for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cloche(tmp_path: Path, shared_cache: Path) -> Cloche:
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    return Cloche(work, clean_environ(tmp_path / "home", shared_cache))
