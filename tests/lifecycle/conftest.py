"""A command line with its own home directory and a filled cache, and environments of every tool, with and without content."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.interpreters import debian, pyenv
from tests.lifecycle.environments import CREATE_WITH, make_wheelhouse, populate
from tests.lifecycle.templates import Templates
from tests.run import Cloche, clean_environ, filled_cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOOLS_DIRECTORY = os.environ.get("CLOCHE_TEST_TOOLS")
"""Read before the tests replace the variables."""


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled_cache(tmp_path_factory.mktemp("used"))


@pytest.fixture
def cloche(tmp_path: Path, shared_cache: Path) -> Cloche:
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    environ = clean_environ(tmp_path / "home", shared_cache)
    del environ["PYTHONWARNINGS"]  # pip, which runs in the environments, may emit warnings
    return Cloche(work, environ)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheelhouse(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def populated_env(
    cloche: Cloche, wheels: Path, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Return a function that creates an environment with typical content; its projects are in `projects` beside it."""
    if TOOLS_DIRECTORY:
        monkeypatch.setenv("CLOCHE_TEST_TOOLS", TOOLS_DIRECTORY)

    def create_env(created_by: str, minor: str = "3.12", name: str = "env") -> Path:
        def create(directory: Path) -> None:
            CREATE_WITH[created_by](debian() if minor == "debian" else pyenv(minor), directory / name)
            populate(directory / name, wheels, directory / "projects")

        templates.copy_to(cloche.cwd, f"populated-{created_by}-{minor}-{name.replace('/', '-')}", create)
        return cloche.cwd / name

    return create_env


@pytest.fixture
def empty_env(cloche: Cloche, templates: Templates, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that creates an environment without packages."""
    if TOOLS_DIRECTORY:
        monkeypatch.setenv("CLOCHE_TEST_TOOLS", TOOLS_DIRECTORY)

    def create_env(created_by: str = "venv", minor: str = "3.12", name: str = "env") -> Path:
        def create(directory: Path) -> None:
            CREATE_WITH[created_by](pyenv(minor), directory / name)

        templates.copy_to(cloche.cwd, f"empty-{created_by}-{minor}-{name.replace('/', '-')}", create)
        return cloche.cwd / name

    return create_env
