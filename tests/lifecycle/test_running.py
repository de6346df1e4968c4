"""A command in an environment, as if it were active: what it sees, what it gets, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest


def test_a_command_sees_what_activating_sets(cloche, empty) -> None:
    place = empty("venv")
    show = (
        "import sys; from os import environ as e; print(e['VIRTUAL_ENV'], e['VIRTUAL_ENV_PROMPT'], 'PYTHONHOME' in e)"
    )
    outcome = cloche("run", place, "--", "python", "-c", show, PYTHONHOME="")
    assert outcome.out.split() == [str(place), "env", "False"]


def test_the_environment_that_is_active_is_left(cloche, empty) -> None:
    one, two = empty(name="one"), empty(name="two")
    path = os.pathsep.join([str(one / "bin"), os.environ["PATH"]])
    outcome = cloche("run", two, "--", "sh", "-c", "echo $PATH", VIRTUAL_ENV=str(one), PATH=path)
    assert outcome.out.split(os.pathsep)[0] == str(two / "bin")
    assert str(one / "bin") not in outcome.out.split(os.pathsep)


def test_everything_after_the_dashes_is_the_commands_own(cloche, empty) -> None:
    place = empty()
    echo = "import sys; print(sys.argv[1:])"
    outcome = cloche("run", place, "--", "python", "-c", echo, "--json", "-v", "", "a b", "--")
    assert outcome.out == "['--json', '-v', '', 'a b', '--']\n"
    assert cloche("run", place, "python", "-c", echo, "--json").out == "['--json']\n"


@pytest.mark.parametrize("source", ["option", "variable", "file"])
def test_standard_output_is_the_commands_own_whatever_asks_for_json(cloche, empty, source) -> None:
    place = empty()
    if source == "file":
        (cloche.cwd / "pyproject.toml").write_text("[tool.cloche]\njson = true\n")
    options = ["--json"] if source == "option" else []
    variables = {"CLOCHE_JSON": "1"} if source == "variable" else {}
    outcome = cloche(*options, "run", place, "--", "sh", "-c", "echo said; echo told >&2", **variables)
    assert (outcome.out, outcome.err) == ("said\n", "told\n")


def test_the_exit_code_is_the_commands_own(cloche, empty) -> None:
    assert cloche("run", empty(), "--", "sh", "-c", "exit 42").code == 42


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGPIPE])
def test_signals_are_the_commands_own(cloche, empty, number) -> None:
    assert cloche("run", empty(), "--", "sh", "-c", f"kill -{int(number)} $$").code == -number


def test_a_command_ignores_what_its_caller_ignores_and_nothing_that_python_does(cloche, empty) -> None:
    """`nohup` ignores SIGHUP; Python ignores SIGPIPE and SIGXFSZ of itself."""
    place = empty()
    code = "import signal; print([signal.getsignal(one).name for one in (signal.SIGHUP, signal.SIGTERM)])"
    grep = ["sh", "-c", "exec grep SigIgn /proc/self/status"]
    command = [sys.executable, "-m", "cloche", "run", place, "--"]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        told = subprocess.run([*command, "python", "-c", code], env=cloche.environ, stdout=subprocess.PIPE, check=True)
        ignored = subprocess.run([*command, *grep], env=cloche.environ, stdout=subprocess.PIPE, check=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told.stdout.decode().strip() == "['SIG_IGN', 'SIG_DFL']"
    if sys.platform == "linux":
        mask = int(ignored.stdout.split()[1], 16)
        assert mask == 1 << (signal.SIGHUP - 1)


def test_the_command_takes_the_place_of_the_process(cloche, empty) -> None:
    place = empty()
    with subprocess.Popen(
        [sys.executable, "-m", "cloche", "run", place, "--", "sh", "-c", "echo $$; exec sleep 60"],
        env=cloche.environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
    assert time.monotonic() > 0


def test_what_cannot_be_run_ends_as_in_a_shell(cloche, empty) -> None:
    place = empty()
    outcome = cloche("run", place, "--", "nonesuch-command")
    assert outcome.code == 127
    assert "`nonesuch-command` is not in the environment, and not on PATH" in outcome.err
    dead = place / "bin" / "dead"
    dead.write_text("#!/opt/gone/python\n")
    dead.chmod(0o755)
    assert cloche("run", place, "--", "dead").code == 127
    assert cloche("run", place).code == 2


def test_info_tells_who_made_it_for_which_python_with_what_in_it(cloche, furnished) -> None:
    place = furnished("venv")
    said = cloche("info", "--json", place).json
    assert said["maker"] == "venv"
    assert said["python"]["base_alive"] is True
    assert said["recorded_roots"] == [str(place)]
    packages = {one["name"]: one for one in said["packages"]}
    assert packages["plain"]["version"] == "1.0"
    assert packages["by_path"]["editable"] == str(cloche.cwd / "projects" / "by_path")
    assert packages["by_path"]["requested"] is True
    assert "activate.fish" in said["activators"]
    assert said["size"]["own"] > 0
    text = cloche("info", place).out
    assert "created by:   venv" in text
    assert "by_finder 1.0 from" in text


def test_info_tells_of_files_that_an_environment_shares_with_the_store(cloche) -> None:
    place = cloche.cwd / "env"
    assert cloche("--link-mode", "hardlink", place).code == 0
    said = cloche("info", "--json", place).json
    assert said["size"]["shared"] > 1_000_000 > said["size"]["own"]
    place.rename(cloche.cwd / "moved")
    text = cloche("info", cloche.cwd / "moved").out
    assert f"created at:   {place}" in text
