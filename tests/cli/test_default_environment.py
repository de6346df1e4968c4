"""Test which environment a command uses if ENV or DEST is missing."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

import cloche as api
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line in `project/below`, with the environment `project/.venv` above it."""
    (tmp_path / "project" / "below").mkdir(parents=True)
    api.create(tmp_path / "project" / ".venv", seeds=None)
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    return Cloche(tmp_path / "project" / "below", environ)


COMMANDS = (["info"], ["doctor"], ["upgrade", "--check"], ["run", "--", "python", "-c", "pass"], ["activate"])


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_the_default_is_the_nearest_dot_venv(cloche: Cloche, argv: list[str]) -> None:
    nearest = cloche.cwd.parent / ".venv"

    done = cloche(*argv)

    assert done.code == 0, done.err
    assert done.err == f"cloche: using `{nearest}` (the nearest `.venv`)\n"
    assert argv[0] == "run" or str(nearest) in done.out


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_the_active_environment_comes_first(cloche: Cloche, tmp_path: Path, argv: list[str]) -> None:
    active = tmp_path / "active"
    api.create(active, seeds=None)

    done = cloche(*argv, VIRTUAL_ENV=str(active))

    assert done.code == 0, done.err
    assert done.err == f"cloche: using `{active}` (`VIRTUAL_ENV`)\n"
    assert argv[0] == "run" or str(active) in done.out


def test_a_command_runs_in_the_default_environment(cloche: Cloche) -> None:
    done = cloche("run", "-q", "--", "python", "-c", "import sys; print(sys.prefix)")

    assert done == (0, f"{cloche.cwd.parent / '.venv'}\n", "")


def test_a_command_without_two_dashes_is_explained(cloche: Cloche) -> None:
    done = cloche("run", "python")

    assert done.code == 2
    assert "`cloche run -- python` uses the active environment or the nearest `.venv`" in done.err
    assert cloche("run", "--", "python", "-c", "pass").code == 0, "the hint works"


def test_a_named_environment_is_used_without_a_message(cloche: Cloche, tmp_path: Path) -> None:
    done = cloche("doctor", "../.venv", VIRTUAL_ENV=str(tmp_path / "gone"))

    assert (done.code, done.err) == (0, "")


def test_doctor_with_find_does_not_add_the_default_environment(cloche: Cloche) -> None:
    done = cloche("doctor", "--find", ".")

    assert (done.code, done.out) == (0, "")
    assert "using" not in done.err


def test_an_active_environment_that_does_not_exist_is_not_replaced_by_another(cloche: Cloche, tmp_path: Path) -> None:
    done = cloche("info", VIRTUAL_ENV=str(tmp_path / "gone"))

    assert (done.code, done.out) == (4, "")
    assert f"`VIRTUAL_ENV` is set to `{tmp_path / 'gone'}`, which is not a directory" in done.err


def test_without_a_default_environment_the_argument_is_missing(cloche: Cloche, tmp_path: Path) -> None:
    for argv in COMMANDS:
        done = cloche(*argv, cwd=tmp_path, VIRTUAL_ENV="")
        assert done.code == 2, done
        assert "missing argument ENV: no environment is active" in done.err


def test_move_needs_both_names(cloche: Cloche) -> None:
    assert cloche("move").code == 2
    assert cloche("move", ".venv").code == 2


@pytest.mark.parametrize("argv", [["--no-seed"], ["create", "--no-seed"]], ids=" ".join)
def test_options_without_a_destination_create_dot_venv(cloche: Cloche, argv: list[str]) -> None:
    done = cloche(*argv)

    assert done.code == 0, done.err
    assert done.out.startswith("created .venv: ")
    assert os.listdir(cloche.cwd) == [".venv"]


def test_without_arguments_a_short_help_is_printed(cloche: Cloche) -> None:
    done = cloche(CLOCHE_NO_SEED="1")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("usage: cloche ")
    assert len(done.out.splitlines()) < 20
    assert os.listdir(cloche.cwd) == []


def test_a_misread_command_creates_nothing_and_a_path_insists(cloche: Cloche) -> None:
    for word in ("hlep", "list", "env"):
        assert cloche(word, "--no-seed").code == 2
        assert os.listdir(cloche.cwd) == []
        assert cloche(f"./{word}", "--no-seed").code == 0
        assert cloche(word, "--no-seed").code == 2, "also if the environment exists"
        (cloche.cwd / word).rename(cloche.cwd.parent / word)


def test_help_takes_the_name_of_a_command(cloche: Cloche) -> None:
    assert cloche("help") == cloche("--help")
    assert cloche("help", "doctor") == cloche("doctor", "--help")
    assert "--always-copy" in cloche("help", "-v").out
    done = cloche("help", "doctr")
    assert (done.code, done.err) == (
        2,
        "cloche: error: no help for `doctr`\nhint: did you mean `cloche help doctor`?\n",
    )


def test_the_recorded_command_can_be_run_even_if_a_value_looks_like_an_option(cloche: Cloche) -> None:
    assert cloche("./env", "--no-seed", "--prompt=--clear").code == 0
    lines = (cloche.cwd / "env" / "pyvenv.cfg").read_text().splitlines()
    [command] = (line.partition(" = ")[2] for line in lines if line.startswith("command = "))
    words = shlex.split(command)
    assert words[1:3] == ["-m", "cloche"]
    assert cloche(*words[3:]).out.startswith("refreshed env")
