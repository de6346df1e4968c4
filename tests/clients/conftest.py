"""Install tools from the index, each in an environment that cloche created and that contains the stand-in for virtualenv.

These tests run only with `pytest -m clients` or `pytest tests/clients`, because installing the tools needs the network and
a minute. `CLOCHE_CLIENTS_DIR` names a directory that keeps the installed tools from one run to the next.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.planning.pyvenv_cfg import parse_settings
from tests.clients.wheelhouse import make_wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
PLUGINS = HERE.parent.parent / "plugins"

TOOLS_DIRECTORY = os.environ.get("CLOCHE_CLIENTS_DIR")
"""Read before the tests replace the variables."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark these tests, and deselect them unless they are requested."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.clients)
    named = any(
        Path(arg.partition("::")[0]).resolve() == HERE or HERE in Path(arg.partition("::")[0]).resolve().parents
        for arg in config.args
    )
    if not named and "clients" not in str(config.getoption("markexpr")):
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@dataclass
class Tool:
    """An installed tool, and the variables to run it with."""

    name: str
    environment: cloche.Environment
    environ: Mapping[str, str]

    def __call__(self, *arguments: str | Path, cwd: Path, code: int = 0, **variables: str) -> str:
        """Run the tool and return everything that it printed; fail if it exits with another code."""
        return self.run(self.environment.bin / self.name, *arguments, cwd=cwd, code=code, **variables)

    def python(self, *arguments: str | Path, cwd: Path, code: int = 0, **variables: str) -> str:
        """Run the Python of the tool's environment."""
        return self.run(self.environment.executable, *arguments, cwd=cwd, code=code, **variables)

    def run(self, program: Path, *arguments: str | Path, cwd: Path, code: int = 0, **variables: str) -> str:
        """Run another program with the variables of the tool; otherwise the same as `__call__`."""
        done = subprocess.run(
            [program, *arguments],
            cwd=cwd,
            env={**self.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"{program.name} {arguments} exited with {done.returncode}:\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheelhouse(tmp_path_factory.mktemp("wheelhouse"))


@pytest.fixture(scope="session")
def tools_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which the tools are installed."""
    # One directory per process, so that no process updates a tool that another one runs.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    directory = Path(TOOLS_DIRECTORY).resolve() / worker if TOOLS_DIRECTORY else tmp_path_factory.mktemp("tools")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture(scope="session")
def user_environ(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> dict[str, str]:
    """Return the variables of a user with an empty home directory, and with the wheelhouse instead of an index."""
    home = tmp_path_factory.mktemp("home")
    inherited = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYENV_ROOT", "SYSTEMROOT", "TEMP", "TMP")
    return {
        **{name: os.environ[name] for name in inherited if name in os.environ},
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheelhouse),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "tests",
        "GIT_AUTHOR_EMAIL": "tests@example.org",
        "GIT_COMMITTER_NAME": "tests",
        "GIT_COMMITTER_EMAIL": "tests@example.org",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }


@pytest.fixture(scope="session")
def install_tool(tools_directory: Path) -> Callable[..., cloche.Environment]:
    """Return a function that installs a tool from the index, unless it is installed, and returns its environment."""

    def install(name: str, *requirements: str) -> cloche.Environment:
        ready = tools_directory / f"{name}.json"
        if ready.is_file() and json.loads(ready.read_text()) == list(requirements):
            return cloche.load(tools_directory / name)
        environment = cloche.create(tools_directory / name, existing="replace")
        pip = [environment.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        subprocess.run(pip, check=True, capture_output=True)
        ready.write_text(json.dumps(requirements))
        return environment

    return install


@pytest.fixture(scope="session")
def client(install_tool: Callable[..., cloche.Environment], user_environ: dict[str, str]) -> Callable[..., Tool]:
    """Return a function that returns a tool with the stand-in for virtualenv in its environment."""

    def prepare(name: str, *requirements: str) -> Tool:
        environment = install_tool(name, *(requirements or (name, "virtualenv")))
        run_shim_command("install", environment.location)
        return Tool(name, environment, user_environ)

    return prepare


def run_shim_command(action: str, environment: str) -> dict[str, object]:
    """Run `cloche virtualenv-shim` from cloche's own environment and return its JSON output."""
    program = (
        "import sys\nfrom cloche.session import current_host\nfrom cloche_virtualenv.command import main\n"
        "sys.exit(main(sys.argv[1:], current_host()))"
    )
    source = str(PLUGINS / "cloche-virtualenv" / "src")
    done = subprocess.run(
        [sys.executable, "-c", program, action, environment, "--json"],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status: dict[str, object] = json.loads(done.stdout)
    return status


def recorded_tool(root: Path | str) -> str:
    """Return which tool created an environment, by its `pyvenv.cfg`: `cloche`, `virtualenv`, `uv`, or `venv`."""
    settings = parse_settings((Path(root) / "pyvenv.cfg").read_text(encoding="utf-8"))
    return next((name for name in ("cloche", "uv", "virtualenv") if name in settings), "venv")
