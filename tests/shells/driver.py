"""Functions that run real shells and terminals for the tests of activation scripts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pexpect
from hypothesis import strategies as st

from cloche.model.environment import Environment, Layout
from cloche.model.interpreter import Interpreter
from cloche.testing.hostile import HOSTILE as CASES
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cloche.plugins.hookspecs import Activator

HOSTILE = {
    **CASES,
    "plain": "env",
    "arithmetic": "$((1+1))$[1+1]",
    "process": "$$ $? $0 $1 ${IFS}",
    "bangs": "a!b!!c!$",
    "percents": "50%%off%m%",
    "caret at the start": "^a^b^",
    "backslashes": "a\\b\\\\c\\",
    "option": "-n",
    "substitution": "=ls =(touch PWNED) <(touch PWNED)",
    "zsh escapes": "%F{red}%n%~%1v%(!.a.b)%{x%}%$HOME",
    "bash escapes": "\\u\\w\\$\\h\\n\\[\\]\\044(touch PWNED)",
    "reference": "${VIRTUAL_ENV_PROMPT}",
    "only a quote": "'",
}
"""Names of directories and prompts that a careless script would expand, split or run, by the name of the case."""

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
"""Any text that can be an argument of a program."""

NAMES = (
    "PATH",
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "PYTHONHOME",
    "PKG_CONFIG_PATH",
    "TCL_LIBRARY",
    "TK_LIBRARY",
)
"""The variables that activation may change, except for the prompt."""


class Outcome(NamedTuple):
    """The result of running a shell."""

    returncode: int
    stdout: str
    stderr: str


class State(NamedTuple):
    """The variables of a shell and those that it exports; None is unset."""

    inside: dict[str, str | None]
    exported: dict[str, str]


def interpreter(tcl: str = "", tk: str = "", os_name: str = "posix") -> Interpreter:
    """Return a fake interpreter with the fields that activation scripts use."""
    return Interpreter(
        executable="/usr/bin/python3.11",
        implementation="cpython",
        version=(3, 11, 7, "final", 0),
        platform="win32" if os_name == "nt" else "linux",
        os_name=os_name,
        machine="x86_64",
        bits=64,
        free_threaded=False,
        debug=False,
        prefix="/usr",
        exec_prefix="/usr",
        stdlib="/usr/lib/python3.11",
        scheme={},
        cache_tag="cpython-311",
        magic="a70d0d0a",
        soabi="",
        library="",
        has_venv=True,
        tcl_library=tcl,
        tk_library=tk,
    )


def describe(root: str, prompt: str, tcl: str = "", tk: str = "", os_name: str = "posix") -> Environment:
    """Return an environment as a plan would describe it."""
    bin_name, python = ("Scripts", "Scripts/python.exe") if os_name == "nt" else ("bin", "bin/python")
    site = "lib/python3.11/site-packages"
    layout = Layout(bin_name, python, ("python",), site, site, "include")
    return Environment(root, layout, os_name, prompt, interpreter(tcl, tk, os_name))


def build(root: Path, activator: Activator, prompt: str = "env", tcl: str = "", tk: str = "") -> Path:
    """Create an environment with scripts and a `python` that prints its arguments; return the directory of the scripts."""
    scripts = root / "bin"
    scripts.mkdir(parents=True)
    for script in activator.scripts(describe(str(root), prompt, tcl, tk)):
        (scripts / script.name).write_bytes(script.text.encode())
    python = scripts / "python"
    python.write_text('#!/bin/sh\nprintf "%s|" python "$@"\n')
    python.chmod(0o755)
    return scripts


def run(
    arguments: Sequence[str],
    script: str,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Run a script in a shell and return its output; any output on standard error is a failure.

    Its environment variables are the PATH of the tests, a UTF-8 locale, a HOME beside `cwd`, and `environ`.
    """
    done = attempt(arguments, script, cwd, environ)
    assert (done.stderr, done.returncode) == ("", 0), (done.stderr, done.returncode)
    return done.stdout


def attempt(
    arguments: Sequence[str],
    script: str,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a script as `run` does, but return the result without checking it."""
    if cwd is not None:
        cwd.mkdir(exist_ok=True)
    done = subprocess.run(
        [require(arguments[0]), *arguments[1:]],
        input=script.encode(),
        cwd=cwd,
        env=surroundings(cwd) | (environ or {}),
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def surroundings(cwd: Path | None) -> dict[str, str]:
    """Return the variables for a shell; HOME is not `cwd`, which must stay empty."""
    home = "/dev/null/home" if cwd is None else f"{cwd}-home"
    return {"LC_ALL": "C.UTF-8", "HOME": home, "PATH": os.environ["PATH"]}


def sections(text: str) -> dict[str, str]:
    """Split the output of a script at its headings, which are `SOH name STX`."""
    return dict(part.split("\2", 1) for part in text.split("\1")[1:])


def state(section: str) -> State:
    """Parse a section: `name NUL value NUL` for each variable that is set, `ETX`, and the output of `env -0`."""
    inside, exported = section.split("\3")
    words = inside.split("\0")
    own = dict(zip(words[:-1:2], words[1::2], strict=True))
    outside = dict(word.split("=", 1) for word in exported.split("\0") if word)
    return State({name: own.get(name) for name in NAMES}, {name: outside[name] for name in NAMES if name in outside})


class Terminal:
    """A shell on a pseudo-terminal, so wide that it never wraps a line."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, environ: Mapping[str, str] | None = None, mark: str = "<END> "
    ) -> None:
        """Start the shell; its prompts must end with `mark`."""
        cwd.mkdir(exist_ok=True)
        self.mark = mark
        self.child = pexpect.spawn(
            require(arguments[0]),
            list(arguments[1:]),
            cwd=str(cwd),
            env=surroundings(cwd) | {"TERM": "dumb", "HISTFILE": ""} | (environ or {}),
            encoding="utf-8",
            echo=False,
            timeout=20,
            dimensions=(24, 2000),
        )
        self.child.delaybeforesend = None

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.close(force=True)

    def say(self, line: str, mark: str | None = None) -> str:
        """Type a line, and return the visible output up to the mark of the next prompt; see `seen`."""
        self.child.sendline(line)
        self.child.expect_exact(mark or self.mark)
        return seen(self.child.before)


def seen(drawn: str) -> str:
    """Return the visible part of a terminal's output, without control sequences and with `\\n` for each new line."""
    return re.sub("\x1b\\[[0-9;?]*[A-Za-z]|\x1b[>=]", "", drawn).replace("\r\n", "\n")


def real_python(root: Path) -> None:
    """Replace the `python` of an environment with a real one."""
    python = root / "bin" / "python"
    python.unlink()
    python.symlink_to(os.path.realpath(sys.executable))
    home = os.path.dirname(os.path.realpath(sys.executable))
    (root / "pyvenv.cfg").write_text(f"home = {home}\n")
