"""Test that the activation scripts of every maker work after a move from and to names that shells must quote.

Each maker writes the path in its own notation: quoted for the shell, quoted for sh in every shell, in numbers, or between
quotes as it is. In the latter case, the scripts do not work where they were created, but they do after a move.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from cloche.lifecycle.embedded_paths.activation_scripts import replace_prompt, roots_in_script
from cloche.shells import shell_of_program
from tests.interpreters import MINORS, debian, pyenv
from tests.lifecycle.environments import CREATE_WITH, create_with_uv, find_tool, run
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

NAMES = ("plain", "a b", "it's", 'a"b', "a$HOME", "a\\b", "\u00e9\u00e0", 'it\'s "a" $(x) `y` \\ \u00e9 !c')
"""Each environment is created at one of these names and moved to the next one."""


def virtualenv_of(version: str) -> Callable[[Path], object]:
    """Return a function that creates an environment with a version of virtualenv, from the package index."""
    options = ["--without-pip", "--no-setuptools"] if version < "20.30" else ["--no-seed"]
    minor = "3.9" if version.startswith("20.0.") else "3.11"  # versions as old as 20.0 do not support the latter

    def create(env: Path) -> None:
        tool = ["tool", "run", "-q", "-p", pyenv(minor), "--from", f"virtualenv=={version}", "virtualenv", "-q"]
        run(find_tool("uv"), *tool, *options, "-p", pyenv(minor), env)

    return create


MAKERS: Mapping[str, Callable[[Path], object]] = {
    **{f"venv {minor}": lambda env, minor=minor: CREATE_WITH["venv"](pyenv(minor), env) for minor in MINORS},
    "venv of Debian": lambda env: CREATE_WITH["venv"](debian(), env),
    "virtualenv": lambda env: CREATE_WITH["virtualenv"](pyenv("3.11"), env),
    "uv": lambda env: create_with_uv("-p", pyenv("3.11"), env),
    "cloche": lambda env: CREATE_WITH["cloche"](pyenv("3.11"), env),
    **{
        f"virtualenv {version}": virtualenv_of(version)
        for version in ("20.0.35", "20.24.7", "20.26.6", "20.36.1", "21.3.3", "21.9.1", "21.14.13")
    },
}
DAILY = ("venv 3.6", "venv 3.9", "venv 3.12", "venv of Debian", "virtualenv", "uv", "cloche")

SHOW = 'printf "%s\\n" "$VIRTUAL_ENV" "$(command -v python)" "$VIRTUAL_ENV_PROMPT"'
SHELLS = {
    "bash": ["--norc", "-c", f". ./activate && {SHOW}"],
    "dash": ["-c", f". ./activate && {SHOW}"],
    "zsh": ["-f", "-c", f". ./activate && {SHOW}"],
    "fish": ["--no-config", "-c", f"source activate.fish; and sh -c '{SHOW}'"],
    "tcsh": ["-f", "-c", f"set prompt = ''; source activate.csh; sh -c '{SHOW}'"],
}
"""By shell: arguments that activate the environment of the current directory, and print its path, its Python and its name."""

DAILY_CASES = {(maker, "move", NAMES[number * 3 % 8]) for number, maker in enumerate(DAILY)} | {
    (maker, how, name) for maker, how in (("virtualenv", "move"), ("venv 3.12", "doctor")) for name in NAMES
}
"""Each maker and each name."""
CASES = [
    pytest.param(*case, marks=[] if case in DAILY_CASES else pytest.mark.nightly)
    for case in itertools.product(MAKERS, ("move", "doctor"), NAMES)
]


def activated(shell: str, environment: Path) -> tuple[str, str, str]:
    """Return the path, the Python and the name of the environment after a shell has activated it, or what it printed."""
    environ = {"PATH": os.environ["PATH"], "HOME": "/dev/null/home", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    output = run(require(shell), *SHELLS[shell], environ=environ, cwd=environment / "bin")
    root, python, name, *_ = [*output.split("\n"), "", "", ""]
    return root, python, name.removeprefix("(").removesuffix(") ")


@pytest.mark.parametrize(("maker", "how", "name"), CASES)
def test_every_shell_activates_a_moved_environment(cloche, maker: str, how: str, name: str) -> None:
    old = cloche.cwd / name
    new = cloche.cwd / "moved" / NAMES[(NAMES.index(name) + 1) % len(NAMES)]
    MAKERS[maker](old)

    if how == "move":
        outcome = cloche("move", old, new)
    else:
        new.parent.mkdir()
        old.rename(new)
        outcome = cloche("doctor", "--fix", new)

    assert outcome.code == 0, outcome.out + outcome.err
    assert "still contains" not in outcome.err.replace("activate.bat", "").replace("``", "")
    for shell in SHELLS:
        script = {"fish": "activate.fish", "tcsh": "activate.csh"}.get(shell, "activate")
        if (new / "bin" / script).exists():
            root, python, shown = activated(shell, new)
            assert (shell, root, python) == (shell, str(new), f"{new}/bin/python")
            assert shown in ("", new.name)
    if (script := new / "bin" / "activate.nu").exists():
        nushell = shell_of_program("nu")
        assert nushell is not None
        assert roots_in_script(script.read_text(), nushell) == [str(new)]


BASH, FISH, CSH = "bash", "fish", "tcsh"


@pytest.mark.parametrize(
    ("program", "line", "new", "expected"),
    [
        (BASH, 'PS1="(old) ${PS1:-}"', "new", 'PS1="(new) ${PS1:-}"'),
        (BASH, 'PS1="(old) ${PS1:-}"', "it's", """PS1='(it'\\''s) '"${PS1:-}\""""),
        (BASH, """PS1='(old) '"${PS1:-}\"""", "new", """PS1='(new) '"${PS1:-}\""""),
        (BASH, 'PS1="("old") ${PS1:-}"', "new", 'PS1="("new") ${PS1:-}"'),
        (BASH, 'PS1="("old") ${PS1:-}"', 'a "b"', """PS1="("'a "b"'") ${PS1:-}\""""),
        (BASH, 'PS1="(old) ${PS1:-}"', "$(x)", """PS1='(${VIRTUAL_ENV##*/}) '"${PS1:-}\""""),
        (BASH, 'VIRTUAL_ENV_PROMPT="(old) "', "$(x)", "VIRTUAL_ENV_PROMPT='($(x)) '"),
        (FISH, 'printf "%s(%s)%s " (set_color 4B8BBE) old (set_color normal)', "$x", None),
        (CSH, 'set prompt = "(old) $prompt"', "a b", 'set prompt = "(a b) $prompt"'),
        (CSH, 'set prompt = "(old) $prompt"', 'a"b', """set prompt = \\(a\\"b\\)\\ "$prompt\""""),
        (CSH, 'set prompt = "("old") $prompt:q"', "new", 'set prompt = "("new") $prompt:q"'),
        (CSH, 'set prompt = "(old) $prompt"', "50%", """set prompt = \\(50\\%\\%\\)\\ "$prompt\""""),
        (CSH, "set _virtualenv_prompt_tcsh = 'old'", "a!", "set _virtualenv_prompt_tcsh = a\\\\\\!"),
    ],
)
def test_the_name_in_a_prompt_is_replaced(program: str, line: str, new: str, expected: str | None) -> None:
    shell = shell_of_program(program)
    assert shell is not None
    expected = line.replace("old", shell.quote(new)) if expected is None else expected
    assert replace_prompt(line, "old", new, shell) == expected


