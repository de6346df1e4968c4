"""The fixtures `cloche_env` and `cloche_env_factory`, the marker `cloche_env`, and the setting `cloche_env_scope`.

pytest imports this module in every run; cloche is imported only when the first environment is created.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_cloche.env import Env

SCOPES = ("function", "class", "module", "package", "session")


class Factory(Protocol):
    """A function that creates an environment; its keyword arguments are those of `cloche.create`."""

    def __call__(self, name: str = "env", **options: Any) -> Env: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("cloche_env_scope", f"how long `cloche_env` lasts: {', '.join(SCOPES)}", default="function")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "cloche_env(**options): the arguments of `cloche.create` for the fixture `cloche_env`"
    )


def scope_of_env(fixture_name: str, config: pytest.Config) -> Any:
    """Return the scope of `cloche_env` from the pytest configuration.

    :raises UsageError: it is not a scope.
    """
    scope = config.getini("cloche_env_scope")
    if scope not in SCOPES:
        raise pytest.UsageError(
            f"{fixture_name}: `cloche_env_scope` cannot be {scope!r}; choose one of {', '.join(SCOPES)}"
        )
    return scope


@pytest.fixture(scope="session")
def cloche_env_factory(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return a function that creates a fresh environment: `cloche_env_factory("name", python="3.12")`."""

    def create(name: str = "env", **options: Any) -> Env:
        return create_env(tmp_path_factory.mktemp("cloche") / name, options)

    return create


@pytest.fixture(scope=scope_of_env)
def cloche_env(request: pytest.FixtureRequest, cloche_env_factory: Factory) -> Env:
    """Return a fresh environment: with pip, or as the arguments of the marker `cloche_env` describe it.

    :raises UsageError: the marker has a positional argument.
    """
    marker = request.node.get_closest_marker("cloche_env")
    if marker and marker.args:
        raise pytest.UsageError(
            f"the marker `cloche_env` accepts only keyword arguments (`python=...`), but got {marker.args[0]!r}"
        )
    return cloche_env_factory(**(marker.kwargs if marker else {}))


def create_env(directory: Path, options: dict[str, Any]) -> Env:
    """Create an environment, by default without activation scripts, which tests rarely need."""
    import cloche
    from pytest_cloche.env import Env

    return Env(cloche.create(directory, **{"activators": (), **options}))
