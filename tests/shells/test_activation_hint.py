"""Test that the command at the end of `cloche DEST` can be pasted into every shell, whatever the directory's name."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.builtin.plugin import cloche_activators
from cloche.cli.user_shell import activation_command
from cloche.model.interpreter import Host
from cloche.plugins import load_object
from cloche.shells import shell_of_program
from cloche.testing.fakes import KINDS, fake_environment
from cloche.testing.hostile import HOSTILE, directory_name
from cloche.testing.shells import write_scripts
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloche.model.environment import Environment

NAMES = [
    *map(directory_name, HOSTILE.values()),
    "-n",
    "--",
    "+x",
    "~",
    "~root",
    "=ls",
    "!!",
    "%HOME%",
    "@home",
    ".hidden",
    "2024",
    "é",
    "ends in a blank ",
    "ends in a backslash\\",
    "`",
    "$",
    "[a-z]?",
    "\u2019",
]

PRINT = "printf '%s\\n' \"=$VIRTUAL_ENV=\""

PASTED = {
    "bash": (["bash", "--norc", "--noprofile"], f"set -o history -o histexpand\n{{}}\n{PRINT}"),
    "sh": (["sh"], f"{{}}\n{PRINT}"),
    "dash": (["dash"], f"{{}}\n{PRINT}"),
    "zsh": (["zsh", "-f"], f"{{}}\n{PRINT}"),
    "ksh": (["ksh"], f"{{}}\n{PRINT}"),
    "mksh": (["mksh"], f"{{}}\n{PRINT}"),
    "yash": (["yash", "--norcfile", "--noprofile"], f"{{}}\n{PRINT}"),
    "tcsh": (["tcsh", "-f"], "set prompt = ''\n{}\n/usr/bin/printf '=%s=\\n' $VIRTUAL_ENV:q"),
    "fish": (["fish", "--no-config"], "{}\necho =$VIRTUAL_ENV="),
    "pwsh": (["pwsh", "-NoProfile", "-File"], '{}\nWrite-Output "=$env:VIRTUAL_ENV="'),
}
"""How to run a script in each shell, and the lines that run a hint and print the result."""


def host_in(directory: Path) -> Host:
    return Host({}, str(directory), sys.platform, os.name, sys.executable)


def make(directory: Path, name: str, program: str) -> Environment:
    """Create an environment that contains only the script for one shell."""
    shell = shell_of_program(program)
    assert shell is not None
    kind = next(kind for kind, one in KINDS.items() if one.os_name == os.name)
    environment = fake_environment(directory / name, KINDS[kind])
    implementations = {descriptor.name: descriptor.implementation for descriptor in cloche_activators()}
    write_scripts(load_object(implementations[shell.name]).scripts(environment), environment)
    return environment


@pytest.mark.parametrize("program", PASTED)
def test_the_hint_activates_an_environment_with_any_name(program: str, tmp_path: Path) -> None:
    shell, (command, lines_for_hint) = shell_of_program(program), PASTED[program]
    assert shell is not None
    require(command[0])
    lines, wanted = [], []
    for name in dict.fromkeys(NAMES):
        if program == "tcsh" and "\n" in name:
            continue  # csh cannot express the name, so there is no script
        environment = make(tmp_path, name, program)
        hint = activation_command(shell, environment, host_in(tmp_path))
        assert bool(hint) == name.isprintable()
        if hint:
            lines.append(lines_for_hint.replace("{}", hint))
            wanted.append(f"={environment.location}=")

    assert pasted(command, lines, tmp_path) == wanted
    assert not (tmp_path / "PWNED").exists()


def pasted(command: Sequence[str], lines: Sequence[str], directory: Path) -> list[str]:
    """Run lines in a shell in a directory, and return its output."""
    script = directory / "script.ps1"
    script.write_text("\n".join([*lines, ""]), "utf-8")
    ran = subprocess.run(
        [*command, str(script)],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": f"{directory}-home", "LC_ALL": "C.UTF-8", "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert ran.stderr == b""
    return ran.stdout.decode("utf-8").splitlines()
