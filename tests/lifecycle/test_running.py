"""Test `cloche run`, which runs a command as if an environment were active, and `cloche info`."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from tests.interpreters import pyenv
from tests.tools import require


def test_a_command_gets_the_variables_that_activation_sets(cloche, empty_env) -> None:
    env = empty_env("venv")
    program = (
        "import sys; from os import environ as e; print(e['VIRTUAL_ENV'], e['VIRTUAL_ENV_PROMPT'], 'PYTHONHOME' in e)"
    )
    outcome = cloche("run", env, "--", "python", "-c", program, PYTHONHOME="")
    assert outcome.out.split() == [str(env), "env", "False"]


def test_a_command_gets_the_same_variables_as_in_an_activated_shell(cloche, tmp_path) -> None:
    """`activate --print-env` prints them, also those that have lists of directories and those for Tcl."""
    from cloche import create

    environment = create(tmp_path / "env", seeds=None, activators=["bash"])
    before = {"PATH": os.environ["PATH"], "PKG_CONFIG_PATH": "/usr/own/pkgconfig"}
    script = f". {shlex.quote(str(environment.bin))}/activate; env -0"
    activated = subprocess.run(["bash", "-c", script], env=before, capture_output=True, text=True, check=True).stdout
    ran = cloche("run", environment.location, "--", "env", "-0", **before).out
    printed = cloche("activate", environment.location, "--print-env", "json", **before).json["set"]

    names = {"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PATH", "PKG_CONFIG_PATH", "TCL_LIBRARY", "TK_LIBRARY"}
    expected, found = (
        dict(line.split("=", 1) for line in output.split("\0") if line.partition("=")[0] in names)
        for output in (activated, ran)
    )
    assert expected["PKG_CONFIG_PATH"] == f"{environment.location}/lib/pkgconfig:/usr/own/pkgconfig"
    assert found == expected
    assert printed == expected


def test_an_active_environment_is_deactivated_first(cloche, empty_env) -> None:
    active, other = empty_env(name="active"), empty_env(name="other")
    path = os.pathsep.join([str(active / "bin"), os.environ["PATH"]])
    variables = {"VIRTUAL_ENV": str(active), "PATH": path, "PKG_CONFIG_PATH": f"{active}/lib/pkgconfig"}
    outcome = cloche("run", other, "--", "sh", "-c", "echo $PATH; echo $PKG_CONFIG_PATH", **variables)
    searched, packages = outcome.out.splitlines()
    assert searched.split(os.pathsep)[0] == str(other / "bin")
    assert str(active / "bin") not in searched.split(os.pathsep)
    assert packages == f"{other}/lib/pkgconfig"


def test_the_command_gets_every_argument_after_the_dashes(cloche, empty_env) -> None:
    env = empty_env()
    program = "import sys; print(sys.argv[1:])"
    outcome = cloche("run", env, "--", "python", "-c", program, "--json", "-v", "", "a b", "--")
    assert outcome.out == "['--json', '-v', '', 'a b', '--']\n"
    assert cloche("run", env, "python", "-c", program, "--json").out == "['--json']\n"


@pytest.mark.parametrize("source", ["option", "variable", "file"])
def test_json_does_not_change_the_output_of_the_command(cloche, empty_env, source) -> None:
    env = empty_env()
    if source == "file":
        (cloche.cwd / "pyproject.toml").write_text("[tool.cloche]\njson = true\n")
    options = ["--json"] if source == "option" else []
    variables = {"CLOCHE_JSON": "1"} if source == "variable" else {}
    outcome = cloche(*options, "run", env, "--", "sh", "-c", "echo out; echo err >&2", **variables)
    assert (outcome.out, outcome.err) == ("out\n", "err\n")


def test_the_exit_code_is_that_of_the_command(cloche, empty_env) -> None:
    assert cloche("run", empty_env(), "--", "sh", "-c", "exit 42").code == 42


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGPIPE])
def test_a_signal_that_ends_the_command_ends_cloche(cloche, empty_env, number) -> None:
    assert cloche("run", empty_env(), "--", "sh", "-c", f"kill -{int(number)} $$").code == -number


def test_a_command_inherits_ignored_signals_from_the_caller_but_not_from_python(cloche, empty_env) -> None:
    """`nohup` ignores SIGHUP; Python itself ignores SIGPIPE and SIGXFSZ."""
    env = empty_env()
    code = "import signal; print([signal.getsignal(number).name for number in (signal.SIGHUP, signal.SIGTERM)])"
    grep = ["sh", "-c", "exec grep SigIgn /proc/self/status"]
    command = [sys.executable, "-m", "cloche", "run", env, "--"]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        handlers = subprocess.run(
            [*command, "python", "-c", code], env=cloche.environ, stdout=subprocess.PIPE, check=True
        )
        ignored = subprocess.run([*command, *grep], env=cloche.environ, stdout=subprocess.PIPE, check=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert handlers.stdout.decode().strip() == "['SIG_IGN', 'SIG_DFL']"
    if sys.platform == "linux":
        mask = int(ignored.stdout.split()[1], 16)
        assert mask == 1 << (signal.SIGHUP - 1)


def test_the_command_replaces_the_process_of_cloche(cloche, empty_env) -> None:
    env = empty_env()
    with subprocess.Popen(
        [sys.executable, "-m", "cloche", "run", env, "--", "sh", "-c", "echo $$; exec sleep 60"],
        env=cloche.environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM


def test_a_command_that_cannot_start_exits_with_127_as_in_a_shell(cloche, empty_env) -> None:
    env = empty_env()
    outcome = cloche("run", env, "--", "nonesuch-command")
    assert outcome.code == 127
    assert "`nonesuch-command` is not in the environment, and not on PATH" in outcome.err
    dead = env / "bin" / "dead"
    dead.write_text("#!/opt/gone/python\n")
    dead.chmod(0o755)
    assert cloche("run", env, "--", "dead").code == 127
    assert cloche("run", env).code == 2


@pytest.mark.parametrize("name", ["carriage\rreturn", "next\x85line", "new\nline", "escape\x1b[m"])
def test_the_command_in_a_hint_works_as_it_is_printed(cloche, name) -> None:
    """Characters that cannot be printed are escaped for bash, so that copying the line creates the same directory."""
    outcome = cloche("info", name)
    command = outcome.err.partition("hint: `")[2].partition("`")[0]
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], stdout=subprocess.PIPE, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert words.stdout.decode() == f"cloche\0{cloche.cwd / name}\0"


@pytest.mark.parametrize("mode", [0o644, 0o755])
@pytest.mark.parametrize("name", ["a b.py", "./a b.py"])
def test_the_hint_about_a_python_file_runs_it(cloche, empty_env, name: str, mode: int) -> None:
    (cloche.cwd / "a b.py").write_text("print('works')\n")
    (cloche.cwd / "a b.py").chmod(mode)
    outcome = cloche("run", empty_env("cloche"), "--", name)
    assert outcome.code in (126, 127)
    command = shlex.split(outcome.err.partition("hint: `")[2].partition("`")[0])
    assert cloche(*command[1:]).out == "works\n"


def test_the_hint_about_a_command_that_is_not_a_program_says_what_to_type(cloche, empty_env) -> None:
    env = empty_env("cloche")
    assert f"`cloche run {env} -- sh -c 'cd …'`" in cloche("run", env, "--", "cd", "/").err
    assert f"`cloche run {env} -- python -V`" in cloche("run", env, "--", "python -V").err
    assert f"`cloche {env} --seed PACKAGE`" in cloche("run", env, "--", "black").err


def test_no_hint_offers_to_create_an_environment_at_a_path_that_is_not_utf_8(cloche) -> None:
    outcome = cloche("info", os.fsdecode(b"caf\xe9"))
    assert outcome.code == 4
    assert "hint:" not in outcome.err


@pytest.mark.parametrize("content", ["plain text", ""])
def test_no_hint_offers_to_make_a_file_executable_that_is_not_a_program(cloche, empty_env, content) -> None:
    env = empty_env("cloche")
    (env / "bin" / "notes").write_text(content)
    for name in ("notes", "activate", env / "pyvenv.cfg", "/etc/passwd"):
        outcome = cloche("run", env, "--", name)
        assert outcome.code == 126
        assert "is not a program" in outcome.err
        assert "chmod" not in outcome.err
    assert f"`cloche activate {env}`" in cloche("run", env, "--", "activate").err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("#!/opt/gone/python -E\n", "`/opt/gone/python` in its first line does not exist"),
        ("#!/bin/sh\r\necho\r\n", "`/bin/sh\\r` in its first line does not exist"),
        ("echo\n", "it is not a program, and has no `#!` line"),
        ("\x7fELF and nothing else", "exec format error"),
    ],
    ids=["gone", "windows line ends", "no first line", "damaged binary"],
)
def test_a_program_that_cannot_start_is_described(cloche, empty_env, content, reason) -> None:
    env = empty_env("cloche")
    (env / "bin" / "tool").write_bytes(content.encode())
    (env / "bin" / "tool").chmod(0o755)
    outcome = cloche("run", env, "--", "tool")
    assert f"bin/tool` cannot be started: {reason}" in outcome.err
    assert outcome.code in (126, 127)


def test_info_reports_the_creating_tool_the_python_and_the_packages(cloche, populated_env) -> None:
    env = populated_env("venv")
    info = cloche("info", "--json", env).json
    assert info["created_by"] == info["maker"] == "venv"
    assert info["python"]["base_exists"] is info["python"]["base_alive"] is True
    assert info["recorded_roots"] == [str(env)]
    packages = {package["name"]: package for package in info["packages"]}
    assert packages["plain"]["version"] == "1.0"
    assert packages["by_path"]["editable"] == str(cloche.cwd / "projects" / "by_path")
    assert packages["by_path"]["requested"] is True
    assert "activate.fish" in info["activators"]
    assert info["size"]["own"] > 0
    text = cloche("info", env).out
    assert "created by:   venv" in text
    assert "by_finder 1.0 from" in text


def test_info_reports_the_size_of_files_shared_with_the_store(cloche) -> None:
    env = cloche.cwd / "env"
    assert cloche("--link-mode", "hardlink", env).code == 0
    info = cloche("info", "--json", env).json
    assert info["size"]["shared"] > 1_000_000 > info["size"]["own"]
    env.rename(cloche.cwd / "moved")
    text = cloche("info", cloche.cwd / "moved").out
    assert f"created at:   {env}" in text


@pytest.mark.parametrize("name", ["python", "python3", "python3.{minor}", "pip", "pip3", "pip3.{minor}"])
def test_a_program_of_the_environment_is_never_taken_from_path(cloche, empty_env, name) -> None:
    env = empty_env("cloche")
    [library] = (env / "lib").iterdir()
    name = name.format(minor=library.name.partition(".")[2])
    (env / "bin" / name).unlink(missing_ok=True)
    other = cloche.cwd / "other"
    other.mkdir()
    (other / name).write_text("#!/bin/sh\necho planted\n")
    (other / name).chmod(0o755)
    outcome = cloche("run", env, "--", name, "--version", PATH=f"{other}:{os.environ['PATH']}")
    assert (outcome.code, outcome.out) == (127, "")
    assert (
        f"`{name}` is missing from the environment `{env}`; `{other / name}` belongs to another Python" in outcome.err
    )
    assert cloche("run", env, "--", "ls", "/").code == 0


def plant(cloche, name) -> str:
    """Put a program into the first directory of PATH; return that PATH."""
    other = cloche.cwd / "other"
    other.mkdir(exist_ok=True)
    (other / name).write_text("#!/bin/sh\necho planted\n")
    (other / name).chmod(0o755)
    return f"{other}:{os.environ['PATH']}"


@pytest.mark.parametrize("name", ["pydoc", "pydoc3", "pydoc3.12"])
def test_a_program_that_comes_with_python_is_that_of_the_environment(cloche, empty_env, name) -> None:
    env = empty_env("cloche")
    [library] = (env / "lib").iterdir()
    (library / "site-packages" / "only_here.py").write_text("'''Only in this environment.'''\n")
    outcome = cloche("run", env, "--", name, "only_here", PATH=plant(cloche, name))
    assert (outcome.code, outcome.err) == (0, "")
    assert "Only in this environment." in outcome.out


@pytest.mark.parametrize("name", ["2to3", "2to3-3.12"])
def test_a_program_that_newer_pythons_do_not_have_is_not_that_of_an_older_one(cloche, empty_env, name) -> None:
    outcome = cloche("run", empty_env("cloche"), "--", name, "--help", PATH=plant(cloche, name))
    assert (outcome.code, "Usage: 2to3" in outcome.out) == (0, True)
    name = name.replace("3.12", "3.13")
    cloche("./newer", "--no-seed", "-p", pyenv("3.13"))
    outcome = cloche("run", "newer", "--", name, "--help", PATH=plant(cloche, name))
    assert (outcome.code, outcome.out) == (127, "")
    assert f"has no `lib2to3`, which `{name}` runs; `{cloche.cwd / 'other' / name}` belongs to" in outcome.err


@pytest.mark.parametrize(
    "name",
    [
        *("python3.10", "python2", "pip3.10", "pydoc3.10", "idle3.10", "2to3-3.10"),
        *("python3.12d", "python3-dbg", "python3.12-dbg", "python3-dbg-config", "python3.12-nogil"),
    ],
)
def test_a_name_with_another_version_is_an_error(cloche, empty_env, name) -> None:
    env = empty_env("cloche")
    outcome = cloche("run", env, "--", name, "--version", PATH=plant(cloche, name))
    assert (outcome.code, outcome.out) == (127, "")
    assert f"`{name}` is not in the environment `{env}`, which has CPython 3.12." in outcome.err
    assert f"`{cloche.cwd / 'other' / name}` belongs to another Python" in outcome.err
    tool = re.match("[a-z]+|2to3", name)[0] + "-config" * name.endswith("-config")
    assert f"`cloche run {env} -- {tool}` runs the one in the environment" in outcome.err
    assert cloche("run", env, "--", cloche.cwd / "other" / name).out == "planted\n"


@pytest.mark.parametrize("name", ["python3d", "python3-dbg", "python3.11-dbg"])
def test_other_names_of_a_debug_build_mean_the_python_of_the_environment(cloche, name) -> None:
    """Its directory has only `python3.11d` and the names without a build."""
    cloche("./debug", "--no-seed", "-p", require("python3.11d"))
    outcome = cloche("run", "debug", "--", name, "-c", "import sys; print(sys.prefix)", PATH=plant(cloche, name))
    assert (outcome.code, outcome.out) == (0, f"{cloche.cwd / 'debug'}\n")


@pytest.mark.parametrize("name", ["python-config", "python3-config", "python3.12-config"])
def test_the_compiler_flags_are_those_of_the_base_interpreter(cloche, empty_env, name) -> None:
    env = empty_env("cloche")
    outcome = cloche("run", env, "--", name, "--includes", PATH=plant(cloche, name))
    root = os.path.dirname(os.path.dirname(os.path.realpath(pyenv("3.12"))))
    assert f"-I{root}/include/python3.12" in outcome.out


@pytest.mark.parametrize("name", ["pythonw", "pip-compile", "python-argcomplete", "pipx", "2to3x", "idler", "pydoctor"])
def test_other_programs_are_still_taken_from_path(cloche, empty_env, name) -> None:
    assert cloche("run", empty_env("cloche"), "--", name, PATH=plant(cloche, name)).out == "planted\n"


def test_a_missing_script_of_an_installed_package_is_not_taken_from_path(cloche, populated_env) -> None:
    env = populated_env("venv")
    script = next(path for path in (env / "bin").iterdir() if "plain" in path.name)
    other = cloche.cwd / "other"
    other.mkdir()
    script.rename(other / script.name)
    outcome = cloche("run", env, "--", script.name, PATH=f"{other}:{os.environ['PATH']}")
    assert outcome.code == 127
    assert f"`{script.name}` is missing from the environment" in outcome.err


def test_a_script_with_mode_644_is_an_error_that_says_so(cloche, empty_env) -> None:
    env = empty_env("cloche")
    (env / "bin" / "tool").write_text("#!/bin/sh\n")
    (env / "bin" / "tool").chmod(0o644)
    (env / "bin" / "link").symlink_to("gone")
    (env / "bin" / "folder").mkdir()
    outcome = cloche("run", env, "--", "tool")
    assert outcome.code == 126
    assert "bin/tool` cannot be executed: its mode is 644" in outcome.err
    assert f"chmod +x {env}/bin/tool" in outcome.err
    assert "is a link to `gone`, which does not exist" in cloche("run", env, "--", "link").err
    assert "is a directory" in cloche("run", env, "--", "folder").err
    (env / "bin" / "ls").mkdir()
    assert cloche("run", env, "--", "ls", "-d", "/").out == "/\n", "as a shell, skip a directory"
    assert "the name of the command is empty" in cloche("run", env, "--", "").err
    assert "doctor" in cloche("run", env, "--", "link").err
    elsewhere = cloche("run", env, "--", "./gone").err
    assert "`./gone` does not exist" in elsewhere
    assert "doctor" not in elsewhere, "the environment has nothing to do with it"
