"""Test the comparison with other tools: what the page says with a check mark is what the real tools do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.interpreters import pyenv
from tests.locks import package, pylock, sha256_of, simple_wheel
from tests.pages import DOCS
from tests.run import clean_environ
from tests.tools import require
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PAGE = DOCS / "explanation/comparison.md"
TESTED = " ✓"
TOOLS = ("cloche", "venv", "virtualenv", "uv")


def statements() -> dict[str, dict[str, str]]:
    """Return the tested rows of the tables: the statement, and what the page says about each tool."""
    rows: dict[str, dict[str, str]] = {}
    tools: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("| "):
            continue
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if not first:
            tools = cells
        elif first.endswith(TESTED):
            rows[first.removesuffix(TESTED)] = dict(zip(tools, cells, strict=True))
    return rows


def table_rows(page: Path) -> list[list[str]]:
    """Return the cells of all rows of the tables on a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]


class Bench:
    """A directory in which a tool creates environments, as a user with an empty home would."""

    def __init__(self, directory: Path) -> None:
        (directory / "home").mkdir()
        environ = clean_environ(directory / "home", directory / "cache")
        kept = {name: text for name, text in environ.items() if not name.startswith(("UV_", "VIRTUALENV_", "PIP_"))}
        self.environ = {**kept, "UV_PYTHON_DOWNLOADS": "never", "UV_OFFLINE": "1", "PYTHONWARNINGS": ""}
        self.cwd = directory / "work"
        self.cwd.mkdir()

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        return subprocess.run(
            words, cwd=self.cwd, env=self.environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )

    def succeeds(self, *command: object) -> bool:
        return self.run(*command).returncode == 0

    def create(self, tool: str, path: str, *options: str, python: str = sys.executable) -> bool:
        """Create an environment with a tool and its options; return whether it succeeded."""
        return self.succeeds(*self.command(tool, path, python, *options))

    def command(self, tool: str, path: str, python: str, *options: str) -> list[str]:
        """Return the command with which a tool creates an environment."""
        commands = {
            "cloche": [sys.executable, "-m", "cloche", f"./{path}", "-p", python],
            "venv": [python, "-m", "venv", path],
            "virtualenv": [sys.executable, "-m", "virtualenv", path, "-p", python],
            "uv": [require("uv"), "venv", path, "--python", python],
        }
        return [*commands[tool], *options]

    def help_of(self, tool: str, *words: str) -> str:
        commands = {
            "cloche": [sys.executable, "-m", "cloche"],
            "venv": [sys.executable, "-m", "venv"],
            "virtualenv": [sys.executable, "-m", "virtualenv"],
            "uv": [require("uv")],
        }
        return self.run(*commands[tool], *words, "--help").stdout


def other_minor() -> str:
    return "3.12" if sys.version_info[:2] != (3, 12) else "3.11"


def finds_pyenv(bench: Bench, tool: str) -> bool:
    minor = other_minor()
    root = pyenv(minor).rpartition("/versions/")[0]
    directories = bench.environ["PATH"].split(":")
    bench.environ["PATH"] = ":".join(name for name in directories if not shutil.which(f"python{minor}", path=name))
    bench.environ["PYENV_ROOT"] = root
    return tool != "venv" and bench.create(tool, "env", python=minor)


def installs_pip(bench: Bench, tool: str) -> bool:
    assert bench.create(tool, "env")
    return (bench.cwd / "env/bin/pip").exists()


def pip_is_compiled(bench: Bench, tool: str) -> bool:
    options = ["--no-download"] if tool == "virtualenv" else []
    for name in ("first", "second"):
        assert bench.create(tool, name, *options)
    return any((bench.cwd / "second").glob("lib/*/site-packages/pip/__pycache__/*.pyc"))


def clear_refuses(bench: Bench, tool: str) -> bool:
    """Whether a tool refuses to clear a directory that is not an environment, and leaves its file alone."""
    file = bench.cwd / "data/file"
    file.parent.mkdir()
    file.write_text("mine")
    done = bench.run(*bench.command(tool, "data", sys.executable, "--clear"))
    if done.returncode == 0:
        assert (bench.cwd / "data/pyvenv.cfg").exists()
        assert not file.exists()
        return False
    assert done.returncode == {"cloche": 4, "uv": 2}[tool], done.stderr
    assert file.read_text() == "mine"
    return os.listdir(file.parent) == ["file"]


def clear_keeps_files(bench: Bench, tool: str) -> bool:
    """Whether a file that a user has put into an environment is still there after a tool has replaced the environment."""
    assert bench.create(tool, "env")
    (bench.cwd / "env/file").write_text("mine")
    assert bench.create(tool, "env", "--clear")
    return (bench.cwd / "env/file").exists() and (bench.cwd / "env/file").read_text() == "mine"


