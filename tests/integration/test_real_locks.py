"""Test lock files of real tools with real packages: the result is what uv makes of the same file."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.run import Cloche, clean_environ
from tests.trees import Tree, snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.nightly

PROJECT = """\
[project]
name = "demo"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["attrs", "httpx", "rich", "numpy; python_version >= '3.11'", "colorama; sys_platform == 'win32'"]

[project.optional-dependencies]
web = ["flask"]

[dependency-groups]
dev = ["pytest"]
docs = ["jinja2"]
"""

OWN_FILES = ("INSTALLER", "RECORD", "REQUESTED", "provenance_url.json", "uv_cache.json")
"""Files that an installer writes in its own way."""


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "pyproject.toml").write_text(PROJECT)
    return Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))


def run(cloche: Cloche, *command: object) -> str:
    done = subprocess.run(
        [*map(str, command)], cwd=cloche.cwd, env={**os.environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def uv(cloche: Cloche, *arguments: object) -> str:
    return run(cloche, sys.executable, "-m", "uv", *arguments)


def packages_of(env: Path) -> Tree:
    """Return what is in `site-packages`, without bytecode and the files of installers."""
    [site] = env.glob("lib/python*/site-packages")
    return Tree(
        {
            path: entry[2:]
            for path, entry in snapshot(site).without_bytecode().items()
            if os.path.basename(path) not in (*OWN_FILES, "_virtualenv.py", "_virtualenv.pth", "direct_url.json")
        }
    )


LOCKS = {
    "uv export": ["uv", "export", "-q", "--no-emit-project", "--format", "pylock.toml", "-o", "pylock.toml"],
    "uv pip compile": ["uv", "pip", "compile", "-q", "--format", "pylock.toml", "pyproject.toml", "-o", "pylock.toml"],
    "requirements": ["uv", "pip", "compile", "-q", "--generate-hashes", "pyproject.toml", "-o", "requirements.txt"],
    "pip lock": ["pip", "-q", "lock", "-o", "pylock.toml", "attrs", "httpx", "rich", "numpy"],
}


@pytest.mark.parametrize("tool", LOCKS)
def test_the_result_is_that_of_uv(tool: str, cloche: Cloche) -> None:
    run(cloche, sys.executable, "-m", *LOCKS[tool])
    lock = "requirements.txt" if tool == "requirements" else "pylock.toml"

    done = cloche("./env", "--lock", lock, "--json")

    assert done.code == 0, done.err
    python = cloche.cwd / "env" / "bin" / "python"
    uv(cloche, "venv", "-q", "--python", sys.executable, "other")
    uv(cloche, "pip", "sync", "-q", "--preview", "--python", "other/bin/python", lock)
    assert packages_of(cloche.cwd / "env") == packages_of(cloche.cwd / "other")
    assert "Would make no changes" in uv(cloche, "pip", "sync", "--preview", "--dry-run", "--python", python, lock)
    uv(cloche, "pip", "check", "--python", python)
    run(cloche, sys.executable, "-m", "pip", "--python", python, "check")
    assert cloche("./env", "--lock", lock, "--json").json["plan"]["outcome"] == "up to date"
    assert cloche("doctor", "env").code == 0


def test_the_extras_and_groups_of_uv_are_selected(cloche: Cloche) -> None:
    options = ["--all-extras", "--all-groups", "--no-emit-project"]
    uv(cloche, "export", "-q", *options, "--format", "pylock.toml", "-o", "pylock.toml")

    done = cloche("./env", "--lock", "pylock.toml")

    assert done.code == 0, done.err


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_the_files_for_another_python_are_selected(version: str, cloche: Cloche) -> None:
    uv(cloche, "export", "-q", "--no-emit-project", "--format", "pylock.toml", "-o", "pylock.toml")

    done = cloche("./env", "-p", version, "--lock", "pylock.toml")

    assert done.code == 0, done.err
    run(cloche, cloche.cwd / "env/bin/python", "-c", "import attrs, httpx, numpy, rich")
