"""Test that no command imports or runs a file in the current directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.interpreters import pyenv

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run import Cloche

MODULES = (
    "build distlib filelock packaging pip platformdirs pluggy prettytable pyproject_hooks site sitecustomize tomli tomlkit "
    "wcwidth".split()
)
PROGRAMS = ("cloche", "git", "mise", "pip", "pyenv", "python", "python3", "python3.10", "python3.12", "uv")

COMMANDS = {
    "create": (),
    "create by version": ("-p", "3.10", "--no-seed"),
    "create with venv": ("--creator", "venv", "--no-seed"),
    "dry run": ("--dry-run", "--json"),
    "info": ("info", "ENV"),
    "doctor": ("doctor", "--fix", "ENV"),
    "run": ("run", "ENV", "--", "python", "-c", "print()"),
    "upgrade": ("upgrade", "ENV", "--seeds"),
    "move": ("move", "ENV", "MOVED"),
    "pythons": ("pythons", "3.10"),
    "plugins": ("plugins",),
    "cache": ("cache", "verify"),
    "help": ("create", "--help"),
    "unknown command": ("frobnicate", "--frobnicate"),
}


@pytest.fixture
def traps(cloche: Cloche, tmp_path: Path) -> Path:
    """Create modules and programs in the current directory; return the file that they would write if they ran.

    There is a module for every one of the standard library, except those that `python -m` itself loads before cloche runs.
    """
    loaded = "import __future__, json, runpy, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True, text=True)
    marker = tmp_path / "trapped"
    for name in {*sys.stdlib_module_names, *MODULES}.difference(json.loads(done.stdout)) | {"json"}:
        (cloche.cwd / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write('{name} ')\nraise SystemExit(9)\n")
    for name in PROGRAMS:
        (cloche.cwd / name).write_text(f"#!/bin/sh\necho {name} >> '{marker}'\nexit 9\n")
        (cloche.cwd / name).chmod(0o755)
    (cloche.cwd / "pyvenv.cfg").write_text(f"home = {cloche.cwd}\n")
    return marker


def test_no_command_imports_or_runs_files_in_the_current_directory(cloche: Cloche, tmp_path: Path, traps: Path) -> None:
    """This holds even if PATH contains `.` or an empty entry."""
    pyenv("3.10")
    outside = tmp_path / "outside"
    assert cloche(outside / "env", cwd=tmp_path).code == 0
    paths = {"ENV": str(outside / "env"), "MOVED": str(outside / "moved")}

    for case, words in COMMANDS.items():
        argv = [paths.get(word, word) for word in words] or ["--no-seed"]
        argv += [outside / case] if case.startswith(("create ", "dry")) or case == "create" else []
        done = cloche(*argv, PATH=f":.:{os.environ['PATH']}:")

        assert not traps.exists(), f"{case} runs {traps.read_text()}"
        assert done.code == (2 if case == "unknown command" else 0), (case, done)


def test_the_installed_command_does_not_import_cloche_from_the_current_directory(
    cloche: Cloche, tmp_path: Path, traps: Path
) -> None:
    (cloche.cwd / "cloche").unlink()
    for path in (cloche.cwd / "cloche.py", cloche.cwd / "cloche" / "__init__.py", cloche.cwd / "cloche" / "cli.py"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"open({str(traps)!r}, 'a').write('cloche')\n")
    command = tmp_path / "bin" / "cloche"
    command.parent.mkdir()
    command.write_text("import sys\nfrom cloche.__main__ import run\nrun()\n")

    for argv in ([str(tmp_path / "env"), "--no-seed"], ["info", str(tmp_path / "env")], ["plugins"]):
        done = subprocess.run(
            [sys.executable, str(command), *argv], cwd=cloche.cwd, env=cloche.environ, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert not traps.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("",),
        ("info", ""),
        ("doctor", "--fix", " "),
        ("doctor", "--find", ""),
        ("move", "", "../moved"),
        ("upgrade", ""),
        ("run", "", "--", "python", "-c", "print('in it')"),
        ("activate", ""),
        ("cache", "clear", "--cache-dir", ""),
        ("../other", "--find-links", ""),
        ("../other", "--try-first-with", ""),
    ],
    ids=" ".join,
)
def test_a_blank_name_does_not_mean_the_current_directory(cloche: Cloche, words: tuple[str, ...]) -> None:
    """A shell expands `"$VENV"` to an empty word if the variable is not set."""
    assert cloche(".", "--no-seed").code == 0
    done = cloche(*words)
    assert (done.code, done.out) == (2, "")
    assert not (cloche.cwd.parent / "other").exists()