def ignores(bench: Bench, tool: str) -> bool:
    assert bench.create(tool, "env", python=pyenv("3.11"))
    return (bench.cwd / "env/.gitignore").exists()


def installs_lock(bench: Bench, tool: str) -> bool:
    wheel = simple_wheel(bench.cwd, "demo")
    entry = {"path": wheel.name, "hashes": {"sha256": sha256_of(wheel)}}
    (bench.cwd / "pylock.toml").write_text(pylock([package("demo", wheels=[entry])]))
    if tool == "cloche":
        return bench.create(tool, "env", "--lock", "pylock.toml")
    if tool == "uv":
        assert bench.create(tool, "env")
        options = ("--preview-features", "pylock", "--python", "env", "pylock.toml")
        return bench.succeeds(require("uv"), "pip", "sync", *options)
    return "--lock" in bench.help_of(tool)


def resolves(bench: Bench, tool: str) -> bool:
    return bench.succeeds(require("uv"), "lock", "--help") if tool == "uv" else "resolve" in bench.help_of(tool)


def has_script(name: str) -> Callable[[Bench, str], bool]:
    def found(bench: Bench, tool: str) -> bool:
        assert bench.create(tool, "env")
        return (bench.cwd / "env/bin" / name).exists()

    return found


def pip_runs_after_mv(bench: Bench, tool: str, *options: str) -> bool:
    if tool == "uv":  # uv takes pip from the index, and this shows the same: it has a script as well
        options = (*options, "--seed", "--find-links", str(bench.cwd / "wheels"))
        (bench.cwd / "wheels").mkdir()
        copy_pip_wheel(bench)
    assert bench.create(tool, "env", *options, python=pyenv("3.12"))  # for older Pythons, uv also seeds setuptools
    (bench.cwd / "env").rename(bench.cwd / "moved")
    try:
        return bench.succeeds(bench.cwd / "moved/bin/pip", "--version")
    except OSError:  # the first line of the script names a file that does not exist any more
        return False


def copy_pip_wheel(bench: Bench) -> None:
    """Put the wheel of pip that `ensurepip` has into a directory."""
    code = (
        "import ensurepip, pathlib; print(next((pathlib.Path(ensurepip.__file__).parent / '_bundled').glob('pip-*')))"
    )
    wheel = bench.run(pyenv("3.12"), "-c", code).stdout.strip()
    shutil.copy(wheel, bench.cwd / "wheels")


def lists_command(bench: Bench, tool: str, *names: str) -> bool:
    """Whether the help of a tool lists a command with one of these names."""
    text = bench.help_of(tool)
    assert "usage" in text.lower()
    return any(re.search(rf"^ +{name}\b", text, re.MULTILINE) for name in names)


def cloche(*words: object) -> list[object]:
    """Return a command of cloche."""
    return [sys.executable, "-m", "cloche", *words]


def create_with_demo(bench: Bench, tool: str) -> None:
    """Create the environment `env`, with a package that has a script, and check that the script runs."""
    assert bench.create(tool, "env")
    wheel = simple_wheel(bench.cwd, "demo")
    assert bench.succeeds(require("uv"), "pip", "install", "--quiet", "--python", "env", wheel)
    assert demo_runs(bench, "env")


def demo_runs(bench: Bench, path: str) -> bool:
    try:
        return bench.run(bench.cwd / path / "bin/demo").stdout == "1.0\n"
    except OSError:  # the first line of the script names a file that does not exist any more
        return False


def repairs(bench: Bench, tool: str) -> bool:
    """Whether the command that changes an existing environment makes one work that was moved by `mv`."""
    create_with_demo(bench, tool)
    (bench.cwd / "env").rename(bench.cwd / "moved")
    assert not demo_runs(bench, "moved")
    commands: dict[str, list[object]] = {
        "cloche": cloche("doctor", "--fix", "moved"),
        "venv": [sys.executable, "-m", "venv", "--upgrade", "moved"],
        "virtualenv": [*bench.command(tool, "moved", sys.executable)],
        "uv": [*bench.command(tool, "moved", sys.executable, "--allow-existing")],
    }
    assert bench.succeeds(*commands[tool])
    return demo_runs(bench, "moved")


def moves(bench: Bench, tool: str) -> bool:
    if tool != "cloche":
        return lists_command(bench, tool, "move", "relocate")
    create_with_demo(bench, tool)
    assert bench.succeeds(*cloche("move", "env", "moved"))
    return demo_runs(bench, "moved") and not (bench.cwd / "env").exists()


