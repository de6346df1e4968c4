"""Test that names of directories and prompts reach every shell unchanged, and that nothing in them is run.

One process of a shell activates and deactivates many environments. Their scripts have plain paths and refer to
directories that do not exist, so that a directory can have any name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloche.builtin.activators import bash, csh, fish, powershell, python
from cloche.testing.hostile import HOSTILE as CASES
from tests.interpreters import pyenv
from tests.properties import examples
from tests.shells.driver import describe, surroundings
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloche.plugins.hookspecs import Activator

TRICKY = "\\'\"`$!%^&|;<>(){}[]#~*?=,@+-:. \t\r\n\u2018\u2019\u201c\u201dPATH1_CLOCHE"
"""Characters that are special in some shell, and pieces of names that could then be expanded."""

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30) | st.text(TRICKY, max_size=20)
NAMES = TEXTS.map(lambda text: text.replace("/", "").replace(":", "")).filter(lambda name: name not in ("", ".", ".."))
NAMES_AND_PROMPTS = st.lists(st.tuples(NAMES, TEXTS), min_size=25, max_size=25)
"""Names of directories, and prompts."""

HOSTILE_PAIRS = [(name.replace("/", "").replace(":", "") or "x", name) for name in CASES.values()]


class Seen(NamedTuple):
    """The variables while an environment is active, and after deactivation."""

    root: str
    prompt: str
    path: str
    after: tuple[str, ...]


class Shell(NamedTuple):
    """A shell, and how to source a script in it; `{script}` is the path of the script, which needs no quotes."""

    arguments: Sequence[str]
    activator: Activator
    enter: str
    script: str
    refused: str = ""
    """Characters that the activator refuses."""


POSIX = {
    "bash": ["bash", "--norc", "--noprofile", "-u"],
    "dash": ["dash", "-u"],
    "zsh": ["zsh", "-f", "-u"],
    "ksh93": ["ksh93", "-u"],
    "mksh": ["mksh", "-u"],
    "busybox": ["busybox", "sh", "-u"],
    "yash": ["yash", "--norcfile", "--noprofile", "-u"],
}
SHELLS = {
    **{name: Shell(arguments, bash, ". {script}", "activate") for name, arguments in POSIX.items()},
    "fish": Shell(["fish", "--no-config"], fish, "source {script}", "activate.fish"),
    "tcsh": Shell(["tcsh", "-f"], csh, "source {script}", "activate.csh", refused="\n"),
}

PRINT_VARIABLES = "/usr/bin/printenv -0 VIRTUAL_ENV VIRTUAL_ENV_PROMPT PATH"
"""A command that prints the variables of a child process; after deactivation, only PATH is set."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with an empty subdirectory `cwd`; a file in `cwd` shows that a command in a name ran."""
    (tmp_path / "cwd").mkdir()
    return tmp_path


def write(place: Path, activator: Activator, places: Sequence[tuple[str, str]]) -> list[Path]:
    """Write the scripts for directories and prompts, and return the directories of the scripts."""
    shutil.rmtree(place / "scripts", ignore_errors=True)
    directories = []
    for number, (name, prompt) in enumerate(places):
        directory = place / "scripts" / str(number)
        directory.mkdir(parents=True)
        for script in activator.scripts(describe(f"/srv/{name}", prompt)):
            mark = b"\xef\xbb\xbf" if script.byte_order_mark else b""
            (directory / script.name).write_bytes(mark + script.text.replace("\n", script.newline).encode())
        directories.append(directory)
    return directories


