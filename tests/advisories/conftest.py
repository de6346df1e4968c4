"""Fixtures for tests that are named for a security advisory; each shows that cloche is not open to the attack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.errors import SeedError
from cloche.store.contents import verify_contents
from cloche.store.distributions import read_wheel
from tests.archives import write_wheel
from tests.run import Cloche, clean_environ, filled_cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[bytes], str]:
    """Return a function that reads a wheel with some content, and returns why it is refused."""

    def read(content: bytes) -> str:
        with pytest.raises(SeedError) as raised:
            verify_contents(read_wheel(write_wheel(tmp_path / "wheels", content)))
        return raised.value.message

    return read


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled_cache(tmp_path_factory.mktemp("used"))


@pytest.fixture
def cloche(tmp_path: Path, shared_cache: Path) -> Cloche:
    """The command line in an empty directory."""
    for name in ("work", "home"):
        (tmp_path / name).mkdir()
    return Cloche(tmp_path / "work", clean_environ(tmp_path / "home", shared_cache))
