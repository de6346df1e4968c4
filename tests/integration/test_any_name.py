"""Test that every name that a POSIX directory may have works, as base, as destination and as prompt, or is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cloche
from cloche.errors import ClocheError
from cloche.planning.pyvenv_cfg import parse_settings
from tests.interpreters import pyenv
from tests.properties import examples
from tests.run import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0/")
LINES = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029 \t'\"\\$`=#%"
"""Characters at which some reader ends a line, a value or a word."""

NAMES = (st.text(CHARACTERS, min_size=1, max_size=20) | st.text(LINES, min_size=1, max_size=8)).filter(
    lambda name: name not in (".", "..")
)


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small copy of an installation, which finds its standard library from its own path."""
    source = os.path.dirname(os.path.dirname(os.path.realpath(pyenv("3.12"))))
    copy = tmp_path_factory.mktemp("base") / "python"
    ignored = shutil.ignore_patterns("site-packages", "test", "__pycache__", "config-*", "*.a", "idlelib", "tkinter")
    shutil.copytree(source, copy, symlinks=True, ignore=ignored)
    return copy


@pytest.mark.parametrize(
    ("base", "name", "prompt"),
    [
        ("next\x85line", "next\x85line", "next\x85line"),
        ("new\nline", "a", ""),
        ("para\u2029graph", "new\nline\r", "'\n\""),
        (" ", "\\'\"$(x)`", "\\N{x}"),
    ],
)
def test_a_name_with_the_end_of_a_line_works_or_is_refused(
    python: Path, tmp_path: Path, base: str, name: str, prompt: str
) -> None:
    check_names(python, tmp_path, base, name, prompt)


@given(base=NAMES, name=NAMES, prompt=st.text(st.characters(codec="utf-8"), max_size=20))
@examples(12)
def test_any_name_works_or_is_refused(python: Path, tmp_path: Path, base: str, name: str, prompt: str) -> None:
    check_names(python, tmp_path, base, name, prompt)


def check_names(python: Path, tmp_path: Path, base: str, name: str, prompt: str) -> None:
    """Create and examine an environment with these names of its base and its directory, and this prompt."""
    directory = tmp_path / "examples"
    shutil.rmtree(directory, ignore_errors=True)
    installation = directory / "bases" / base
    installation.parent.mkdir(parents=True)
    python.rename(installation)
    try:
        executable = str(installation / "bin" / "python3.12")
        check_environment(executable, f"{directory}/environments/{name}", prompt, directory)
    finally:
        installation.rename(python)


def check_environment(executable: str, destination: str, prompt: str, home: Path) -> None:
    """Create an environment, unless its base, destination or prompt is refused, and examine it."""
    if refused := reason_for_refusal(executable, destination, prompt):
        with pytest.raises(ClocheError, match=refused):
            create(executable, destination, prompt, home)
        assert not os.path.lexists(destination)
        return
    environment = create(executable, destination, prompt, home)
    recorded = parse_settings(environment.config.read_text("utf-8"))
    assert recorded["home"] == os.path.dirname(executable)
    assert recorded["prompt"] == prompt
    program = "import os, sys; sys.stdout.buffer.write(os.fsencode(sys.base_prefix + chr(0) + sys.prefix))"
    done = subprocess.run([environment.executable, "-c", program], capture_output=True, check=True)
    assert os.fsdecode(done.stdout).split("\0") == [os.path.dirname(recorded["home"]), destination]
    examined = subprocess.run(
        [sys.executable, "-m", "cloche", "doctor", destination],
        env=clean_environ(home, home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (examined.returncode, examined.stderr) == (0, "")
    assert examined.stdout.endswith(": healthy\n")


def reason_for_refusal(executable: str, destination: str, prompt: str) -> str:
    """Return a part of the message that refuses such an environment; empty if it must be created."""
    prefix = os.path.dirname(os.path.dirname(executable))
    if {"\n", "\r"} & {*executable} or prefix != prefix.rstrip():
        return "cannot be named in pyvenv.cfg"
    return "separates the entries of PATH" if ":" in destination else ""


def create(executable: str, destination: str, prompt: str, home: Path) -> cloche.Environment:
    environ = clean_environ(home, home / "cache")
    return cloche.create(destination, python=executable, seeds=None, prompt=prompt, environ=environ)
