"""Test that the first lines of a relocatable script start the Python in the same directory, in any shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.store.installation import relocatable_shebang_lines
from cloche.testing.hostile import directory_name
from tests.interpreters import MINORS, pyenv
from tests.shells.driver import HOSTILE, real_python
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = {
    "sh": ["/bin/sh"],
    "bash as sh": ["bash", "--posix"],
    "dash": ["dash"],
    "busybox": ["busybox", "sh"],
    "ksh93": ["ksh93"],
    "mksh": ["mksh"],
    "yash": ["yash", "--posix"],
    "zsh as sh": ["zsh", "--emulate", "sh"],
}
"""The shells that are `/bin/sh` on some system."""

ECHO = '#!/bin/sh\nprintf \'%s\\0\' "$0" "$@"\n'
"""A fake Python that prints its name and its arguments."""

ARGUMENTS = ["two words", "", "-x", "*", "$HOME", "`id`", "'\"\\", "line\nbreak\n", "é"]


def build(root: Path, python: str = ECHO) -> Path:
    """Create an environment with this Python and a script, and return the path of the script."""
    (root / "bin").mkdir(parents=True)
    script = root / "bin" / "tool"
    for path, content in ((root / "bin" / "python", python.encode()), (script, relocatable_shebang_lines("python"))):
        path.write_bytes(content)
        path.chmod(0o755)
    return script


@pytest.fixture(params=SHELLS.values(), ids=SHELLS.keys())
def shell(request: pytest.FixtureRequest) -> list[str]:
    program, *options = request.param
    return [require(program), *options]


def words(command: list[str], cwd: Path, **environ: str) -> list[str]:
    """Run a script and return the arguments of its Python; any output on standard error is a failure."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.stderr, done.returncode) == (b"", 0)
    return done.stdout.decode().split("\0")[:-1]


def test_the_directory_can_have_any_name(shell: list[str], tmp_path: Path) -> None:
    """Nothing in the name is run."""
    (tmp_path / "cwd").mkdir()
    for what, name in HOSTILE.items():
        script = build(tmp_path / what / directory_name(name))
        arguments = words([*shell, str(script), what], tmp_path / "cwd")
        assert arguments == [str(script.with_name("python")), str(script), what]
    assert os.listdir(tmp_path / "cwd") == []


def test_arguments_are_passed_unchanged(shell: list[str], tmp_path: Path) -> None:
    script = build(tmp_path / "env")
    assert words([*shell, str(script), *ARGUMENTS], tmp_path)[2:] == ARGUMENTS


def test_links_to_the_script_are_followed(shell: list[str], tmp_path: Path) -> None:
    """A chain of links, absolute and relative, some in directories that are links, with difficult names."""
    script = build(tmp_path / "an $env\n")
    places = tmp_path / "the places\n"
    (places / "deep").mkdir(parents=True)
    (tmp_path / "shallow").symlink_to(places / "deep")
    (places / "first").symlink_to(script)
    (places / "deep" / "-second\n").symlink_to("../first")
    third = tmp_path / "third"
    third.symlink_to("shallow/-second\n")
    (tmp_path / "executables").symlink_to(script.parent)

    for name in (third, tmp_path / "shallow" / "-second\n", tmp_path / "executables" / "tool"):
        assert words([*shell, str(name), "x"], tmp_path) == [str(script.with_name("python")), str(name), "x"]


@pytest.mark.parametrize(
    ("cwd", "name"),
    [
        ("work", "env/bin/tool"),
        ("work", "./env/bin/tool"),
        ("work", "../work/env/./bin//tool"),
        ("work/env/bin", "./tool"),
        ("work/env/bin", "tool"),
        ("work/env/lib", "../bin/tool"),
        ("work/env/bin/sub", "../tool"),
        ("work", "-n/bin/tool"),
    ],
)
def test_the_script_can_be_called_by_a_relative_path(shell: list[str], tmp_path: Path, cwd: str, name: str) -> None:
    """With `CDPATH` set to another directory, and with a name that looks like an option."""
    script = build(tmp_path / "work" / ("-n" if name.startswith("-") else "env"))
    build(tmp_path / "elsewhere" / "env")
    for directory in ("lib", "bin/sub"):
        (script.parent.parent / directory).mkdir()
    command = [*shell, "--", name] if shell[0].rpartition("/")[2] != "zsh" else [*shell, "-", name]

    python, called, *_ = words([*command, "x"], tmp_path / cwd, CDPATH=str(tmp_path / "elsewhere"))

    assert python == str(script.with_name("python"))
    assert os.path.samefile(tmp_path / cwd / called, script)


