"""The fixtures `cloche_env` and `cloche_env_factory`, the marker `cloche_env`, and the setting `cloche_env_scope`.

pytest loads this module in every run; cloche itself is imported when the first environment is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_cloche.env import Env

SCOPES = ("function", "class", "module", "package", "session")


class Factory(Protocol):
    """Makes an environment at each call; keywords are those of `cloche.create`."""

    def __call__(self, name: str = "env", **choices: Any) -> Env: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("cloche_env_scope", f"how long `cloche_env` lasts: {', '.join(SCOPES)}", default="function")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "cloche_env(**choices): what `cloche_env` is made with, as `cloche.create` takes it"
    )


def scope_of_env(fixture_name: str, config: pytest.Config) -> Any:
    """Return the scope that the user's configuration gives `cloche_env`."""
    scope = config.getini("cloche_env_scope")
    if scope not in SCOPES:
        raise pytest.UsageError(
            f"{fixture_name}: `cloche_env_scope` cannot be {scope!r}; choose one of {', '.join(SCOPES)}"
        )
    return scope


@pytest.fixture(scope="session")
def cloche_env_factory(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return a function that makes a fresh environment at each call: `cloche_env_factory("name", python="3.12")`."""

    def make(name: str = "env", **choices: Any) -> Env:
        return make_env(tmp_path_factory.mktemp("cloche") / name, choices)

    return make


@pytest.fixture(scope=scope_of_env)
def cloche_env(request: pytest.FixtureRequest, cloche_env_factory: Factory) -> Env:
    """Return a fresh environment with pip in it, or with what the marker `cloche_env` asks for."""
    marker = request.node.get_closest_marker("cloche_env")
    if marker and marker.args:
        raise pytest.UsageError(
            f"the marker `cloche_env` takes names and values (`python=...`), and not {marker.args[0]!r} alone"
        )
    return cloche_env_factory(**(marker.kwargs if marker else {}))


def make_env(directory: Path, choices: dict[str, Any]) -> Env:
    """Make an environment. A test needs no activation scripts, unless it asks for them."""
    import cloche
    from pytest_cloche.env import Env

    return Env(cloche.create(directory, **{"activators": (), **choices}))
