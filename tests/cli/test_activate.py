"""`cloche activate`: a line to evaluate in any shell, and the variables for those that nobody knows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest

import cloche as api
from cloche.cli.activate import dotenv
from cloche.errors import Inexpressible
from tests.run import Cloche, clean_environ
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOSTILE = "it's  $(touch PWNED)!`x`;#"

EVALUATE = {
    "bash": ["bash", "-c", 'eval "$(cloche activate "$ASKED")"; printf %s "$VIRTUAL_ENV"'],
    "dash": ["dash", "-c", 'eval "$(cloche activate "$ASKED" --shell dash)"; printf %s "$VIRTUAL_ENV"'],
    "zsh": ["zsh", "-f", "-c", 'eval "$(cloche activate "$ASKED")"; printf %s "$VIRTUAL_ENV"'],
    "fish": ["fish", "--no-config", "-c", "cloche activate $ASKED | source; printf %s $VIRTUAL_ENV"],
    "tcsh": ["tcsh", "-f", "-c", 'cd $ASKED:q; eval "`cloche activate . --shell tcsh`"; printf %s $VIRTUAL_ENV:q'],
    "pwsh": [
        "pwsh",
        "-NoProfile",
        "-Command",
        ". ([scriptblock]::Create((cloche activate $env:ASKED --shell pwsh))); [Console]::Write($env:VIRTUAL_ENV)",
    ],
}
"""What to type into each shell; the environment is in a variable, because quoting it is not what is tested."""


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    return Cloche(tmp_path, clean_environ(tmp_path / "home", tmp_path / "cache"))


def with_tools(cloche: Cloche) -> dict[str, str]:
    """Return the variables for a shell in which `cloche` is a command."""
    tools = cloche.cwd / "tools"
    tools.mkdir()
    tool = tools / "cloche"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cloche "$@"\n')
    tool.chmod(0o755)
    return {**cloche.environ, "PATH": f"{tools}:{cloche.environ['PATH']}"}


@pytest.mark.parametrize("command", EVALUATE.values(), ids=EVALUATE.keys())
def test_evaluating_the_line_activates(cloche: Cloche, command: Sequence[str]) -> None:
    made = api.create(cloche.cwd / HOSTILE, seeds=None)
    done = subprocess.run(
        [require(command[0]), *command[1:]],
        cwd=cloche.cwd,
        env={**with_tools(cloche), "ASKED": made.location},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.returncode) == (made.location, 0), done.stderr
    assert not (cloche.cwd / "PWNED").exists()


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "fish", "tcsh"])
@pytest.mark.parametrize("name", ["-n", "~root", "a\\b", "it's"])
def test_the_line_that_is_shown_when_one_is_made_can_be_pasted(cloche: Cloche, shell: str, name: str) -> None:
    flags = {"zsh": ["-f"], "fish": ["--no-config"], "tcsh": ["-f"], "bash": ["--norc"], "dash": []}[shell]
    program = require(shell)
    done = cloche("--no-seed", "--", name, SHELL=f"/bin/{shell}")
    line = done.out.partition("activate with: ")[2].strip()
    tell = "printf %s $VIRTUAL_ENV:q" if shell == "tcsh" else 'printf %s "$VIRTUAL_ENV"'
    ran = subprocess.run(
        [program, *flags, "-c", f"{line}\n{tell}" if shell != "tcsh" else f"set prompt = ''; {line}; {tell}"],
        cwd=cloche.cwd,
        env=cloche.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.returncode) == (str(cloche.cwd / name), 0), (line, ran.stderr)


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("nushell", 'overlay use "{}/activate.nu"'),
        ("elvish", "eval (slurp < '{}/activate.elv')"),
        ("xonsh", "source '{}/activate.xsh'"),
        ("cmd", '"{}/activate.bat"'),
    ],
)
def test_scripts_of_plugins_and_of_other_makers_have_their_line_too(cloche: Cloche, shell: str, line: str) -> None:
    made = api.create(cloche.cwd / "an env", seeds=None, activators=())
    for name in ("activate.nu", "activate.elv", "activate.xsh", "activate.bat"):
        (made.bin / name).touch()

    assert cloche("activate", "an env", "--shell", shell).out == line.format(made.bin) + "\n"


def test_an_environment_of_venv_is_activated_as_well(cloche: Cloche) -> None:
    venv.create(cloche.cwd / "theirs", with_pip=False)
    scripts = cloche.cwd / "theirs" / "bin"

    assert cloche("activate", "theirs", "--shell", "pwsh").out == f". {scripts}/Activate.ps1\n"
    assert cloche("activate", "theirs", "--shell", "bash").out == f"source {scripts}/activate\n"


def test_what_is_not_there_is_told_with_what_does_without(cloche: Cloche) -> None:
    api.create(cloche.cwd / "env", seeds=None, activators=())
    refused = {shell: cloche("activate", "env", "--shell", shell, SHELL="/bin/ion") for shell in ("bash", "rc", "")}

    assert {shell: done.code for shell, done in refused.items()} == {"bash": 4, "rc": 2, "": 2}
    assert "has no script for `bash`" in refused["bash"].err
    assert "nobody knows how to activate in `rc`" in refused["rc"].err
    assert all("--print-env" in done.err for done in refused.values())
    assert cloche("activate", "nowhere").code == 4


def test_the_variables_as_json_say_what_to_set_and_what_to_take_away(cloche: Cloche) -> None:
    made = api.create(cloche.cwd / HOSTILE, seeds=None, activators=(), prompt="a b")
    done = cloche("activate", HOSTILE, "--print-env", "json", PATH="/usr/bin")

    assert done.json == {
        "schema_version": 1,
        "set": {"VIRTUAL_ENV": made.location, "VIRTUAL_ENV_PROMPT": "a b", "PATH": f"{made.bin}:/usr/bin"},
        "unset": ["PYTHONHOME"],
    }
    assert cloche("activate", HOSTILE, "--json", PATH="/usr/bin").json == done.json


def test_the_variables_as_dotenv_are_what_a_shell_reads_too(cloche: Cloche) -> None:
    made = api.create(cloche.cwd / 'a $b `c` \\d "e"', seeds=None, activators=())
    (cloche.cwd / "file.env").write_text(cloche("activate", made.location, "--print-env", "dotenv").out)
    program = "import json, os; print(json.dumps([os.environ['VIRTUAL_ENV'], os.environ['PYTHONHOME']]))"
    done = subprocess.run(
        ["sh", "-ac", f'. ./file.env; exec "{sys.executable}" -c "$PROGRAM"'],
        cwd=cloche.cwd,
        env={**os.environ, "PROGRAM": program, "PYTHONHOME": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == [made.location, ""]


def test_the_last_of_two_formats_counts_and_one_contradicts_json(cloche: Cloche) -> None:
    made = api.create(cloche.cwd / "env", seeds=None, activators=())
    dotenv_form, json_form = ("--print-env", "dotenv"), ("--print-env", "json")

    assert cloche("activate", made.location, *dotenv_form, *json_form).json["unset"] == ["PYTHONHOME"]
    assert cloche("activate", made.location, *json_form, *dotenv_form).out.startswith("VIRTUAL_ENV='")
    assert cloche("activate", made.location, *dotenv_form, CLOCHE_JSON="1").out.startswith("VIRTUAL_ENV='")
    refused = cloche("activate", made.location, *dotenv_form, "--json")
    assert (refused.code, refused.out) == (2, "")


@pytest.mark.parametrize("text", ["a'b", "a\nb", "${HOME}", "\\\\server"])
def test_what_readers_of_dotenv_files_do_not_agree_on_is_refused(text: str) -> None:
    with pytest.raises(Inexpressible):
        dotenv(text)
