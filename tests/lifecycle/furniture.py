"""Environments of every maker, furnished as people furnish them, and what has to be true of one that works."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel, record_hash
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BACKEND = Path(__file__).with_name("backend.py").read_text(encoding="utf-8")


def tool(name: str) -> str:
    """Return a maker of environments: from the directory `CLOCHE_TEST_TOOLS`, else from PATH, or skip."""
    directory = os.environ.get("CLOCHE_TEST_TOOLS")
    found = shutil.which(name, path=directory) if directory else None
    return found or require(name)


def run(*command: object, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a program that has to succeed, and return what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="surrogateescape",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


def by_venv(python: str, place: Path) -> None:
    run(python, "-m", "venv", "--without-pip", place)


def by_virtualenv(python: str, place: Path) -> None:
    run(tool("virtualenv"), "--no-seed", "-q", "-p", python, place)


def by_uv(python: str, place: Path) -> None:
    run(tool("uv"), "venv", "-q", "--no-project", "-p", python, place)


def by_uv_relocatable(python: str, place: Path) -> None:
    run(tool("uv"), "venv", "-q", "--no-project", "--relocatable", "-p", python, place)


def by_cloche(python: str, place: Path) -> None:
    run(sys.executable, "-m", "cloche", "--no-seed", "-q", "-p", python, place)


def by_cloche_copying(python: str, place: Path) -> None:
    run(sys.executable, "-m", "cloche", "--no-seed", "-q", "--creator", "copy", "-p", python, place)


def by_cloche_relocatable(python: str, place: Path) -> None:
    run(sys.executable, "-m", "cloche", "--no-seed", "-q", "--relocatable", "-p", python, place)


MAKERS: Mapping[str, Callable[[str, Path], None]] = {
    "venv": by_venv,
    "virtualenv": by_virtualenv,
    "uv": by_uv,
    "uv-relocatable": by_uv_relocatable,
    "cloche": by_cloche,
    "cloche-copy": by_cloche_copying,
    "cloche-relocatable": by_cloche_relocatable,
}


def makers(*by_day: str) -> list[object]:
    """Return every maker, those that are not named for the night only: the whole matrix takes minutes."""
    return [pytest.param(maker, marks=[] if maker in by_day else pytest.mark.nightly) for maker in MAKERS]


def project(place: Path, name: str, form: str) -> Path:
    """Make a project whose editable install has a given form (see `backend.py`), and return its directory."""
    directory = place / name
    (directory / "src" / name).mkdir(parents=True)
    (directory / "src" / name / "__init__.py").write_text(f"WHO = {name!r}\n")
    (directory / "src" / name / "cli.py").write_text(f"def main():\n    print({name!r})\n")
    (directory / "backend.py").write_text(BACKEND)
    (directory / "form.json").write_text(json.dumps({"name": name, "form": form}))
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    return directory


def wheelhouse(place: Path) -> Path:
    """Make a directory with the wheels that environments are furnished with."""
    make_wheel(
        place,
        "plain",
        "1.0",
        {"plain/__init__.py": "", "plain/cli.py": "import sys\ndef main():\n    print('plain', sys.prefix)\n"},
        entry_points="[console_scripts]\nplain-say = plain.cli:main\n[gui_scripts]\nplain-show = plain.cli:main\n",
    )
    return place


def furnish(environment: Path, wheels: Path, projects: Path) -> None:
    """Install a package with scripts and three editable projects, and put down what Jupyter and people put down."""
    names = {"by_path": "path", "by_finder": "finder"}
    made = [project(projects, name, form) for name, form in names.items()]
    inside = project(environment / "src", "vendored", "path")
    python = environment / "bin" / "python"
    editable = [word for one in (*made, inside) for word in ("-e", one)]
    own = any(environment.glob("lib/*/site-packages/pip"))
    pip = [python, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", python]
    pip += ["install", "-q", "--disable-pip-version-check"]
    run(*pip, "--no-deps", "--no-index", "--no-build-isolation", wheels / "plain-1.0-py3-none-any.whl", *editable)
    kernel = environment / "share" / "jupyter" / "kernels" / "mine" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": [str(python), "-m", "ipykernel"], "display_name": "mine"}))
    (environment / "bin" / "by-hand").symlink_to(environment / "bin" / "plain-say")
    site = next((environment / "lib").glob("*/site-packages"))
    (site / "people.pth").write_text(f"{environment / 'src' / 'vendored'}\n")


def complaints(environment: Path, *gone: Path, furnished: bool = True) -> list[str]:
    """Return what does not work in an environment; `gone` are places that nothing in it may name."""
    wrong = []
    python = environment / "bin" / "python"
    prefix = run(python, "-I", "-c", "import sys; print(sys.prefix)").strip()
    if not os.path.samefile(prefix, environment):
        wrong.append(f"its Python is of {prefix}")
    if furnished:
        wrong += wrong_furniture(environment)
    wrong += wrong_records(environment)
    wrong += wrong_activation(environment)
    for path in sorted(environment.rglob("*")):
        if path.is_symlink() and os.path.isabs(target := os.readlink(path)):
            wrong += [f"{path} points to {target}" for old in gone if target.startswith(f"{old}/")]
        elif path.is_file() and not path.is_symlink() and path.suffix != ".pyc":
            content = path.read_bytes()
            wrong += [
                f"{path} names {old}" for old in gone if f"{old}/".encode() in content or content.endswith(bytes(old))
            ]
    return wrong


def wrong_furniture(environment: Path) -> list[str]:
    wrong = []
    for script, said in (
        ("plain-say", "plain"),
        ("plain-show", "plain"),
        ("by-hand", "plain"),
        ("by_path", "by_path"),
        ("by_finder", "by_finder"),
    ):
        if (out := run(environment / "bin" / script).split()[0]) != said:
            wrong.append(f"{script} said {out}")
    imported = "import by_path, by_finder, vendored; print(vendored.__file__)"
    where = run(environment / "bin" / "python", "-I", "-c", imported).strip()
    if not where.startswith(os.path.realpath(environment)) and not where.startswith(str(environment)):
        wrong.append(f"`vendored` comes from {where}")
    kernel = json.loads((environment / "share/jupyter/kernels/mine/kernel.json").read_text())
    if kernel["argv"][0] != str(environment / "bin" / "python"):
        wrong.append(f"the kernel is started by {kernel['argv'][0]}")
    return wrong


def wrong_records(environment: Path) -> list[str]:
    """Return rows of RECORDs that are not true; byte-code may be gone."""
    wrong = []
    for record in environment.glob("lib/*/site-packages/*.dist-info/RECORD"):
        for name, digest, size in csv.reader(record.read_text(encoding="utf-8").splitlines()):
            path = record.parent.parent / name
            if name.endswith((".pyc", "/__pycache__")):  # virtualenv lists the directories too
                continue
            if not path.is_file():
                wrong.append(f"{name} of {record.parent.name} is not there")
            elif digest and (record_hash(path.read_bytes()) != digest or path.stat().st_size != int(size)):
                wrong.append(f"{name} of {record.parent.name} is not what RECORD says")
    return wrong


SHELLS = {
    "bash": ["--norc", "-c", '. ./activate && printf "%s\\n%s\\n" "$VIRTUAL_ENV" "$(command -v python)"'],
    "dash": ["-c", '. ./activate && printf "%s\\n%s\\n" "$VIRTUAL_ENV" "$(command -v python)"'],
    "zsh": ["-f", "-c", '. ./activate && printf "%s\\n%s\\n" "$VIRTUAL_ENV" "$(command -v python)"'],
    "fish": ["--no-config", "-c", "source activate.fish; and printf '%s\\n' $VIRTUAL_ENV (command -s python)"],
    "tcsh": ["-f", "-c", "set prompt = ''; source activate.csh; echo $VIRTUAL_ENV:q; sh -c 'command -v python'"],
}


def relocatable(environment: Path) -> bool:
    return "relocatable = true" in (environment / "pyvenv.cfg").read_text()


def made_by_uv(environment: Path) -> bool:
    return "\nuv = " in (environment / "pyvenv.cfg").read_text()


def wrong_activation(environment: Path) -> list[str]:
    """Return the shells in which activating leads elsewhere."""
    wrong = []
    for shell, arguments in SHELLS.items():
        script = {"fish": "activate.fish", "tcsh": "activate.csh"}.get(shell, "activate")
        found = shutil.which(shell)
        if found is None or not (environment / "bin" / script).exists():
            continue
        if shell == "dash" and made_by_uv(environment) and relocatable(environment):
            continue  # uv's script finds itself in bash, ksh and zsh only
        environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "dumb"}
        out = run(found, *arguments, environ=environ, cwd=environment / "bin").splitlines()
        expected = [str(environment), str(environment / "bin" / "python")]
        if out[:2] != expected:
            wrong.append(f"{shell}: {out}")
    return wrong