@pytest.mark.parametrize("name", SHELLS)
@given(places=NAMES_AND_PROMPTS)
@example(places=HOSTILE_PAIRS)
@examples(4)
def test_a_shell_receives_directory_and_prompt_unchanged(place: Path, name: str, places: list[tuple[str, str]]) -> None:
    shell = SHELLS[name]
    places = [pair for pair in places if not set(shell.refused) & set("".join(pair))]
    scripts = write(place, shell.activator, places)
    lines = [
        f"{shell.enter.format(script=directory / shell.script)}\n{PRINT_VARIABLES}\ndeactivate\n{PRINT_VARIABLES}\n"
        for directory in scripts
    ]

    done = subprocess.run(
        [require(shell.arguments[0]), *shell.arguments[1:]],
        input="".join(lines).encode() if name != "tcsh" else b"set noglob\n" + "".join(lines).encode(),
        cwd=place / "cwd",
        env=surroundings(place / "cwd"),
        capture_output=True,
        timeout=120,
        check=False,
    )

    output = done.stdout.decode().split("\0")
    path = os.environ["PATH"]
    expected = [part for name, prompt in places for part in (f"/srv/{name}", prompt, f"/srv/{name}/bin:{path}", path)]
    assert output == [*expected, ""]
    assert done.stderr == b""
    assert os.listdir(place / "cwd") == [], "a command in a name ran"


@given(places=NAMES_AND_PROMPTS)
@example(places=HOSTILE_PAIRS)
@examples(2)
def test_powershell_receives_directory_and_prompt_unchanged(place: Path, places: list[tuple[str, str]]) -> None:
    scripts = write(place, powershell, places)
    session = place / "session.ps1"
    tell = "$env:VIRTUAL_ENV, $env:VIRTUAL_ENV_PROMPT, $env:PATH"
    lines = [
        "Set-StrictMode -Version Latest\n$ErrorActionPreference = 'Stop'\n",
        "function tell($texts) { foreach ($text in $texts) { ([int[]][char[]]\"$text\") -join ',' } }\n",
        *(f". {directory}/activate.ps1\ntell @({tell})\ndeactivate\ntell @({tell})\n" for directory in scripts),
    ]
    session.write_bytes(b"\xef\xbb\xbf" + "".join(lines).encode())

    done = subprocess.run(
        [require("pwsh"), "-NoLogo", "-NoProfile", "-File", str(session)],
        cwd=place / "cwd",
        env={**surroundings(place / "cwd"), "POWERSHELL_TELEMETRY_OPTOUT": "1", "HOME": str(place)},
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert done.stderr == b""
    output = [
        b"".join(int(unit).to_bytes(2, "little") for unit in line.split(",") if unit).decode("utf-16-le")
        for line in done.stdout.decode().split("\n")[:-1]
    ]
    path = os.environ["PATH"]
    expected = [
        part for name, prompt in places for part in (f"/srv/{name}", prompt, f"/srv/{name}/bin:{path}", "", "", path)
    ]
    assert output == expected
    assert os.listdir(place / "cwd") == [], "a command in a name ran"


PROGRAM = """
import json, os, runpy, sys
for script in sys.argv[1:]:
    runpy.run_path(script)
    values = [os.environ["VIRTUAL_ENV"], os.environ["VIRTUAL_ENV_PROMPT"], os.environ["PATH"].split(":")[0]]
    print(json.dumps(values))
"""


@pytest.mark.parametrize("minor", ["3.6", "3.13"])
@given(places=NAMES_AND_PROMPTS)
@examples(2)
def test_python_receives_directory_and_prompt_unchanged(place: Path, minor: str, places: list[tuple[str, str]]) -> None:
    """Each script activates the environment that contains it."""
    roots = []
    for name, prompt in dict(places).items():
        root = place / "roots" / name.encode()[:80].decode(errors="ignore")
        (root / "bin").mkdir(parents=True, exist_ok=True)
        (script,) = python.scripts(describe(str(root), prompt))
        (root / "bin" / script.name).write_bytes(script.text.encode())
        roots.append((str(root), prompt))
    roots = list(dict(roots).items())  # truncated names may be equal

    done = subprocess.run(
        [pyenv(minor), "-c", PROGRAM, *(f"{root}/bin/activate_this.py" for root, _ in roots)],
        cwd=place / "cwd",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        timeout=120,
        check=False,
    )

    shutil.rmtree(place / "roots")
    assert done.stderr == b""
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [root, prompt, f"{root}/bin"] for root, prompt in roots
    ]
    assert os.listdir(place / "cwd") == [], "a command in a name ran"
