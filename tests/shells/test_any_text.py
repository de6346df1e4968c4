"""Test that names of directories and prompts reach every shell unchanged, and that nothing in them is run.

One process of a shell activates and deactivates many environments. Their scripts have plain paths, so that only the
name of the directory in the script is tested.
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
def directory(tmp_path: Path) -> Path:
    """Return a directory with an empty subdirectory `cwd`; a file in `cwd` shows that a command in a name ran."""
    (tmp_path / "cwd").mkdir()
    return tmp_path


def write(directory: Path, activator: Activator, environments: Sequence[tuple[str, str]]) -> list[Path]:
    """Create environments with these names and prompts, and return the directories of their scripts."""
    for name in ("scripts", "roots"):
        shutil.rmtree(directory / name, ignore_errors=True)
    directories = []
    for number, (name, prompt) in enumerate(environments):
        root = directory / "roots" / name
        (root / "bin").mkdir(parents=True, exist_ok=True)
        scripts = directory / "scripts" / str(number)
        scripts.mkdir(parents=True)
        for script in activator.scripts(describe(str(root), prompt)):
            mark = b"\xef\xbb\xbf" if script.byte_order_mark else b""
            (scripts / script.name).write_bytes(mark + script.text.replace("\n", script.newline).encode())
        directories.append(scripts)
    return directories


@pytest.mark.parametrize("name", SHELLS)
@given(environments=NAMES_AND_PROMPTS)
@example(environments=HOSTILE_PAIRS)
@examples(4)
def test_a_shell_receives_directory_and_prompt_unchanged(
    directory: Path, name: str, environments: list[tuple[str, str]]
) -> None:
    shell = SHELLS[name]
    environments = [pair for pair in environments if not set(shell.refused) & set("".join(pair))]
    scripts = write(directory, shell.activator, environments)
    lines = [
        f"{shell.enter.format(script=path / shell.script)}\n{PRINT_VARIABLES}\ndeactivate\n{PRINT_VARIABLES}\n"
        for path in scripts
    ]

    done = subprocess.run(
        [require(shell.arguments[0]), *shell.arguments[1:]],
        input="".join(lines).encode() if name != "tcsh" else b"set noglob\n" + "".join(lines).encode(),
        cwd=directory / "cwd",
        env=surroundings(directory / "cwd"),
        capture_output=True,
        timeout=120,
        check=False,
    )

    output = done.stdout.decode().split("\0")
    path, roots = os.environ["PATH"], directory / "roots"
    expected = [
        part
        for name, prompt in environments
        for part in (f"{roots}/{name}", prompt, f"{roots}/{name}/bin:{path}", path)
    ]
    assert output == [*expected, ""]
    assert done.stderr == b""
    assert os.listdir(directory / "cwd") == [], "a command in a name ran"


@given(environments=NAMES_AND_PROMPTS)
@example(environments=HOSTILE_PAIRS)
@examples(2)
def test_powershell_receives_directory_and_prompt_unchanged(
    directory: Path, environments: list[tuple[str, str]]
) -> None:
    scripts = write(directory, powershell, environments)
    session = directory / "session.ps1"
    values = "$env:VIRTUAL_ENV, $env:VIRTUAL_ENV_PROMPT, $env:PATH"
    lines = [
        "Set-StrictMode -Version Latest\n$ErrorActionPreference = 'Stop'\n",
        "function print($texts) { foreach ($text in $texts) { ([int[]][char[]]\"$text\") -join ',' } }\n",
        *(f". {path}/activate.ps1\nprint @({values})\ndeactivate\nprint @({values})\n" for path in scripts),
    ]
    session.write_bytes(b"\xef\xbb\xbf" + "".join(lines).encode())

    done = subprocess.run(
        [require("pwsh"), "-NoLogo", "-NoProfile", "-File", str(session)],
        cwd=directory / "cwd",
        env={**surroundings(directory / "cwd"), "POWERSHELL_TELEMETRY_OPTOUT": "1", "HOME": str(directory)},
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert done.stderr == b""
    output = [
        b"".join(int(unit).to_bytes(2, "little") for unit in line.split(",") if unit).decode("utf-16-le")
        for line in done.stdout.decode().split("\n")[:-1]
    ]
    path, roots = os.environ["PATH"], directory / "roots"
    expected = [
        part
        for name, prompt in environments
        for part in (f"{roots}/{name}", prompt, f"{roots}/{name}/bin:{path}", "", "", path)
    ]
    assert output == expected
    assert os.listdir(directory / "cwd") == [], "a command in a name ran"


PROGRAM = """
import json, os, runpy, sys
for script in sys.argv[1:]:
    runpy.run_path(script)
    values = [os.environ["VIRTUAL_ENV"], os.environ["VIRTUAL_ENV_PROMPT"], os.environ["PATH"].split(":")[0]]
    print(json.dumps(values))
"""


@pytest.mark.parametrize("minor", ["3.6", "3.13"])
@given(environments=NAMES_AND_PROMPTS)
@examples(2)
def test_python_receives_directory_and_prompt_unchanged(
    directory: Path, minor: str, environments: list[tuple[str, str]]
) -> None:
    """Each script activates the environment that contains it."""
    roots = []
    for name, prompt in dict(environments).items():
        root = directory / "roots" / name.encode()[:80].decode(errors="ignore")
        (root / "bin").mkdir(parents=True, exist_ok=True)
        (script,) = python.scripts(describe(str(root), prompt))
        (root / "bin" / script.name).write_bytes(script.text.encode())
        roots.append((str(root), prompt))
    roots = list(dict(roots).items())  # truncated names may be equal

    done = subprocess.run(
        [pyenv(minor), "-c", PROGRAM, *(f"{root}/bin/activate_this.py" for root, _ in roots)],
        cwd=directory / "cwd",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        timeout=120,
        check=False,
    )

    shutil.rmtree(directory / "roots")
    assert done.stderr == b""
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [root, prompt, f"{root}/bin"] for root, prompt in roots
    ]
    assert os.listdir(directory / "cwd") == [], "a command in a name ran"
