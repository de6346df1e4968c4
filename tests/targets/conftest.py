"""A command line with a home of its own, and wheels for each target; one store, as users have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for the night, unless it is asked for."""
    if "nightly" in str(config.getoption("markexpr")):
        return
    dark = [item for item in items if item.get_closest_marker("nightly")]
    config.hook.pytest_deselected(items=dark)
    items[:] = [item for item in items if item not in dark]


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cloche(tmp_path: Path, shared_cache: Path) -> Cloche:
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    return Cloche(work, clean_environ(tmp_path / "home", shared_cache))
