"""Any directory and any prompt, in every shell that a built-in activator serves: both arrive as they are, and nothing runs.

One process of a shell enters and leaves many environments. Their scripts stand at plain places and speak of directories
that are not there, so that a name may be whatever a name may be.
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
"""What shells do something about, and pieces of what they might then find."""

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30) | st.text(TRICKY, max_size=20)
NAMES = TEXTS.map(lambda text: text.replace("/", "").replace(":", "")).filter(lambda name: name not in ("", ".", ".."))
PLACES = st.lists(st.tuples(NAMES, TEXTS), min_size=25, max_size=25)
"""Names of directories, and prompts."""

USUAL = [(name.replace("/", "").replace(":", "") or "x", name) for name in CASES.values()]


class Seen(NamedTuple):
    """What an environment looks like from inside, and what is left of it afterwards."""

    root: str
    prompt: str
    path: str
    after: tuple[str, ...]


class Shell(NamedTuple):
    """A shell, and how scripts are written for it; `{script}` is the path of one, which is plain."""

    arguments: Sequence[str]
    activator: Activator
    enter: str
    script: str
    refused: str = ""
    """Characters that it has no way to write."""


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
    **{name: Shell(arguments, bash.activator, ". {script}", "activate") for name, arguments in POSIX.items()},
    "fish": Shell(["fish", "--no-config"], fish.activator, "source {script}", "activate.fish"),
    "tcsh": Shell(["tcsh", "-f"], csh.activator, "source {script}", "activate.csh", refused="\n"),
}

SEEN = "/usr/bin/printenv -0 VIRTUAL_ENV VIRTUAL_ENV_PROMPT PATH"
"""What children see; afterwards only PATH may be left of them."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with nothing in it but what a test puts there: whatever else is there has been run."""
    (tmp_path / "cwd").mkdir()
    return tmp_path


def write(place: Path, activator: Activator, places: Sequence[tuple[str, str]]) -> list[Path]:
    """Write the scripts for directories and prompts, and return where those of each are."""
    shutil.rmtree(place / "scripts", ignore_errors=True)
    made = []
    for number, (name, prompt) in enumerate(places):
        directory = place / "scripts" / str(number)
        directory.mkdir(parents=True)
        for script in activator.scripts(describe(f"/srv/{name}", prompt)):
            mark = b"\xef\xbb\xbf" if script.byte_order_mark else b""
            (directory / script.name).write_bytes(mark + script.text.replace("\n", script.newline).encode())
        made.append(directory)
    return made


@pytest.mark.parametrize("name", SHELLS)
@given(places=PLACES)
@example(places=USUAL)
@examples(4)
def test_a_shell_sees_the_directory_and_the_prompt_as_they_are(
    place: Path, name: str, places: list[tuple[str, str]]
) -> None:
    shell = SHELLS[name]
    places = [pair for pair in places if not set(shell.refused) & set("".join(pair))]
    scripts = write(place, shell.activator, places)
    lines = [
        f"{shell.enter.format(script=directory / shell.script)}\n{SEEN}\ndeactivate\n{SEEN}\n" for directory in scripts
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

    said = done.stdout.decode().split("\0")
    path = os.environ["PATH"]
    expected = [part for name, prompt in places for part in (f"/srv/{name}", prompt, f"/srv/{name}/bin:{path}", path)]
    assert said == [*expected, ""]
    assert done.stderr == b""
    assert os.listdir(place / "cwd") == [], "something was run"


@given(places=PLACES)
@example(places=USUAL)
@examples(2)
def test_powershell_sees_the_directory_and_the_prompt_as_they_are(place: Path, places: list[tuple[str, str]]) -> None:
    scripts = write(place, powershell.activator, places)
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
    said = [
        b"".join(int(unit).to_bytes(2, "little") for unit in line.split(",") if unit).decode("utf-16-le")
        for line in done.stdout.decode().split("\n")[:-1]
    ]
    path = os.environ["PATH"]
    expected = [
        part for name, prompt in places for part in (f"/srv/{name}", prompt, f"/srv/{name}/bin:{path}", "", "", path)
    ]
    assert said == expected
    assert os.listdir(place / "cwd") == [], "something was run"


PROGRAM = """
import json, os, runpy, sys
for script in sys.argv[1:]:
    runpy.run_path(script)
    told = [os.environ["VIRTUAL_ENV"], os.environ["VIRTUAL_ENV_PROMPT"], os.environ["PATH"].split(":")[0]]
    print(json.dumps(told))
"""


@pytest.mark.parametrize("minor", ["3.6", "3.13"])
@given(places=PLACES)
@examples(2)
def test_a_python_sees_the_directory_and_the_prompt_as_they_are(
    place: Path, minor: str, places: list[tuple[str, str]]
) -> None:
    """Its directory is the one that the script lies in."""
    roots = []
    for name, prompt in dict(places).items():
        root = place / "roots" / name.encode()[:80].decode(errors="ignore")
        (root / "bin").mkdir(parents=True, exist_ok=True)
        (script,) = python.activator.scripts(describe(str(root), prompt))
        (root / "bin" / script.name).write_bytes(script.text.encode())
        roots.append((str(root), prompt))
    roots = list(dict(roots).items())  # two names may be one after they were cut

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
    assert os.listdir(place / "cwd") == [], "something was run"
