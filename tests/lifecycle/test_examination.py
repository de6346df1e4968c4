"""Test what the program that examines an environment says about modules."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cloche.apply.processes import run_program, started_program
from cloche.lifecycle.examination import examine
from cloche.lifecycle.reader import read_environment
from cloche.session import Session, current_host
from tests.pages import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROGRAM = (REPOSITORY / "src/cloche/lifecycle/_examine.py").read_text(encoding="utf-8")


def unresolvable(directory: Path, *arguments: str) -> list[str]:
    """Return the modules that the program does not find in a directory."""
    return examined(directory, *arguments)["unresolvable"]


def examined(directory: Path, *arguments: str) -> dict[str, Any]:
    """Return what the program says about modules in a directory.

    :param arguments: options of the program, and lines of its standard input.
    """
    options = [argument for argument in arguments if argument in ("--import", "--seed")]
    modules = "".join(f"{argument}\n" for argument in arguments if argument not in options)
    command = [sys.executable, "-c", PROGRAM, *options]
    environ = {**os.environ, "PYTHONPATH": str(directory)}
    done = subprocess.run(command, env=environ, input=modules, capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    files = {
        "good/__init__.py": "",
        "good/cli.py": "",
        "good/deep/cli.py": "",
        "broken/__init__.py": "raise ImportError('its library is missing')",
        "broken/cli.py": "",
        "lazy/__init__.py": "import sys, json\nsys.modules['lazy.cli'] = json\n",
        "single.py": "",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.parametrize("option", [(), ("--import",)])
def test_modules_are_found(packages: Path, option) -> None:
    """The parent of the last one creates it when it is imported."""
    found = ["good", "good.cli", "good.deep.cli", "single", "lazy.cli"]
    missing = ["nothing", "good.nothing", "single.nothing", "good.cli.nothing"]

    assert unresolvable(packages, *found, *missing, *option) == missing


def test_a_parent_that_cannot_be_imported_counts_only_if_parents_are_imported(packages: Path) -> None:
    assert unresolvable(packages, "broken.cli") == []
    assert unresolvable(packages, "broken.cli", "--import") == ["broken.cli"]


def test_a_namespace_package_may_be_found_by_a_hook(tmp_path: Path) -> None:
    """setuptools adds the name of its hook to the path of a namespace package with an editable install."""
    (tmp_path / "space" / "one").mkdir(parents=True)
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "from importlib.machinery import ModuleSpec\n"
        "class Finder:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name not in ('space', 'lost'):\n"
        "            return None\n"
        "        spec = ModuleSpec(name, None, is_package=True)\n"
        f"        spec.submodule_search_locations = ['__editable__.finder.__path_hook__', r'{tmp_path}/' + name]\n"
        "        return spec\n"
        "sys.meta_path.append(Finder)\n"
    )

    assert examined(tmp_path, "--import=space", "--import=lost")["problems"] == {
        "space": "",
        "lost": f"`{tmp_path}/lost` does not exist",
    }


@pytest.mark.parametrize(
    "code",
    [
        "import atexit; atexit.register(print, 'the end')",
        "import io, sys; sys.stdin = sys.stdout = io.StringIO()",
        "import sys; sys.stdin = sys.stdout = None",
        "import pathlib, sys; sys.path += [pathlib.Path('x'), b'y']",
        "print('start', end='')",
    ],
)
def test_startup_code_may_use_what_the_program_uses(empty_env: Callable[[str], Path], code: str) -> None:
    env = empty_env("venv")
    [site] = env.glob("lib/*/site-packages")
    (site / "startup.pth").write_text(f"import sys; {code}\n")
    host = current_host()
    with Session(host) as session:
        environment = read_environment(str(env), host, session.probes)

        examination = examine(environment, host, ["json", "nowhere"])

    assert (examination.failure, examination.unresolvable) == ("", ("nowhere",))
    assert str(site) in examination.path


@pytest.mark.skipif(os.name == "nt", reason="a process cannot send itself a signal there")
def test_a_signal_while_a_program_starts_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The handler would raise its exception before anything knows the new process."""
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    class Program(subprocess.Popen):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Program)
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with pytest.raises(Interrupted):
            run_program([sys.executable, "-c", "import time; time.sleep(600)"], os.environ, str(tmp_path))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [process.returncode for process in started] == [-signal.SIGKILL]


@pytest.mark.skipif(os.name == "nt", reason="no signal ends a process there")
def test_a_program_is_killed_if_the_block_beside_it_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]

    with pytest.raises(ZeroDivisionError), started_program(command, os.environ, str(tmp_path)) as process:
        raise ZeroDivisionError

    assert process.returncode == -signal.SIGKILL
