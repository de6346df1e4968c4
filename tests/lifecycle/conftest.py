"""A command line with a home and a store of its own, and environments of every maker, furnished by pip."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.interpreters import debian, pyenv
from tests.lifecycle.furniture import MAKERS, furnish, wheelhouse
from tests.lifecycle.templates import Templates
from tests.run import Cloche, clean_environ, filled_cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOOLS = os.environ.get("CLOCHE_TEST_TOOLS")
"""Read before the tests get an environment of their own."""


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled_cache(tmp_path_factory.mktemp("used"))


@pytest.fixture
def cloche(tmp_path: Path, shared_cache: Path) -> Cloche:
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    environ = clean_environ(tmp_path / "home", shared_cache)
    del environ["PYTHONWARNINGS"]  # pip, in the environments, is not ours
    return Cloche(work, environ)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheelhouse(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def furnished(
    cloche: Cloche, wheels: Path, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Make an environment and furnish it; its projects stand beside it."""
    if TOOLS:
        monkeypatch.setenv("CLOCHE_TEST_TOOLS", TOOLS)

    def make(maker: str, minor: str = "3.12", name: str = "env") -> Path:
        def made(place: Path) -> None:
            MAKERS[maker](debian() if minor == "debian" else pyenv(minor), place / name)
            furnish(place / name, wheels, place / "projects")

        templates.lay(f"furnished-{maker}-{minor}-{name.replace('/', '-')}", made, cloche.cwd)
        return cloche.cwd / name

    return make


@pytest.fixture
def empty(cloche: Cloche, templates: Templates, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make an environment with nothing in it."""
    if TOOLS:
        monkeypatch.setenv("CLOCHE_TEST_TOOLS", TOOLS)

    def make(maker: str = "venv", minor: str = "3.12", name: str = "env") -> Path:
        def made(place: Path) -> None:
            MAKERS[maker](pyenv(minor), place / name)

        templates.lay(f"empty-{maker}-{minor}-{name.replace('/', '-')}", made, cloche.cwd)
        return cloche.cwd / name

    return make
