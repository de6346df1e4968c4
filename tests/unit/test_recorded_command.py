"""Test the command that `pyvenv.cfg` records: its options, its quoting, and reading it back."""

from __future__ import annotations

import shlex

import pytest

from cloche.lifecycle.recorded_command import place_of, pointed
from cloche.model.interpreter import Host
from cloche.model.request import Wanted
from cloche.planning.plan_at import quoted, seeds


@pytest.mark.parametrize(
    ("wanted", "options"),
    [
        (Wanted(), []),
        (None, ["--no-seed"]),
        (Wanted(("pip==24.0", "wheel")), ["--pip", "24.0", "--seed", "wheel"]),
        (Wanted(("wheel",), ("/my wheels",)), ["--no-pip", "--seed", "wheel", "--find-links", "/my wheels"]),
    ],
)
def test_seeds_are_recorded_as_options(wanted: Wanted | None, options: list[str]) -> None:
    assert list(seeds(wanted)) == options


@pytest.mark.parametrize("word", ["", "plain", "it's", 'a "b"', "$HOME", "a\\b", "~", "x;y", "new\nline", "é"])
def test_a_quoted_word_is_one_word_for_a_shell(word: str) -> None:
    host = Host(environ={}, cwd="/", platform="linux", os_name="posix", executable="/usr/bin/python3")
    assert shlex.split(quoted(word, host)) == [word]


def test_a_windows_path_is_quoted_for_windows_shells() -> None:
    host = Host(environ={}, cwd="C:\\", platform="win32", os_name="nt", executable="C:\\python.exe")
    assert quoted("C:\\Python\\python.exe", host) == "C:\\Python\\python.exe"
    assert quoted("C:\\Program Files\\x", host) == '"C:\\Program Files\\x"'


def test_the_command_of_venv_is_parsed_without_quotes() -> None:
    """venv quotes nothing, and the path of the environment is the rest of the line, even if it looks like options."""
    assert place_of("/usr/bin/python3 -m venv --prompt=x /work/a --python b", "/elsewhere") == "/work/a --python b"
    assert place_of("/opt/python3 -m cloche --python /usr/bin/python3 '/work/a b'", "/elsewhere") == "/work/a b"


def test_the_interpreter_in_a_command_is_replaced_but_not_the_path_of_the_environment() -> None:
    command = "/opt/python3 -m cloche --python /usr/bin/python3.11 --creator symlink /work/env"
    assert pointed(command, "/usr/bin/python3.12") == command.replace("3.11", "3.12")
    assert pointed("/opt/python3 -m cloche --python /work/env", "/usr/bin/python3.12").endswith(" --python /work/env")
