"""Test the environment variables and the settings of the programs that cloche runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.model.value import replace
from cloche.programs import python_environ, shell_environ
from cloche.store.pip import FIXED_VARIABLES, kept_settings, pip_environ, run_pip
from cloche.testing.fakes import fake_host
from tests.distributions import host_with_home, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.model.interpreter import Host

PIP = (sys.executable, "-m", "pip")


@pytest.mark.parametrize(
    "name",
    [
        *("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONSTARTUP", "PYTHON_GIL", "PythonHome"),
        *("_PYTHON_HOST_PLATFORM", "_PYTHON_SYSCONFIGDATA_NAME", "_PYTHON_PROJECT_BASE", "__PYVENV_LAUNCHER__"),
    ],
)
def test_variables_that_change_python_do_not_reach_it(name: str) -> None:
    assert python_environ({name: "x", "PATH": "/bin", "LANG": "C"}) == {"PATH": "/bin", "LANG": "C"}


@pytest.mark.parametrize("name", ["BASH_ENV", "ENV", "ZDOTDIR", "BASH_FUNC_cd%%", "VIRTUAL_ENV", "PYTHONHOME"])
def test_variables_that_run_startup_files_do_not_reach_a_shell(name: str) -> None:
    assert shell_environ({name: "x", "PATH": "/bin"}) == {"PATH": "/bin"}


LISTING = """\
:env:.index-url='https://variable.example'
:env:.target='/elsewhere'
download.no-index='true'
global.find-links='/wheels\\nwheels https://links.example'
global.index-url='https://file.example'
global.user='true'
install.cert="/it's.pem"
install.prefix='/elsewhere'
install.timeout='7'
:env:.timeout=''
global.timeout='3'
nonsense
"""


def test_settings_for_the_index_are_kept_and_those_for_the_place_are_dropped() -> None:
    assert kept_settings(LISTING, "install", "/project") == {
        "index-url": "https://variable.example",
        "find-links": "/wheels /project/wheels https://links.example",
        "cert": "/it's.pem",
        "timeout": "7",
    }
    assert kept_settings(LISTING, "download", "/project")["no-index"] == "true"


def test_pip_gets_the_kept_settings_and_no_others() -> None:
    environ = {"PIP_TARGET": "/t", "pip_user": "1", "PATH": "/bin", "HTTPS_PROXY": "p", "VIRTUAL_ENV": "/v"}

    assert pip_environ(environ, {"index-url": "https://x.example"}) == {
        "PATH": "/bin",
        "HTTPS_PROXY": "p",
        "PIP_INDEX_URL": "https://x.example",
        **FIXED_VARIABLES,
    }


# The real pip


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A user with a home directory, and one wheel that `pip.conf` makes available."""
    make_wheel(tmp_path / "wheels")
    return replace(host_with_home(tmp_path / "home"), cwd=str(tmp_path))


REDIRECTIONS = [
    "target = {}/elsewhere",
    "prefix = {}/elsewhere",
    "root = {}/elsewhere",
    "user = true",
    "dry-run = true",
    "require-virtualenv = true",
    "requirement = {}/missing.txt",
    "report = {}/elsewhere",
    "src = {}/elsewhere",
    "python = {}/elsewhere",
    "log = {}/missing/pip.log",
    "quiet = 3",
]


@pytest.mark.parametrize("kind", ["user", "variable file", "variable"])
@pytest.mark.parametrize("setting", REDIRECTIONS)
def test_no_setting_changes_where_pip_installs(setting: str, kind: str, host: Host, tmp_path: Path) -> None:
    name, _, text = setting.format(tmp_path).partition(" = ")
    index = "no-index = true\nfind-links = wheels\n"
    config = tmp_path / "home" / ".config" / "pip" / "pip.conf"
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "home" / ".config"), "PATH": os.environ["PATH"]}
    if kind == "variable file":
        config = tmp_path / "pip.conf"
        variables["PIP_CONFIG_FILE"] = str(config)
    if kind == "variable":
        variables[f"PIP_{name.replace('-', '_').upper()}"] = text
        setting = ""
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"[global]\n{index}[download]\n{setting.format(tmp_path)}\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "to").mkdir()

    ran = run_pip(
        PIP,
        ["download", "--no-deps", "--dest", str(tmp_path / "to"), "spam"],
        replace(host, environ={**host.environ, **variables}),
        str(tmp_path / "run"),
    )

    assert ran.problem == ""
    assert os.listdir(tmp_path / "to") == ["spam-1.0-py3-none-any.whl"]
    assert os.listdir(tmp_path / "run") == []
    assert not (tmp_path / "elsewhere").exists()


def test_a_configuration_that_pip_cannot_read_is_the_problem(host: Host, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("target = nowhere\n")

    ran = run_pip(
        PIP, ["download", "spam"], replace(host, environ={"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}), str(tmp_path)
    )

    assert ran.problem.startswith("cannot read its settings: Configuration file could not be loaded. ")
    assert str(tmp_path / "pip.conf") in ran.problem


def test_the_error_of_a_pip_that_fails_is_the_last_line_of_its_traceback(tmp_path: Path) -> None:
    pip = tmp_path / "pip.py"
    pip.write_text(
        "import sys\nif 'config' not in sys.argv:\n    print('ERROR: Exception:', file=sys.stderr)\n    open('/gone/file')\n"
    )
    ran = run_pip([sys.executable, "-I", str(pip)], ["download"], fake_host(), str(tmp_path))
    assert ran.problem == "FileNotFoundError: [Errno 2] No such file or directory: '/gone/file'"


RETRYING = "Retrying (Retry(total=0)) after connection broken by"


@pytest.mark.parametrize(
    ("warning", "reason"),
    [
        (f"{RETRYING} 'NewConnectionError('<X>: failed: [Errno 111] Refused')': /x/", " ([Errno 111] Refused)"),
        ("The repository located at x is not trusted", " (The repository located at x is not trusted)"),
        ("A new release of pip is available", ""),
    ],
)
def test_an_index_that_pip_cannot_reach_is_part_of_the_problem(warning: str, reason: str, tmp_path: Path) -> None:
    """The error of pip only says that it found nothing."""
    pip = tmp_path / "pip.py"
    error = "No matching distribution found for spam"
    lines = f"WARNING: {warning}\nERROR: {error}\n"
    pip.write_text(f"import sys\nif 'config' not in sys.argv:\n    sys.stderr.write({lines!r})\n    sys.exit(1)\n")
    ran = run_pip([sys.executable, "-I", str(pip)], ["download"], fake_host(), str(tmp_path))
    assert ran.problem == error + reason


def test_a_pip_that_cannot_be_run_is_the_problem(tmp_path: Path) -> None:
    missing = str(tmp_path / "python")
    ran = run_pip([missing, "-m", "pip"], ["download"], fake_host(), str(tmp_path))
    assert ran.problem == f"`{missing}` cannot be run (no such file or directory)"
    without = [sys.executable, "-S", "-m", "pip"]
    assert run_pip(without, ["download"], fake_host(), str(tmp_path)).problem == f"`{sys.executable}` has no pip"
