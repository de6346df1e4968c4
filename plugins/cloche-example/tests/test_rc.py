"""Test the activator in the real shell."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pexpect
import pytest

import cloche
from cloche.model.value import replace
from cloche.testing import require_program
from cloche_example import Rc

if TYPE_CHECKING:
    from pathlib import Path

SHOW = """
for (name in PATH VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONHOME) { echo $name $#$name; printenv $name }
whatis prompt
"""
HOSTILE = [
    "plain",
    "with space",
    "it's",
    'say "hi"',
    "$HOME `{id} $(id)",
    "a;b&c|d",
    "new\nline",
    "-n",
    "ünïcode",
    "~*?[a]",
]


@pytest.fixture
def rc() -> str:
    return require_program("rc")


def run(rc: str, script: str, **environ: str) -> str:
    done = subprocess.run(
        [rc, "-e", "-c", script], capture_output=True, env={"PATH": "/usr/bin:/bin", **environ}, check=False
    )
    assert done.stderr == b""
    assert done.returncode == 0
    return done.stdout.decode()


def activation(directory: Path, name: str = "env", prompt: str | None = None) -> str:
    """Create an environment without packages, and return the command that activates it in rc."""
    environment = cloche.create(directory / name, activators=["rc"], seeds=None, prompt=prompt)
    return f". {Rc().quote(str(environment.bin / 'activate.rc'))}\n"


@pytest.mark.parametrize("name", HOSTILE)
def test_python_is_that_of_an_environment_with_any_name(rc: str, tmp_path: Path, name: str) -> None:
    output = run(rc, activation(tmp_path, name) + "python -c 'import sys; print(sys.prefix)'")

    assert output == f"{tmp_path / name}\n"


@pytest.mark.parametrize("prompt", HOSTILE)
def test_the_prompt_is_displayed_literally(rc: str, tmp_path: Path, prompt: str) -> None:
    output = run(rc, activation(tmp_path, prompt=prompt) + "echo -n $prompt(1)")

    assert output == f"({prompt}) ; "


def test_the_prompt_on_a_terminal_shows_the_active_environment(rc: str, tmp_path: Path) -> None:
    terminal = pexpect.spawn(rc, ["-i"], env={**os.environ, "TERM": "dumb"}, encoding="utf-8", timeout=10)
    terminal.expect_exact("; ")
    terminal.sendline(activation(tmp_path, prompt="$it").rstrip())
    terminal.expect_exact("\r\n($it) ; ")
    terminal.sendline("deactivate")
    terminal.expect_exact("\r\n; ")
    terminal.sendeof()
    terminal.wait()


def test_the_prompt_is_unchanged_if_it_is_disabled(rc: str, tmp_path: Path) -> None:
    output = run(rc, activation(tmp_path) + "echo -n $prompt(1)", VIRTUAL_ENV_DISABLE_PROMPT="1")

    assert output == "; "


@pytest.mark.parametrize("environ", [{}, {"PYTHONHOME": "/usr", "VIRTUAL_ENV": "/other", "VIRTUAL_ENV_PROMPT": ""}])
def test_deactivate_restores_everything(rc: str, tmp_path: Path, environ: dict[str, str]) -> None:
    """Unset variables are unset again, and empty ones are empty again."""
    show = SHOW.replace("printenv $name", "printenv $name || true")
    before = run(rc, show, **environ)

    assert run(rc, f"{activation(tmp_path)} deactivate\n{show}", **environ) == before


def test_a_second_activation_replaces_the_first(rc: str, tmp_path: Path) -> None:
    first, second = activation(tmp_path, "first"), activation(tmp_path, "second")

    output = run(rc, f"{first}{second}{second} echo $PATH; echo -n $prompt(1); deactivate; echo $PATH")

    assert output == f"{tmp_path}/second/bin:/usr/bin:/bin\n(second) ; /usr/bin:/bin\n"


def test_pythonhome_is_unset_while_active(rc: str, tmp_path: Path) -> None:
    assert run(rc, activation(tmp_path) + "echo $#PYTHONHOME", PYTHONHOME="/nowhere") == "0\n"


@pytest.mark.parametrize("text", ["a\1b", "a\2b"])
def test_characters_that_rc_would_change_are_refused(text: str) -> None:
    with pytest.raises(cloche.Inexpressible, match="control characters"):
        Rc().quote(text)


def test_windows_is_refused() -> None:
    assert Rc().refusal(replace(cloche.find(), os_name="nt")) == "rc runs on POSIX systems only"
