"""Test the comparisons with other tools: cloche accepts its side of each row, and the other tool has the options in the table."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.cli.command_spec import COMMON
from cloche.cli.commands import COMMANDS
from cloche.cli.parser import options_by_spelling, parse_arguments
from tests.interpreters import pyenv
from tests.pages import DOCS
from tests.run import Cloche, clean_environ
from tests.test_docs import variables
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Mapping

COMING_FROM = sorted(DOCS.glob("coming-from/*.md"))


def spellings(path: Path, column: int) -> list[str]:
    """Return the code spans in one column of the tables of a page."""
    rows = [line.split(" | ") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [text for row in rows if len(row) > column for text in re.findall(r"`([^`]+)`", row[column])]


def arguments_of(spelling: str) -> list[str]:
    """Return the arguments of a command line."""
    return shlex.split(spelling)[1:]


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_command_of_cloche_is_valid(path: Path) -> None:
    commands = [text for text in spellings(path, 1) if text.startswith("cloche ")]

    assert len(commands) > 10
    for text in commands:
        parse_arguments(arguments_of(text)).check()


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_option_in_the_remarks_exists(path: Path) -> None:
    options = {text.split()[0] for text in spellings(path, 2) if text.startswith("--")}
    known = options_by_spelling((*COMMON, *COMMANDS["create"].options))

    assert {option for option in options if option not in known} <= {"--all"}


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_variable_of_cloche_exists(path: Path) -> None:
    mentioned = {text.partition("=")[0] for text in spellings(path, 1) if text.startswith("CLOCHE_")}

    assert mentioned <= variables()


@pytest.mark.parametrize("path", COMING_FROM, ids=lambda path: path.stem)
def test_every_call_of_the_python_interface_is_valid(path: Path) -> None:
    for text in spellings(path, 1):
        if text.startswith("cloche.") and text.endswith(")"):
            call = ast.parse(text, mode="eval").body
            assert isinstance(call, ast.Call)
            assert {keyword.arg for keyword in call.keywords} <= set(inspect.signature(cloche.create).parameters)
            assert text.partition("(")[0].removeprefix("cloche.") in cloche.__all__


def test_every_command_of_virtualenv_is_accepted() -> None:
    commands = [text for text in spellings(DOCS / "coming-from/virtualenv.md", 0) if text.startswith("virtualenv ")]

    assert len(commands) > 20
    for text in commands:
        parse_arguments([*arguments_of(text), *([] if ".venv" in text else [".venv"])]).check()


@pytest.mark.parametrize(
    ("page_name", "prefix", "help_command"),
    [
        ("venv", "python3 -m venv ", [sys.executable, "-m", "venv", "--help"]),
        ("virtualenv", "virtualenv ", ["virtualenv", "--help"]),
        ("uv", "uv venv", ["uv", "venv", "--help"]),
    ],
)
def test_the_other_tool_has_the_compared_options(page_name: str, prefix: str, help_command: list[str]) -> None:
    """The installed version is tested, so options that `venv` has only in newer Pythons may be missing."""
    program = require(help_command[0])
    help_text = subprocess.run([program, *help_command[1:]], capture_output=True, text=True, check=True).stdout
    commands = [text for text in spellings(DOCS / f"coming-from/{page_name}.md", 0) if text.startswith(prefix)]
    newer = {"--without-scm-ignore-files"} if sys.version_info < (3, 13) else set()

    assert commands
    options = {word for text in commands for word in text.split() if word.startswith("--")}
    assert {option for option in options if option not in help_text} <= newer


# The statements about the other tools, by the real tools


@pytest.fixture
def home(tmp_path: Path) -> Cloche:
    """The command line of a user in the directory `work`, without settings for any of the tools."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    kept = {name: text for name, text in environ.items() if not name.startswith(("UV_", "VIRTUALENV_", "PIP_"))}
    return Cloche(tmp_path / "work", {**kept, "UV_PYTHON_DOWNLOADS": "never", "UV_OFFLINE": "1", "PYTHONWARNINGS": ""})


