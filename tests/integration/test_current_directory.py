"""Nothing that lies in the current directory is imported or run, by any command, whatever it is called."""

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

MODULES = (*("pip", "pluggy", "filelock", "platformdirs", "distlib", "packaging", "tomli"), *("site", "sitecustomize"))
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
    "nothing that there is": ("frobnicate", "--frobnicate"),
}


@pytest.fixture
def traps(cloche: Cloche, tmp_path: Path) -> Path:
    """Lay out a module for each that Python has and has not loaded by then, and programs; return what they would write.

    With `python -m` a few are loaded from there before a line of cloche's is run: `runpy` and what it needs, `__future__`.
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


def test_no_command_imports_or_runs_what_lies_there(cloche: Cloche, tmp_path: Path, traps: Path) -> None:
    """Not even where the user's own PATH has it, as `.` or as an empty entry."""
    pyenv("3.10")
    outside = tmp_path / "outside"
    assert cloche(outside / "env", cwd=tmp_path).code == 0
    places = {"ENV": str(outside / "env"), "MOVED": str(outside / "moved")}

    for what, words in COMMANDS.items():
        argv = [places.get(word, word) for word in words] or ["--no-seed"]
        argv += [outside / what] if what.startswith(("create ", "dry")) or what == "create" else []
        done = cloche(*argv, PATH=f":.:{os.environ['PATH']}:")

        assert not traps.exists(), f"{what} runs {traps.read_text()}"
        assert done.code == (2 if what.startswith("nothing") else 0), (what, done)


def test_the_installed_command_does_not_even_look_there_for_itself(cloche: Cloche, tmp_path: Path, traps: Path) -> None:
    (cloche.cwd / "cloche").unlink()
    for place in (cloche.cwd / "cloche.py", cloche.cwd / "cloche" / "__init__.py", cloche.cwd / "cloche" / "cli.py"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"open({str(traps)!r}, 'a').write('cloche')\n")
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
def test_a_blank_name_never_stands_for_it(cloche: Cloche, words: tuple[str, ...]) -> None:
    """A variable that is not set leaves nothing of `"$VENV"`, and the directory may well be an environment."""
    assert cloche(".", "--no-seed").code == 0
    done = cloche(*words)
    assert (done.code, done.out) == (2, "")
    assert not (cloche.cwd.parent / "other").exists()
