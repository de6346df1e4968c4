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
    """Declare the marker, and check the setting.

    :raises UsageError: the setting is not a scope.
    """
    config.addinivalue_line(
        "markers", "cloche_env(**options): the arguments of `cloche.create` for the fixture `cloche_env`"
    )
    scope = config.getini("cloche_env_scope")
    if scope not in SCOPES:
        raise pytest.UsageError(f"`cloche_env_scope` cannot be {scope!r}; choose one of {', '.join(SCOPES)}")


def scope_of_env(fixture_name: str, config: pytest.Config) -> Any:
    """Return the scope of `cloche_env` from the pytest configuration."""
    return config.getini("cloche_env_scope")


@pytest.fixture(scope="session")
def cloche_env_factory(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return a function that creates a fresh environment: `cloche_env_factory("name", python="3.12")`."""

    def create(name: str = "env", **options: Any) -> Env:
        __tracebackhide__ = True
        return create_env(tmp_path_factory.mktemp("cloche") / name, options)

    return create


@pytest.fixture(scope=scope_of_env)
def cloche_env(request: pytest.FixtureRequest, cloche_env_factory: Factory) -> Env:
    """Return a fresh environment: with pip, or as the arguments of the marker `cloche_env` describe it.

    :raises UsageError: the marker has a positional argument.
    """
    __tracebackhide__ = True
    marker = request.node.get_closest_marker("cloche_env")
    if marker and marker.args:
        raise pytest.UsageError(
            f"the marker `cloche_env` accepts only keyword arguments (`python=...`), but got {marker.args[0]!r}"
        )
    return cloche_env_factory(**(marker.kwargs if marker else {}))


def create_env(directory: Path, options: dict[str, Any]) -> Env:
    """Create an environment, by default without activation scripts, which tests rarely need.

    :raises ClocheError: it cannot be created. The traceback ends in the test.
    """
    __tracebackhide__ = True
    import cloche
    from pytest_cloche.env import Env

    try:
        return Env(cloche.create(directory, **{"activators": (), **options}))
    except cloche.ClocheError as error:
        raise error.with_traceback(None) from None
