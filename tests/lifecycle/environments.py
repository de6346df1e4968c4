"""Create environments with each tool, install typical content in them, and check that they work."""

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


def find_tool(name: str) -> str:
    """Return the executable of a tool, from the directory `CLOCHE_TEST_TOOLS` or from PATH; skip the test if it is missing."""
    directory = os.environ.get("CLOCHE_TEST_TOOLS")
    found = shutil.which(name, path=directory) if directory else None
    return found or require(name)


def run(*command: object, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a program, check that it succeeds, and return its output and errors."""
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


def create_with_cloche(*arguments: object) -> str:
    """Create an environment with cloche, without seeds and without messages."""
    return run(sys.executable, "-m", "cloche", "--no-seed", "-q", *arguments)


def create_with_uv(*arguments: object) -> str:
    """Create an environment with uv, without the settings of a project in a parent directory."""
    return run(find_tool("uv"), "venv", "-q", "--no-project", *arguments)


CREATE_WITH: Mapping[str, Callable[[str, Path], object]] = {
    "venv": lambda python, env: run(python, "-m", "venv", "--without-pip", env),
    "virtualenv": lambda python, env: run(find_tool("virtualenv"), "--no-seed", "-q", "-p", python, env),
    "uv": lambda python, env: create_with_uv("-p", python, env),
    "uv-relocatable": lambda python, env: create_with_uv("--relocatable", "-p", python, env),
    "cloche": lambda python, env: create_with_cloche("-p", python, env),
    "cloche-copy": lambda python, env: create_with_cloche("--creator", "copy", "-p", python, env),
    "cloche-relocatable": lambda python, env: create_with_cloche("--relocatable", "-p", python, env),
}
"""By tool: create an environment without packages, for a Python, at a path."""


def every_tool(*daily: str) -> list[object]:
    """Return a parameter for each tool in `CREATE_WITH`. Only the `daily` ones run outside the nightly tests, to save time."""
    return [pytest.param(tool, marks=[] if tool in daily else pytest.mark.nightly) for tool in CREATE_WITH]


def make_project(parent: Path, name: str, kind: str) -> Path:
    """Write a project whose editable install is of a kind that `backend.py` describes, and return its directory."""
    directory = parent / name
    (directory / "src" / name).mkdir(parents=True)
    (directory / "src" / name / "__init__.py").write_text(f"NAME = {name!r}\n")
    (directory / "src" / name / "cli.py").write_text(f"def main():\n    print({name!r})\n")
    (directory / "backend.py").write_text(BACKEND)
    (directory / "project.json").write_text(json.dumps({"name": name, "kind": kind}))
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    return directory


def make_wheelhouse(directory: Path) -> Path:
    """Create a directory with the wheel that `populate` installs, and return it."""
    make_wheel(
        directory,
        "plain",
        "1.0",
        {"plain/__init__.py": "", "plain/cli.py": "import sys\ndef main():\n    print('plain', sys.prefix)\n"},
        entry_points="[console_scripts]\nplain-say = plain.cli:main\n[gui_scripts]\nplain-show = plain.cli:main\n",
    )
    return directory


def populate(environment: Path, wheels: Path, projects: Path) -> None:
    """Install a package with scripts and three editable projects; add a Jupyter kernel, a link and a `.pth`."""
    kinds = {"by_path": "path", "by_finder": "finder"}
    outside = [make_project(projects, name, kind) for name, kind in kinds.items()]
    inside = make_project(environment / "src", "vendored", "path")
    python = environment / "bin" / "python"
    editable = [word for project in (*outside, inside) for word in ("-e", project)]
    has_pip = any(environment.glob("lib/*/site-packages/pip"))
    pip = [python, "-m", "pip"] if has_pip else [sys.executable, "-m", "pip", "--python", python]
    pip += ["install", "-q", "--disable-pip-version-check"]
    run(*pip, "--no-deps", "--no-index", "--no-build-isolation", wheels / "plain-1.0-py3-none-any.whl", *editable)
    kernel = environment / "share" / "jupyter" / "kernels" / "mine" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": [str(python), "-m", "ipykernel"], "display_name": "mine"}))
    (environment / "bin" / "by-hand").symlink_to(environment / "bin" / "plain-say")
    site_packages = next((environment / "lib").glob("*/site-packages"))
    (site_packages / "extra.pth").write_text(f"{environment / 'src' / 'vendored'}\n")


def find_problems(environment: Path, *old_paths: Path, populated: bool = True) -> list[str]:
    """Return what does not work in an environment, and the files that contain one of `old_paths`."""
    problems = []
    python = environment / "bin" / "python"
    prefix = run(python, "-I", "-c", "import sys; print(sys.prefix)").strip()
    if not os.path.samefile(prefix, environment):
        problems.append(f"`sys.prefix` is {prefix}")
    if populated:
        problems += content_problems(environment)
    problems += record_problems(environment)
    problems += activation_problems(environment)
    for path in sorted(environment.rglob("*")):
        if path.is_symlink() and os.path.isabs(target := os.readlink(path)):
            problems += [f"{path} links to {target}" for old in old_paths if target.startswith(f"{old}/")]
        elif path.is_file() and not path.is_symlink() and path.suffix != ".pyc":
            content = path.read_bytes()
            problems += [
                f"{path} contains {old}"
                for old in old_paths
                if f"{old}/".encode() in content or content.endswith(bytes(old))
            ]
    return problems


def content_problems(environment: Path) -> list[str]:
    """Return what does not work in the content that `populate` installs."""
    problems = []
    for script, expected in (
        ("plain-say", "plain"),
        ("plain-show", "plain"),
        ("by-hand", "plain"),
        ("by_path", "by_path"),
        ("by_finder", "by_finder"),
    ):
        if (output := run(environment / "bin" / script).split()[0]) != expected:
            problems.append(f"{script} printed {output}")
    program = "import by_path, by_finder, vendored; print(vendored.__file__)"
    imported = run(environment / "bin" / "python", "-I", "-c", program).strip()
    if not imported.startswith(os.path.realpath(environment)) and not imported.startswith(str(environment)):
        problems.append(f"`vendored` is imported from {imported}")
    kernel = json.loads((environment / "share/jupyter/kernels/mine/kernel.json").read_text())
    if kernel["argv"][0] != str(environment / "bin" / "python"):
        problems.append(f"the kernel starts {kernel['argv'][0]}")
    return problems


def record_problems(environment: Path) -> list[str]:
    """Return the files that do not match their RECORD; bytecode may be missing."""
    problems = []
    for record in environment.glob("lib/*/site-packages/*.dist-info/RECORD"):
        for name, digest, size in csv.reader(record.read_text(encoding="utf-8").splitlines()):
            path = record.parent.parent / name
            if name.endswith((".pyc", "/__pycache__")):  # virtualenv lists the directories too
                continue
            if not path.is_file():
                problems.append(f"{name} of {record.parent.name} does not exist")
            elif digest and (record_hash(path.read_bytes()) != digest or path.stat().st_size != int(size)):
                problems.append(f"{name} of {record.parent.name} does not match its RECORD")
    return problems


SHELLS = {
    "bash": ["--norc", "-c", '. ./activate && printf "%s\\n%s\\n" "$VIRTUAL_ENV" "$(command -v python)"'],
    "dash": ["-c", '. ./activate && printf "%s\\n%s\\n" "$VIRTUAL_ENV" "$(command -v python)"'],
    "zsh": ["-f", "-c", '. ./activate && printf "%s\\n%s\\n" "$VIRTUAL_ENV" "$(command -v python)"'],
    "fish": ["--no-config", "-c", "source activate.fish; and printf '%s\\n' $VIRTUAL_ENV (command -s python)"],
    "tcsh": ["-f", "-c", "set prompt = ''; source activate.csh; echo $VIRTUAL_ENV:q; sh -c 'command -v python'"],
}
"""By shell: arguments that activate the environment of the current directory, and print its path and its Python."""


def is_relocatable(environment: Path) -> bool:
    return "relocatable = true" in (environment / "pyvenv.cfg").read_text()


def has_script_of_uv(environment: Path) -> bool:
    """Return whether the activation script is uv's, which an upgrade keeps."""
    return "_OLD_SCRIPT_PATH" in (environment / "bin" / "activate").read_text()


def activation_problems(environment: Path) -> list[str]:
    """Return the shells in which the activation script sets another path or Python."""
    problems = []
    for shell, arguments in SHELLS.items():
        script = {"fish": "activate.fish", "tcsh": "activate.csh"}.get(shell, "activate")
        program = shutil.which(shell)
        if program is None or not (environment / "bin" / script).exists():
            continue
        if shell == "dash" and has_script_of_uv(environment) and is_relocatable(environment):
            continue  # uv's script can locate itself only in bash, ksh and zsh
        environ = {"PATH": os.environ["PATH"], "HOME": "/dev/null/home", "TERM": "dumb"}
        output = run(program, *arguments, environ=environ, cwd=environment / "bin").splitlines()
        expected = [str(environment), str(environment / "bin" / "python")]
        if output[:2] != expected:
            problems.append(f"{shell}: {output}")
    return problems
