"""Test the activator in the real shell."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.testing import (
    HOSTILE,
    Shell,
    Terminal,
    activator_contract,
    environment_with_scripts,
    plugin_contract,
    require_program,
)
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
    return require_program("elvish")


def write_script(directory: Path, name: str, prompt: str = "") -> str:
    """Write only the activation script of an environment, and return its path as a quoted word of Elvish."""
    environment = environment_with_scripts(activator, directory / name, prompt)
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


def test_the_script_can_be_used_as_a_module(elvish: str, tmp_path: Path) -> None:
    write_script(tmp_path, "env")

    output = run(
        elvish, tmp_path, "use ./env/bin/activate; echo $E:VIRTUAL_ENV $E:PATH; activate:deactivate; echo $E:PATH"
    )

    assert output == [f"{tmp_path}/env {tmp_path}/env/bin:/usr/bin:/bin", "/usr/bin:/bin"]


def test_the_second_module_deactivates_the_first(elvish: str, tmp_path: Path) -> None:
    write_script(tmp_path, "one")
    write_script(tmp_path, "two")

    output = run(
        elvish,
        tmp_path,
        "use ./one/bin/activate first; use ./two/bin/activate second; echo $E:PATH; first:deactivate; echo $E:PATH",
    )

    assert output == [f"{tmp_path}/two/bin:/usr/bin:/bin", "/usr/bin:/bin"]


def test_python_is_that_of_the_environment(elvish: str, tmp_path: Path) -> None:
    environment = cloche.create(tmp_path / "it's an $env", activators=["elvish"], seeds=None)
    path = activator.quote(str(environment.bin / "activate.elv"))

    output = run(elvish, tmp_path, f"eval (slurp < {path}); python -c 'import sys; print(sys.prefix)'")

    assert output == [str(environment.root)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("set paths = [/mine $@paths]", "/mine:/usr/bin:/bin"),
        ("set paths = [$@paths /mine]", "/usr/bin:/bin:/mine"),
        ("set E:PATH = /mine", "/usr/bin:/bin"),
        ("unset-env PATH", "/usr/bin:/bin"),
    ],
)
def test_entries_that_the_user_added_to_path_are_kept(elvish: str, tmp_path: Path, change: str, expected: str) -> None:
    path = write_script(tmp_path, "env")

    output = run(
        elvish,
        tmp_path,
        f"var deactivate~ = $nop~; eval (slurp < {path}) &on-end={{|ns| set deactivate~ = $ns[deactivate~] }}\n"
        f"{change}\ndeactivate\necho $E:PATH",
    )

    assert output == [expected]


def test_a_child_process_restores_the_environment_of_its_parent(elvish: str, tmp_path: Path) -> None:
    """Deactivation in a child process restores the variables that the child inherited."""
    write_script(tmp_path, "one")
    write_script(tmp_path, "two")
    inner = "use ./two/bin/activate; activate:deactivate; echo $E:VIRTUAL_ENV $E:PATH"

    output = run(elvish, tmp_path, f"use ./one/bin/activate; {elvish} -norc -c {activator.quote(inner)}")

    assert output == [f"{tmp_path}/one {tmp_path}/one/bin:/usr/bin:/bin"]


@pytest.mark.parametrize("text", ["a\0b", "a\udc80b"])
def test_text_that_the_shell_cannot_express_is_refused(text: str) -> None:
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


def test_the_prompt_shows_the_active_environment(terminal: Terminal, tmp_path: Path) -> None:
    one, two = write_script(tmp_path, "one"), write_script(tmp_path, "two")

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


def test_prompts_are_displayed_literally(terminal: Terminal, tmp_path: Path) -> None:
    for name, text in HOSTILE.items():
        if text.isprintable():
            terminal.enter(f"eval (slurp < {write_script(tmp_path, name, text)})")
            terminal.expect(f"({text}) ready> ")

    assert not (tmp_path / "PWNED").exists()


def test_the_prompt_is_unchanged_if_it_is_disabled(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"set E:VIRTUAL_ENV_DISABLE_PROMPT = 1; eval (slurp < {write_script(tmp_path, 'env')})")
    terminal.expect("ready> ")
    terminal.enter("deactivate")
    terminal.expect("ready> ")


def test_a_prompt_that_the_user_set_while_active_is_kept(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"eval (slurp < {write_script(tmp_path, 'env')})")
    terminal.expect("(env) ready> ")
    terminal.enter("set edit:prompt = { put 'now ready> ' }")
    terminal.expect("now ready> ")
    terminal.enter("deactivate")
    terminal.expect("now ready> ")


def test_deactivation_removes_the_function_and_all_variables(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"eval (slurp < {write_script(tmp_path, 'env')})")
    terminal.expect("(env) ready> ")
    terminal.enter("deactivate")
    terminal.expect("ready> ")
    terminal.enter("env > variables; deactivate")
    terminal.expect("ready> ")

    assert 'exec: "deactivate": executable file not found' in terminal.shown
    variables = (tmp_path / "variables").read_text()
    assert "ELVISH" not in variables
    assert "VIRTUAL" not in variables


def test_a_moved_environment_reports_it_and_changes_nothing(elvish: str, tmp_path: Path) -> None:
    path = write_script(tmp_path, "old").replace("old", "new")
    (tmp_path / "old").rename(tmp_path / "new")

    lines = run(elvish, tmp_path, f"try {{ eval (slurp < {path}) }} catch e {{ echo $e[reason][content] }}; env")

    assert lines[0] == "this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT"
    assert not [line for line in lines if "VIRTUAL" in line or "_ELVISH_" in line]
    assert "PATH=/usr/bin:/bin" in lines
