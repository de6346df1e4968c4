"""The activator, in the real shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.testing import HOSTILE, Shell, Terminal, activator_contract, fake_environment, plugin_contract
from cloche_elvish import activator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHELL = Shell(
    ("elvish", "-norc"),
    echo="print {text}",
    activate="var deactivate~ = $nop~; eval (slurp < {script}) &on-end={|ns| set deactivate~ = $ns[deactivate~] }",
    suffix=".elv",
)

test_plugin = plugin_contract("elvish")
test_activator = activator_contract(activator, SHELL)


@pytest.fixture
def elvish() -> str:
    found = shutil.which("elvish")
    if found is None:
        reason = "`elvish` is not on PATH"
        pytest.fail(reason) if os.environ.get("CLOCHE_REQUIRE_ALL") == "1" else pytest.skip(reason)
    return found


def make(directory: Path, name: str, prompt: str = "") -> str:
    """Write the script of an environment that has nothing else, and return its path as a word of Elvish."""
    environment = fake_environment(directory / name, prompt=prompt or name)
    environment.bin.mkdir(parents=True)
    for script in activator.scripts(environment):
        (environment.bin / script.name).write_text(script.text, encoding="utf-8")
    return activator.quote(str(environment.bin / "activate.elv"))


def run(elvish: str, directory: Path, script: str, **environ: str) -> list[str]:
    done = subprocess.run(
        [elvish, "-norc", "-c", script],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", "HOME": str(directory), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_script_uses_it_as_a_module(elvish: str, tmp_path: Path) -> None:
    make(tmp_path, "env")

    said = run(
        elvish, tmp_path, "use ./env/bin/activate; echo $E:VIRTUAL_ENV $E:PATH; activate:deactivate; echo $E:PATH"
    )

    assert said == [f"{tmp_path}/env {tmp_path}/env/bin:/usr/bin:/bin", "/usr/bin:/bin"]


def test_two_modules_know_of_each_other(elvish: str, tmp_path: Path) -> None:
    make(tmp_path, "one")
    make(tmp_path, "two")

    said = run(
        elvish,
        tmp_path,
        "use ./one/bin/activate first; use ./two/bin/activate second; echo $E:PATH; first:deactivate; echo $E:PATH",
    )

    assert said == [f"{tmp_path}/two/bin:/usr/bin:/bin", "/usr/bin:/bin"]


def test_it_runs_the_environments_python(elvish: str, tmp_path: Path) -> None:
    made = cloche.create(tmp_path / "it's an $env", activators=["elvish"], seeds=None)
    path = activator.quote(str(made.bin / "activate.elv"))

    said = run(elvish, tmp_path, f"eval (slurp < {path}); python -c 'import sys; print(sys.prefix)'")

    assert said == [str(made.root)]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("set paths = [/mine $@paths]", "/mine:/usr/bin:/bin"),
        ("set paths = [$@paths /mine]", "/usr/bin:/bin:/mine"),
        ("set E:PATH = /mine", "/usr/bin:/bin"),
        ("unset-env PATH", "/usr/bin:/bin"),
    ],
)
def test_what_the_user_put_around_it_on_the_path_stays(elvish: str, tmp_path: Path, change: str, left: str) -> None:
    path = make(tmp_path, "env")

    said = run(
        elvish,
        tmp_path,
        f"var deactivate~ = $nop~; eval (slurp < {path}) &on-end={{|ns| set deactivate~ = $ns[deactivate~] }}\n"
        f"{change}\ndeactivate\necho $E:PATH",
    )

    assert said == [left]


def test_an_environment_that_was_active_outside_is_not_left_by_ours(elvish: str, tmp_path: Path) -> None:
    """What a child inherits is its parent's: leaving an environment gives back the state in which the child began."""
    make(tmp_path, "one")
    make(tmp_path, "two")
    inner = "use ./two/bin/activate; activate:deactivate; echo $E:VIRTUAL_ENV $E:PATH"

    said = run(elvish, tmp_path, f"use ./one/bin/activate; {elvish} -norc -c {activator.quote(inner)}")

    assert said == [f"{tmp_path}/one {tmp_path}/one/bin:/usr/bin:/bin"]


@pytest.mark.parametrize("text", ["a\0b", "a\udc80b"])
def test_what_no_script_can_hold_is_refused(text: str) -> None:
    with pytest.raises(cloche.Inexpressible):
        activator.quote(text)


# At the prompt


@pytest.fixture
def terminal(elvish: str, tmp_path: Path) -> Iterator[Terminal]:
    directories = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), str(tmp_path))
    with Terminal([elvish, "-norc"], tmp_path, {"PATH": "/usr/bin:/bin", **directories}) as shell:
        shell.rest()
        shell.enter("set edit:rprompt = { }; set edit:prompt = { put 'ready> ' }")
        shell.expect("ready> ")
        yield shell


def test_the_prompt_comes_and_goes(terminal: Terminal, tmp_path: Path) -> None:
    one, two = make(tmp_path, "one"), make(tmp_path, "two")

    for line, prompt in (
        (f"eval (slurp < {one})", "(one) ready> "),
        (f"eval (slurp < {one})", "(one) ready> "),
        (f"eval (slurp < {two})", "(two) ready> "),
        ("deactivate", "ready> "),
        ("use ./one/bin/activate", "(one) ready> "),
        ("activate:deactivate", "ready> "),
    ):
        terminal.enter(line)
        terminal.expect(prompt)


def test_prompts_are_drawn_as_they_are(terminal: Terminal, tmp_path: Path) -> None:
    for name, text in HOSTILE.items():
        if text.isprintable():
            terminal.enter(f"eval (slurp < {make(tmp_path, name, text)})")
            terminal.expect(f"({text}) ready> ")

    assert not (tmp_path / "PWNED").exists()


def test_the_prompt_can_be_left_alone(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"set E:VIRTUAL_ENV_DISABLE_PROMPT = 1; eval (slurp < {make(tmp_path, 'env')})")
    terminal.expect("ready> ")
    terminal.enter("deactivate")
    terminal.expect("ready> ")


def test_a_prompt_that_the_user_chose_while_it_was_active_stays(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"eval (slurp < {make(tmp_path, 'env')})")
    terminal.expect("(env) ready> ")
    terminal.enter("set edit:prompt = { put 'now ready> ' }")
    terminal.expect("now ready> ")
    terminal.enter("deactivate")
    terminal.expect("now ready> ")


def test_nothing_of_it_is_left_behind(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"eval (slurp < {make(tmp_path, 'env')})")
    terminal.expect("(env) ready> ")
    terminal.enter("deactivate")
    terminal.expect("ready> ")
    terminal.enter("env > variables; deactivate")
    terminal.expect("ready> ")

    assert 'exec: "deactivate": executable file not found' in terminal.shown
    variables = (tmp_path / "variables").read_text()
    assert "ELVISH" not in variables
    assert "VIRTUAL" not in variables
