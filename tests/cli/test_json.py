"""Test that `--json` prints one object on standard output, whatever happens, and that warnings are in it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche as api
from cloche.cli.commands import COMMANDS
from cloche.cli.json_output import as_json
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line in a directory with the environment `venv`."""
    (tmp_path / "work").mkdir()
    api.create(tmp_path / "work" / "venv", seeds=None)
    return Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))


ERRORS = {
    "unknown option": ("--frobnicate", "UsageError", 2),
    "unknown option after the command": ("info --frobnicate", "UsageError", 2),
    "invalid value": ("./e --link-mode teleport", "UsageError", 2),
    "misread command": ("hlep", "UsageError", 2),
    "too many arguments": ("info a b", "UsageError", 2),
    "too few arguments": ("move a", "UsageError", 2),
    "no default environment": ("doctor", "UsageError", 2),
    "unknown action": ("cache empty", "UsageError", 2),
    "unknown topic": ("help nothing", "UsageError", 2),
    "contradiction": ("./e --download --no-download", "UsageError", 2),
    "no interpreter": ("./e -p 3.99", "InterpreterNotFound", 3),
    "no interpreter to list": ("pythons 3.99", "InterpreterNotFound", 3),
    "not an environment": ("info nowhere", "DestinationError", 4),
    "nothing to upgrade": ("upgrade nowhere", "DestinationError", 4),
    "nothing to activate": ("activate nowhere", "DestinationError", 4),
    "nothing to run in": ("run nowhere -- python", "DestinationError", 4),
    "nothing to move": ("move nowhere there", "DestinationError", 4),
    "missing seed": ("./e --seed no-such-seed --no-download", "SeedError", 5),
    "unknown component": ("./e --creator wishes", "UsageError", 2),
}


@pytest.mark.parametrize(("words", "kind", "code"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_is_printed_as_json_and_as_a_message(cloche: Cloche, words: str, kind: str, code: int) -> None:
    first, *others = words.split()

    done = cloche(first, "--json", *others)

    assert done.code == code, done.err
    assert done.json["schema_version"] == 1
    assert done.json["warnings"] == []
    error = done.json["error"]
    assert (error["kind"], error["exit_code"]) == (kind, code)
    message, *hint = done.err.splitlines()
    assert message == f"cloche: error: {error['message']}"
    assert hint == (f"hint: {error['hint']}".splitlines() if error["hint"] else [])


@pytest.mark.parametrize("variables", [{"CLOCHE_JSON": "1"}, {"CLOCHE_JSON": "maybe"}], ids=str)
def test_an_error_is_printed_as_json_if_a_variable_asks_for_it(cloche: Cloche, variables: dict[str, str]) -> None:
    done = cloche("info", "nowhere", **variables)

    assert done.code == (4 if variables["CLOCHE_JSON"] == "1" else 2)
    assert bool(done.out) == (variables["CLOCHE_JSON"] == "1"), "an invalid value asks for nothing"


RESULTS = {
    "create": "./e --no-seed",
    "dry run": "./e --no-seed --dry-run",
    "pythons": "pythons",
    "info": "info venv",
    "doctor": "doctor venv",
    "verify": "verify venv",
    "move": "move venv other",
    "upgrade": "upgrade venv --check",
    "activate": "activate venv",
    "pack": "pack venv -o venv.zip",
    "unpack": "unpack venv.zip there",
    "plugins": "plugins",
    "cache": "cache dir",
    "config": "config",
    "error": "info nowhere",
    "usage error": "info a b",
    "error of doctor": "doctor nowhere",
}


@pytest.mark.parametrize("words", RESULTS.values(), ids=RESULTS.keys())
@pytest.mark.parametrize("quiet", [[], ["-qq"]], ids=["loud", "quiet"])
def test_every_object_has_the_warnings(cloche: Cloche, words: str, quiet: list[str]) -> None:
    done = cloche(*words.split(), *quiet, "--json", CLOCHE_PROMT="x", CLOCHE_DISABLE_PLUGINS="missing")

    warning = "unknown variable `CLOCHE_PROMT`; did you mean `CLOCHE_PROMPT`?"
    usage_error = "info a b" in words
    assert (warning in done.json["warnings"]) is not usage_error, "the settings are not read for a usage error"
    assert (f"cloche: warning: {warning}" in done.err) is (not quiet and not usage_error)
    if "result" in done.json:
        assert done.json["result"]["warnings"] == done.json["warnings"]


def test_notes_about_the_plan_are_warnings_of_the_result(cloche: Cloche) -> None:
    assert cloche("./e", "--pip", "24.0", "--find-links", "nowhere", CLOCHE_NO_DOWNLOAD="1").code in (0, 5)
    done = cloche("venv", "--relocatable", "--no-seed", "--json")

    assert done.json["plan"]["notes"], "a fixed environment does not become relocatable"
    assert done.json["result"]["warnings"] == done.json["plan"]["notes"] == done.json["warnings"]


def test_an_error_of_doctor_has_its_hint(cloche: Cloche) -> None:
    text, found = cloche("doctor", "nowhere"), cloche("doctor", "nowhere", "--json").json["environments"][0]

    assert text.err == f"cloche: error: {found['error']}\nhint: {found['hint']}\n"


def test_an_interpreter_that_is_not_found_is_in_the_object(cloche: Cloche) -> None:
    found = cloche("pythons", "3.99", "--json").json

    assert found["chosen"] is None
    assert found["error"]["exit_code"] == 3


def test_the_version_is_printed_as_json(cloche: Cloche) -> None:
    assert cloche("--version", "--json").json == {"schema_version": 1, "version": api.__version__, "warnings": []}


INTERRUPTED = """
import os, signal, sys
from cloche.cli import dispatch
dispatch.dispatch = lambda _: os.kill(os.getpid(), signal.SIGTERM) or sys.stdin.read()
sys.exit(dispatch.run_command(["--json"], 0.0))
"""


def test_an_interruption_is_printed_as_json() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)

    assert done.returncode == 143
    assert '"kind": "Interrupted"' in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="every path on Windows is valid Unicode")
def test_a_path_that_is_not_utf_8_becomes_valid_json(cloche: Cloche) -> None:
    done = cloche("info", os.fsdecode(b"not \xff utf-8"), "--json")

    assert "not \\xff utf-8" in done.json["error"]["message"]
    assert "\\ud" not in done.out


def test_every_string_becomes_valid_unicode() -> None:
    assert as_json({"\udcff": ["\ud800", "é", "a"]}) == {"\\xff": ["\\ud800", "é", "a"]}


def test_every_command_is_tested() -> None:
    assert COMMANDS.keys() - {words.split()[0] for words in RESULTS.values()} == {
        "create",
        "run",
        "completion",
        "help",
    }, "standard output belongs to the program, the shell or the reader"
