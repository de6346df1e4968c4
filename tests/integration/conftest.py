"""A command line with a home and a store of its own; the store is shared by the tests of one worker, as users' are."""

from __future__ import annotations

import pytest

from tests.run import Cloche, clean_environ, filled_cache


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    return filled_cache(tmp_path_factory.mktemp("used"))


@pytest.fixture
def cloche(tmp_path, shared_cache):
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "home").mkdir()
    return Cloche(work, clean_environ(tmp_path / "home", shared_cache))