@pytest.mark.parametrize(
    ("program", "line", "root"),
    [
        (BASH, 'VIRTUAL_ENV="/x/it\'s "a" $b"\n', '/x/it\'s "a" $b'),
        (BASH, 'VIRTUAL_ENV="/x/"a" b"', '/x/"a" b'),
        (BASH, "VIRTUAL_ENV='/x/it's b'", "/x/it's b"),
        (BASH, "VIRTUAL_ENV='/x/it'\"'\"'s b'", "/x/it's b"),
        (BASH, 'VIRTUAL_ENV=$(cygpath "/x/a"b")', '/x/a"b'),
        (BASH, 'VIRTUAL_ENV="/x/a\\"b"', '/x/a"b'),
        (FISH, "set -gx VIRTUAL_ENV '/x/it's b'", "/x/it's b"),
        (FISH, "set -gx VIRTUAL_ENV '/x/it'\\''s '\\\\' b'", "/x/it's \\ b"),
        (CSH, 'setenv VIRTUAL_ENV "/x/a"b"', '/x/a"b'),
        ("nu", "    const virtual_env = '/x/it'\"'\"'s b'", "/x/it's b"),
        ("xonsh", '$VIRTUAL_ENV = r"/x/it\'s "a" b"', '/x/it\'s "a" b'),
    ],
)
def test_a_root_that_was_not_quoted_for_the_shell_is_read(program: str, line: str, root: str) -> None:
    shell = shell_of_program(program)
    assert shell is not None
    assert roots_in_script(line, shell) == [root]
