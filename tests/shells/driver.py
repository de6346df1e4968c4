"""Real shells for the tests of activation scripts: what to start, what to say to them, and what came of it.

It knows shells and terminals; what an activation script owes is for the tests to say.
"""

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
"""Names for directories and prompts that a careless script would expand, split or run, by what is difficult in them."""

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
"""Whatever an argument of a program may hold."""

NAMES = (
    "PATH",
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "PYTHONHOME",
    "PKG_CONFIG_PATH",
    "TCL_LIBRARY",
    "TK_LIBRARY",
)
"""The variables that activation may change, the prompt aside."""


class Outcome(NamedTuple):
    """What became of a shell."""

    returncode: int
    stdout: str
    stderr: str


class State(NamedTuple):
    """The variables as a shell and its children see them; None is unset."""

    inside: dict[str, str | None]
    exported: dict[str, str]


def interpreter(tcl: str = "", tk: str = "", os_name: str = "posix") -> Interpreter:
    """Return a description of an interpreter in which nothing matters but what activation scripts are told."""
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
    """Make a directory with scripts and a `python` that tells what it was called with; return where the scripts are."""
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
    """Run a script in a shell and return what it wrote; whatever it says on standard error is a failure.

    Its environment holds the tests' own PATH, a UTF-8 locale, `cwd` as HOME, and what is given.
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
    """As `run`, and leave it to the caller what to make of the result."""
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
    """Return the variables that a shell is given; HOME is not the directory that must stay empty."""
    home = "/nonexistent" if cwd is None else f"{cwd}-home"
    return {"LC_ALL": "C.UTF-8", "HOME": home, "PATH": os.environ["PATH"]}


def sections(text: str) -> dict[str, str]:
    """Split what a script printed at its headings, which are `SOH name STX`."""
    return dict(part.split("\2", 1) for part in text.split("\1")[1:])


def state(section: str) -> State:
    """Read a section that holds `name NUL value NUL` for each variable that is set, `ETX`, and then `env -0`."""
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
        """Start it; `mark` is what its prompts will end with."""
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
        """Type a line, and return all that is drawn up to the mark of the next prompt, as `seen` gives it."""
        self.child.sendline(line)
        self.child.expect_exact(mark or self.mark)
        return seen(self.child.before)


def seen(drawn: str) -> str:
    """Return what a person sees of what a terminal is sent: no control sequences, and one sign for each new line."""
    return re.sub("\x1b\\[[0-9;?]*[A-Za-z]|\x1b[>=]", "", drawn).replace("\r\n", "\n")


def real_python(root: Path) -> None:
    """Make the `python` of an environment a real one."""
    python = root / "bin" / "python"
    python.unlink()
    python.symlink_to(os.path.realpath(sys.executable))
    home = os.path.dirname(os.path.realpath(sys.executable))
    (root / "pyvenv.cfg").write_text(f"home = {home}\n")
