"""Test that type checkers accept a script that uses the Python interface and every new plugin, and reject mistakes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.cli.new_plugin import KINDS, write_plugin
from cloche.session import current_host
from tests.test_architecture import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
from pathlib import Path

from typing_extensions import Unpack

import cloche


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
    for kind in KINDS:
        write_plugin(kind, str(directory / f"acme-{kind}"), current_host())
    (directory / "script.py").write_text(SCRIPT)
    (directory / "mistakes.py").write_text("\n".join(["import cloche", *MISTAKES, ""]))
    return directory


def plugins_in(sources: Path) -> list[str]:
    return [str(path) for path in sorted(sources.glob("acme-*/src/*/__init__.py"))]


def test_mypy_accepts_correct_code_and_finds_mistakes(sources: Path) -> None:
    pytest.importorskip("mypy")

    def mypy(*files: str) -> str:
        command = [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            "--cache-dir",
            str(sources / "cache"),
            *files,
        ]
        environ = {**os.environ, "MYPYPATH": str(REPOSITORY / "src")}
        return subprocess.run(command, cwd=sources, env=environ, capture_output=True, text=True, check=False).stdout

    checked = mypy("script.py", *plugins_in(sources))
    assert checked == f"Success: no issues found in {1 + len(KINDS)} source files\n"
    assert {int(line) for line in re.findall(r"^mistakes\.py:(\d+): error", mypy("mistakes.py"), re.MULTILINE)} == {
        *range(2, 2 + len(MISTAKES))
    }


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
