"""Test the command that `pyvenv.cfg` records: how it is written, parsed and rewritten."""

from __future__ import annotations

import pytest

from cloche.lifecycle.reader import created_by
from cloche.lifecycle.recorded_command import (
    parse_command,
    recorded_destination,
    recorded_lock,
    replace_interpreter,
    venv_options,
)
from cloche.model.plan import LockRequest, Wanted
from cloche.planning.pyvenv_cfg import seed_options
from cloche.shells import quote_words


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
    words = ["/opt/python3", "-m", "cloche", "--python", "/usr/bin/python3", *seed_options(wanted), "/e"]
    command = quote_words(words, "posix")

    assert recorded_lock({"lock": "sha256:0", "command": command}) == wanted
    assert recorded_lock({"command": command}) is None


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


@pytest.mark.parametrize(
    ("command", "tool", "options"),
    [
        ("/usr/bin/python3 -m venv /work/a", "venv", []),
        ('/usr/bin/python3 -m venv --without-pip --prompt="my env" /work/a b', "venv", ["--without-pip"]),
        ("/usr/bin/python3 -m venv /work/--without-pip", "venv", []),
        ("C:\\Python312\\python.exe -m venv --copies C:\\work\\a b", "venv", ["--copies"]),
        ("/usr/bin/python3 -m cloche --python /usr/bin/python3 '/work/a -m venv b'", "an unknown program", None),
        ("/opt/tool --note 'made with -m venv' --python 3", "an unknown program", None),
    ],
)
def test_a_tool_is_recognized_by_the_form_of_its_command(command: str, tool: str, options: list[str] | None) -> None:
    found = venv_options(command)
    assert (found is None) is (options is None)
    assert found is None or set(options or []) <= set(found)
    assert ("--without-pip" in (found or [])) is ("--without-pip" in (options or []))
    assert created_by({"home": "/usr/bin", "include-system-site-packages": "false", "command": command}) == tool
    assert bool(parse_command(command)) is ("-m cloche" in command)
