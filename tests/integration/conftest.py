"""Fixtures for tests of the whole command line: each test has its own home directory; the tests of a worker share a cache."""

from __future__ import annotations

import pytest

from tests.run import Cloche, clean_environ, filled_cache


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """The cache directory (`XDG_CACHE_HOME`) of all tests of one worker; it already has the seeds."""
    return filled_cache(tmp_path_factory.mktemp("used"))


@pytest.fixture
def cloche(tmp_path, shared_cache):
    """The command line in an empty directory."""
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "home").mkdir()
    return Cloche(work, clean_environ(tmp_path / "home", shared_cache))