def test_the_script_is_found_on_path(tmp_path: Path) -> None:
    """Also if PATH has an empty entry, which means the current directory."""
    script = build(tmp_path / "env")
    for path in (str(script.parent), ""):
        done = subprocess.run(
            [require("env"), f"PATH={path}", "tool", "x"], cwd=script.parent, capture_output=True, check=True
        )
        assert done.stdout.split(b"\0")[0] == os.fsencode(script.with_name("python"))
        assert done.stderr == b""


def test_a_script_whose_path_looks_like_an_option_can_be_executed(tmp_path: Path) -> None:
    script = build(tmp_path / "-env")
    done = subprocess.run(["-env/bin/tool", "x"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.split(b"\0") == [os.fsencode(script.with_name("python")), b"./-env/bin/tool", b"x", b""]


PROGRAM = b"import json, os, sys\njson.dump([sys.prefix, sys.argv, os.getpid(), sorted(os.environ)], sys.stdout)\n"


def with_python(root: Path) -> Path:
    """Create an environment with a real Python and the script `PROGRAM`, and return the path of the script."""
    script = build(root)
    real_python(root)
    script.write_bytes(relocatable_shebang_lines("python") + PROGRAM)
    return script


def test_python_uses_the_environment_however_the_script_is_called(tmp_path: Path) -> None:
    root = tmp_path / "an env"
    script = with_python(root)
    (root / "bin" / "sub").mkdir()
    (tmp_path / "tool").symlink_to("an env/bin/tool")
    (tmp_path / "executables").symlink_to(script.parent)
    ways = [
        (tmp_path, str(script)),
        (tmp_path, "./tool"),
        (tmp_path, "executables/tool"),
        (tmp_path, str(tmp_path / "executables" / "tool")),
        (root / "bin", "./tool"),
        (root / "bin" / "sub", "../tool"),
        (root / "bin" / "sub", str(root / "bin" / "sub" / ".." / "tool")),
    ]
    for cwd, name in ways:
        done = subprocess.run([name, "a", ""], cwd=cwd, capture_output=True, text=True, check=True)
        prefix, argv, _, _ = json.loads(done.stdout)
        assert (prefix, argv, done.stderr) == (str(root), [name, "a", ""], ""), name


def test_python_replaces_the_shell_and_inherits_no_new_variables(tmp_path: Path) -> None:
    """The program receives signals, and has the same environment variables as without the shell."""
    script = with_python(tmp_path / "env")
    link = tmp_path / "link"
    link.symlink_to(script)
    environ = {"PATH": os.environ["PATH"], "file": "mine", "link": "mine"}
    for name in (script, link):
        with subprocess.Popen([name], stdout=subprocess.PIPE, env=environ) as process:
            _, _, pid, names = json.loads(process.communicate()[0])
        assert pid == process.pid
        assert set(names) - {"PWD", "OLDPWD", "LC_CTYPE"} == set(environ)


@pytest.mark.parametrize("minor", MINORS)
def test_the_lines_are_valid_in_every_python(minor: str, tmp_path: Path) -> None:
    """They contain no invalid escape sequence, for which Python would print a warning."""
    script = tmp_path / "tool"
    script.write_bytes(relocatable_shebang_lines("python") + b"print('here')\n")
    done = subprocess.run(
        [pyenv(minor), "-W", "error", script], capture_output=True, text=True, check=False, env={"PATH": "/bin"}
    )
    assert (done.stdout, done.stderr) == ("here\n", "")


def test_an_encoding_declaration_is_on_the_second_line(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_bytes(
        relocatable_shebang_lines("python", b"# -*- coding: latin-1 -*-\n") + "print(ascii('é'))\n".encode("latin-1")
    )
    assert subprocess.run([sys.executable, script], capture_output=True, check=True).stdout == b"'\\xe9'\n"


def test_shellcheck_accepts_the_lines() -> None:
    """Except for the last line, which no shell reads."""
    text = relocatable_shebang_lines("python").decode().removesuffix('"""\n')
    done = subprocess.run([require("shellcheck"), "-"], input=text, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)