def run_tool(home: Cloche, name: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run another tool in the directory of a user; return the exit code and all output."""
    done = subprocess.run(
        [require(name), *arguments],
        cwd=home.cwd,
        env={**home.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def settings_of(environment: Path) -> Mapping[str, str]:
    """Return the keys and values in `pyvenv.cfg`."""
    lines = (environment / "pyvenv.cfg").read_text().splitlines()
    return {key.strip(): text.strip() for key, _, text in (line.partition("=") for line in lines)}


def test_uv_shows_the_current_directory_only_without_a_path(home: Cloche) -> None:
    for path in ((), ("named",)):
        code, output = run_tool(home, "uv", "venv", "--python", sys.executable, *path)
        assert code == 0, output
    assert settings_of(home.cwd / ".venv")["prompt"] == "work"
    assert "prompt" not in settings_of(home.cwd / "named")
    assert home(".venv", "--clear", "--no-seed", "--json").json["plan"]["environment"]["prompt"] == ".venv"


def test_uv_refuses_an_environment_and_clears_a_directory_only_by_force(home: Cloche) -> None:
    venv = ("venv", "--python", sys.executable)
    assert run_tool(home, "uv", *venv)[0] == 0
    assert run_tool(home, "uv", *venv)[0] != 0
    assert home("--no-seed", "-p", sys.executable, ".venv").code == 0
    for run in (lambda *words: run_tool(home, "uv", *venv, *words)[0], lambda *words: home("--no-seed", *words).code):
        (home.cwd / "data").mkdir(exist_ok=True)
        (home.cwd / "data" / "file").touch()
        assert run("--clear", "data") != 0
        assert (home.cwd / "data" / "file").exists()
        assert run("--clear", "--force", "data") == 0
        assert not (home.cwd / "data" / "file").exists()
        subprocess.run(["rm", "-r", home.cwd / "data"], check=True)


def test_uv_works_in_an_environment_of_cloche(home: Cloche) -> None:
    (home.cwd / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\n')
    assert home(".venv", "--no-seed").code == 0
    before = (home.cwd / ".venv").stat().st_ino

    assert run_tool(home, "uv", "sync")[0] == 0
    code, output = run_tool(home, "uv", "run", "python", "-c", "import sys; print(sys.prefix)")

    assert (code, output.splitlines()[-1]) == (0, str(home.cwd / ".venv"))
    assert run_tool(home, "uv", "pip", "list", "--python", ".venv")[0] == 0
    assert (home.cwd / ".venv").stat().st_ino == before


def test_venv_empties_any_directory(home: Cloche) -> None:
    (home.cwd / "data").mkdir()
    (home.cwd / "data" / "file").touch()
    assert home("data", "--clear", "--no-seed").code == 4
    assert run_tool(home, sys.executable, "-m", "venv", "--without-pip", "--clear", "data")[0] == 0
    assert not (home.cwd / "data" / "file").exists()


def test_what_stays_the_same_as_with_virtualenv(home: Cloche) -> None:
    python = pyenv("3.11")
    code, output = run_tool(home, "virtualenv", "-p", python, "theirs")
    assert code == 0, output
    assert home("ours", "-p", python).code == 0

    theirs, ours = ({*settings_of(home.cwd / name)} for name in ("theirs", "ours"))
    assert theirs - {"virtualenv"} == ours - {"cloche"}
    theirs, ours = ({path.name for path in (home.cwd / name / "bin").glob("activate*")} for name in ("theirs", "ours"))
    assert theirs - ours == {"activate.nu", "activate.xsh"}
    packages = {
        name: {path.name.partition("-")[0] for path in (home.cwd / name).glob("lib/*/site-packages/*.dist-info")}
        for name in ("theirs", "ours")
    }
    assert packages == {"theirs": {"pip", "setuptools"}, "ours": {"pip"}}


def test_virtualenv_uses_the_first_python_that_is_found(home: Cloche) -> None:
    python = pyenv("3.12")
    assert run_tool(home, "virtualenv", "--no-seed", "-p", "3.99", "-p", python, "theirs")[0] == 0
    assert home("ours", "--no-seed", "-p", "3.99", "-p", python).code == 0
    assert settings_of(home.cwd / "theirs")["version"] == settings_of(home.cwd / "ours")["version"]


@pytest.mark.parametrize(
    "command",
    [
        "info conda",
        "doctor conda",
        "doctor --fix conda",
        "verify conda",
        "move conda moved",
        "upgrade conda",
        "pack conda -o packed.tar.gz",
        "run conda -- python -c 1",
        "activate conda",
        "./conda",
        "./conda --clear",
        "./conda --clear --force",
    ],
)
def test_an_environment_of_conda_is_refused(home: Cloche, command: str) -> None:
    (home.cwd / "conda" / "conda-meta").mkdir(parents=True)
    (home.cwd / "conda" / "bin").mkdir()
    (home.cwd / "conda" / "bin" / "python").symlink_to(sys.executable)

    done = home(*command.split())

    [error, hint] = done.err.splitlines()
    assert done.code == (1 if "doctor" in command else 4)
    assert error == f"cloche: error: `{home.cwd / 'conda'}` is a conda environment, which only `conda` can change"
    assert hint == f"hint: `cloche .venv -p {home.cwd / 'conda'}` creates an environment that uses its Python"
    assert sorted(path.name for path in home.cwd.rglob("*")) == ["bin", "conda", "conda-meta", "python"]


def test_an_environment_can_use_the_python_of_conda(home: Cloche) -> None:
    """The Python of an environment is meant by its directory, by its executable, or as the base of `venv`."""
    conda = home.cwd / "conda"
    shutil.copytree(Path(pyenv("3.12")).parent.parent, conda, symlinks=True, ignore=shutil.ignore_patterns("test*"))
    (conda / "conda-meta").mkdir()
    for number, python in enumerate([conda, conda / "bin" / "python3.12"]):
        done = home(f"./env{number}", "--no-seed", "-p", python)
        assert (done.code, done.err) == (0, "")
        assert settings_of(home.cwd / f"env{number}")["home"] == str(conda / "bin")
