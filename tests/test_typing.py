"""Test that type checkers accept a script that uses the Python interface and every new plugin, and reject mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.cli.new_plugin import PLUGIN_KINDS, write_plugin
from cloche.session import current_host
from tests.test_architecture import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
import json
from pathlib import Path

from typing_extensions import Unpack

import cloche
from cloche.testing import activator_contract


def create(name: str, mode: cloche.Network = "never", **choices: Unpack[cloche.Choices]) -> Path:
    result: cloche.Result = cloche.create_with_result(Path(name), network=mode, seeds=None)
    for operation in result.plan.operations:
        show(operation)
    environment: cloche.Environment = cloche.create(name, **choices)
    interpreter: cloche.Interpreter = cloche.find(">=3.10", access="read-only")
    print(interpreter.version_text, environment.bin, cloche.__version__)
    with cloche.lock_environment(name):
        return environment.executable


def show(operation: cloche.Operation) -> None:
    print(operation.path if isinstance(operation, cloche.Write) else operation)


class Activator:
    name = "json"

    def refusal(self, interpreter: cloche.Interpreter) -> None:
        return None

    def quote(self, text: str) -> str:
        return json.dumps(text)

    def scripts(self, environment: cloche.Environment) -> list[cloche.Script]:
        return [cloche.Script("activate.json", cloche.render("__CLOCHE_ROOT__", environment.values, self.quote))]


test_activator = activator_contract(Activator())  # without any optional attribute
create("env", python=["3.12", Path("/usr/bin/python3")], link_mode="copy", startup_code="refuse")
"""

MISTAKES = {
    'cloche.create("env", network="nevr")': "nevr",
    'cloche.create("env", pyton="3")': "pyton",
    "cloche.crate": "crate",
    "cloche.find(3.12)": "find",
    'cloche.plan("env").operation': "operation",
    "cloche.Candidate(path=3, found_by='x')": "Candidate",
}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A directory with the script, a new plugin of every kind, and a file with one mistake per line."""
    directory = tmp_path / "sources"
    directory.mkdir()
    for kind in PLUGIN_KINDS:
        write_plugin(kind, str(directory / f"acme-{kind}"), current_host())
    (directory / "script.py").write_text(SCRIPT)
    (directory / "mistakes.py").write_text("\n".join(["import cloche", *MISTAKES, ""]))
    return directory


def plugins_in(sources: Path) -> list[str]:
    return [str(path) for path in sorted(sources.glob("acme-*/src/*/__init__.py"))]


def test_mypy_accepts_correct_code_and_finds_mistakes(sources: Path) -> None:
    pytest.importorskip("mypy")

    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(sources / "cache")]
    environ = {**os.environ, "MYPYPATH": str(REPOSITORY / "src")}
    files = ["script.py", "mistakes.py", *plugins_in(sources)]
    done = subprocess.run([*command, *files], cwd=sources, env=environ, capture_output=True, text=True, check=False)

    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    lines = {int(line.split(":")[1]) for line in errors if line.startswith("mistakes.py:")}
    assert [line for line in errors if not line.startswith("mistakes.py:")] == []
    assert lines == set(range(2, 2 + len(MISTAKES))), done.stdout + done.stderr


@pytest.mark.nightly
def test_pyright_accepts_correct_code_and_finds_mistakes(sources: Path, tmp_path: Path) -> None:
    """It comes from the package index, with the Node.js that it needs."""
    python = cloche.create(tmp_path / "env", seeds=["pip"]).executable
    tools = ["pyright[nodejs]", "typing-extensions", str(REPOSITORY)]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *tools], check=True)
    found = {"script.py": [], "mistakes.py": [], **{path: [] for path in plugins_in(sources)}}

    command = [python, "-m", "pyright", "--outputjson", "--pythonpath", python, *found]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)

    lines = {
        item["range"]["start"]["line"]
        for item in json.loads(done.stdout)["generalDiagnostics"]
        if item["file"].endswith("mistakes.py") and item["severity"] == "error"
    }
    others = [
        item for item in json.loads(done.stdout)["generalDiagnostics"] if not item["file"].endswith("mistakes.py")
    ]
    assert others == []
    assert lines == set(range(1, 1 + len(MISTAKES)))