def changes_python(bench: Bench, tool: str) -> bool:
    """Whether the command that changes an existing environment gives it another Python that still has its packages."""
    create_with_demo(bench, tool)
    python = pyenv(other_minor())
    commands: dict[str, list[object]] = {
        "cloche": cloche("upgrade", "env", "-p", python),
        "venv": [python, "-m", "venv", "--upgrade", "env"],
        "virtualenv": [*bench.command(tool, "env", python)],
        "uv": [*bench.command(tool, "env", python, "--allow-existing")],
    }
    assert bench.succeeds(*commands[tool])
    code = "import demo, sys; print('%d.%d' % sys.version_info[:2])"
    return bench.run(bench.cwd / "env/bin/python", "-c", code).stdout == f"{other_minor()}\n" and demo_runs(
        bench, "env"
    )


def finds_changes(bench: Bench, tool: str) -> bool:
    if tool != "cloche":
        return lists_command(bench, tool, "verify")
    create_with_demo(bench, tool)
    assert bench.succeeds(*cloche("verify", "env"))
    (module,) = (bench.cwd / "env").glob("lib/*/site-packages/demo/__init__.py")
    module.unlink()  # it may be a hard link
    module.write_text("version = '2.0'\n")
    done = bench.run(*cloche("verify", "env"))
    return done.returncode == 1 and "demo/__init__.py" in done.stdout


def packs(bench: Bench, tool: str) -> bool:
    if tool != "cloche":
        return lists_command(bench, tool, "pack")
    assert bench.create(tool, "env", "--creator", "portable", "--no-seed")
    assert bench.succeeds(*cloche("pack", "env", "-o", "env.tar.gz"))
    shutil.rmtree(bench.cwd / "env")
    assert bench.succeeds(*cloche("unpack", "env.tar.gz", "there"))
    return bench.succeeds(bench.cwd / "there/bin/python", "-c", "import json")


def keeps_the_old(bench: Bench, tool: str) -> bool:
    """Whether an environment is unchanged after a run that was to replace it, and could not write files of some kilobytes."""
    assert bench.create(tool, "env")
    before = snapshot(bench.cwd / "env")
    command = bench.command(tool, "env", sys.executable, "--clear")
    bench.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # Python does not notice that its own files are truncated
    assert not bench.succeeds("sh", "-c", 'ulimit -f 2; exec "$@"', "sh", *command)
    return snapshot(bench.cwd / "env") == before


def contains_python(bench: Bench, tool: str, *options: str) -> bool:
    assert bench.create(tool, "env", *options)
    code = "import os; print(os.__file__)"
    return str(bench.cwd) in bench.run(bench.cwd / "env/bin/python", "-c", code).stdout


CHECKS: Mapping[str, Callable[..., bool]] = {
    "finds a Python of pyenv that is not active": finds_pyenv,
    "installs pip by default": installs_pip,
    "pip is already compiled in the second environment": pip_is_compiled,
    "`--clear` refuses a directory that is not an environment": clear_refuses,
    "`--clear` keeps your files in an environment": clear_keeps_files,
    "writes a `.gitignore` for Python 3.12 and earlier": ignores,
    "installs from a lock file": installs_lock,
    "resolves dependencies and writes a lock file": resolves,
    "activates in Nushell": has_script("activate.nu"),
    "activates in xonsh": has_script("activate.xsh"),
    "programs still run after `mv`": pip_runs_after_mv,
    "a failure leaves the old environment as it was": keeps_the_old,
    "repairs an environment after `mv`": repairs,
    "moves an environment": moves,
    "switches to another minor version of Python and keeps the packages": changes_python,
    "finds files that have changed since they were installed": finds_changes,
    "the environment contains its Python": contains_python,
    "writes an environment as one file": packs,
}
CASES = [
    (statement, tool, said)
    for statement, by_tool in statements().items()
    for tool, said in by_tool.items()
    if tool in TOOLS  # conda-pack needs an environment of conda
]


def test_every_check_mark_has_a_test() -> None:
    assert set(statements()) == set(CHECKS)


def test_the_front_page_says_the_same() -> None:
    """A row that is on both pages has the same cells."""
    front = {row[0]: row[1:] for row in table_rows(DOCS / "index.md")}
    full = {row[0].removesuffix(TESTED): row[1:] for row in table_rows(PAGE)}
    common = {name for name in front.keys() & full.keys() if name.strip("- ")}
    assert len(common) >= 3
    assert {name: front[name] for name in common} == {name: full[name] for name in common}


@pytest.mark.nightly
@pytest.mark.parametrize(("statement", "tool", "said"), CASES)
def test_a_tool_does_what_the_page_says(statement: str, tool: str, said: str, tmp_path: Path) -> None:
    check = CHECKS[statement]

    assert said.startswith(("yes", "no", "with"))
    (tmp_path / "plain").mkdir()
    assert check(Bench(tmp_path / "plain"), tool) is (said == "yes")
    if said.startswith("with `"):
        (tmp_path / "with").mkdir()
        assert check(Bench(tmp_path / "with"), tool, *said.removeprefix("with ").strip("`").split())
