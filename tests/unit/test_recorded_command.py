"""Test the command that `pyvenv.cfg` records: how it is written, parsed and rewritten."""

from __future__ import annotations

import shlex

import pytest

from cloche.lifecycle.recorded_command import recorded_destination, recorded_lock, replace_interpreter
from cloche.model.interpreter import Host
from cloche.model.plan import LockRequest, Wanted
from cloche.planning.pyvenv_cfg import quote_word, seed_options


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
    assert list(seed_options(wanted)) == options


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted((), lock=LockRequest("/p/pylock.toml")),
        Wanted(("pip",), ("/my wheels",), lock=LockRequest("/p/my lock/pylock.toml")),
        Wanted(("wheel", "pip==24.0"), lock=LockRequest("/p/r.txt"), builds="refused"),
        Wanted((), lock=LockRequest("/p/pylock.toml", ("web", "db"), ("dev",), "excluded")),
    ],
)
def test_a_lock_file_is_recorded_with_its_options_and_read_back(wanted: Wanted) -> None:
    command = shlex.join(["/opt/python3", "-m", "cloche", "--python", "/usr/bin/python3", *seed_options(wanted), "/e"])

    assert recorded_lock({"lock": "sha256:0", "command": command}) == wanted
    assert recorded_lock({"command": command}) is None


@pytest.mark.parametrize("word", ["", "plain", "it's", 'a "b"', "$HOME", "a\\b", "~", "x;y", "new\nline", "é"])
def test_a_quoted_word_is_one_word_to_a_shell(word: str) -> None:
    host = Host(environ={}, cwd="/", platform="linux", os_name="posix", executable="/usr/bin/python3")
    assert shlex.split(quote_word(word, host)) == [word]


def test_a_windows_path_is_quoted_for_windows_shells() -> None:
    host = Host(environ={}, cwd="C:\\", platform="win32", os_name="nt", executable="C:\\python.exe")
    assert quote_word("C:\\Python\\python.exe", host) == "C:\\Python\\python.exe"
    assert quote_word("C:\\Program Files\\x", host) == '"C:\\Program Files\\x"'


def test_the_destination_of_venv_is_the_rest_of_the_line() -> None:
    """`venv` quotes nothing, so the destination may contain spaces and text that looks like an option."""
    assert (
        recorded_destination("/usr/bin/python3 -m venv --prompt=x /work/a --python b", "/elsewhere")
        == "/work/a --python b"
    )
    assert (
        recorded_destination("/opt/python3 -m cloche --python /usr/bin/python3 '/work/a b'", "/elsewhere")
        == "/work/a b"
    )


def test_only_the_value_of_the_python_option_is_replaced() -> None:
    command = "/opt/python3 -m cloche --python /usr/bin/python3.11 --creator symlink /work/env"
    assert replace_interpreter(command, "/usr/bin/python3.12") == command.replace("3.11", "3.12")
    assert replace_interpreter("/opt/python3 -m cloche --python /work/env", "/usr/bin/python3.12").endswith(
        " --python /work/env"
    )
