"""Test the activator in the real shell."""

from __future__ import annotations

import os
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
from cloche_nushell import activator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHELL = Shell(
    ("nu", "--no-config-file"),
    echo="print --no-newline {text}",
    activate="overlay use {script}",
    suffix=".nu",
    leaves=("CURRENT_FILE", "FILE_PWD", "LAST_EXIT_CODE"),
)


def test_an_expansion_in_a_string_is_not_read_as_a_word() -> None:
    assert [*activator.read_words("""let x = $"(pwd)" + $'/old' + a"b" """)] == []


test_plugin = plugin_contract("nushell")
test_activator = activator_contract(activator, SHELL)


@pytest.fixture
def nu() -> str:
    return require_program("nu")


def write_script(directory: Path, name: str, prompt: str = "") -> str:
    """Write only the activation script of an environment, and return its path as a quoted word of Nushell."""
    environment = environment_with_scripts(activator, directory / name, prompt)
    return activator.quote(str(environment.bin / "activate.nu"))


def run(nu: str, directory: Path, *lines: str, **environ: str) -> list[str]:
    script = directory / "script.nu"
    script.write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        [nu, "--no-config-file", str(script)],
        cwd=directory,
        env={"PATH": f"{os.path.dirname(nu)}:/usr/bin:/bin", "HOME": str(directory), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_python_is_that_of_the_environment(nu: str, tmp_path: Path) -> None:
    environment = cloche.create(tmp_path / 'it\'s a "$env"', activators=["nushell"], seeds=None)
    path = activator.quote(str(environment.bin / "activate.nu"))

    output = run(nu, tmp_path, f"overlay use {path}", "^python -c 'import sys; print(sys.prefix)'")

    assert output == [str(environment.root)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("$env.PATH = ($env.PATH | prepend '/mine')", ["/mine", "/a", "/b"]),
        ("$env.PATH = ($env.PATH | append '/mine')", ["/a", "/b", "/mine"]),
        ("$env.PATH = ['/mine']", ["/a", "/b"]),
    ],
)
def test_entries_that_the_user_added_to_path_are_kept(
    nu: str, tmp_path: Path, change: str, expected: list[str]
) -> None:
    path = write_script(tmp_path, "env")

    output = run(nu, tmp_path, "$env.PATH = [/a /b]", f"overlay use {path}", change, "deactivate", "print ...$env.PATH")

    assert output == expected


def test_variables_that_the_user_set_while_active_are_kept(nu: str, tmp_path: Path) -> None:
    """Unlike `overlay hide`, which would discard them."""
    path = write_script(tmp_path, "env")

    output = run(
        nu, tmp_path, f"overlay use {path}", "$env.MINE = 'kept'", "cd /", "deactivate", "print $env.MINE $env.PWD"
    )

    assert output == ["kept", "/"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "'/usr/bin:/bin'"),
        ("PATH", "5"),
        ("VIRTUAL_ENV", "[/a /b]"),
        ("VIRTUAL_ENV", "{|| 1}"),
        ("PKG_CONFIG_PATH", "[/a /b]"),
        ("PKG_CONFIG_PATH", "{|| 1}"),
        ("PROMPT_COMMAND", "{|| 1}"),
    ],
)
def test_a_value_of_any_type_is_restored(nu: str, tmp_path: Path, name: str, value: str) -> None:
    path = write_script(tmp_path, "env")
    show = f"print ($env.{name} | describe)"

    before, active, after = run(
        nu,
        tmp_path,
        f"$env.{name} = {value}",
        show,
        f"overlay use {path}",
        "print $env.VIRTUAL_ENV",
        "deactivate",
        show,
    )

    assert (active, after) == (f"{tmp_path}/env", before)


def test_a_list_of_directories_stays_a_list_of_directories(nu: str, tmp_path: Path) -> None:
    output = run(
        nu,
        tmp_path,
        "$env.PKG_CONFIG_PATH = [/a /b]",
        f"overlay use {write_script(tmp_path, 'env')}",
        "print $env.PKG_CONFIG_PATH",
    )

    assert output == [f"{tmp_path}/env/lib/pkgconfig:/a:/b"]


def test_the_prompt_of_the_user_is_called_each_time(nu: str, tmp_path: Path) -> None:
    show = "print (do $env.PROMPT_COMMAND)"
    path = write_script(tmp_path, "env")

    output = run(
        nu,
        tmp_path,
        "$env.PROMPT_COMMAND = {|| $env.PWD}",
        *(f"overlay use {path}", "cd /", show, "deactivate", "cd /usr", show),
    )

    assert output == ["(env) /", "/usr"]


def test_hiding_the_overlay_also_deactivates(nu: str, tmp_path: Path) -> None:
    path = write_script(tmp_path, "env")
    variables = {"PYTHONHOME": "/old/home", "PKG_CONFIG_PATH": "/old/pkgconfig", "VIRTUAL_ENV": "/old"}
    show = "print ([PYTHONHOME PKG_CONFIG_PATH VIRTUAL_ENV] | each { |name| $env | get $name } | str join ' ')"

    output = run(
        nu,
        tmp_path,
        f"overlay use {path}",
        "overlay hide activate",
        show,
        "print ('_OLD_NUSHELL' in $env)",
        **variables,
    )

    assert output == ["/old/home /old/pkgconfig /old", "false"]


def test_programs_do_not_inherit_the_saved_values(nu: str, tmp_path: Path) -> None:
    output = run(nu, tmp_path, f"overlay use {write_script(tmp_path, 'env')}", "^env")

    names = {line.partition("=")[0] for line in output}
    assert {"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT"} <= names
    assert not [name for name in names if "OLD" in name]


def test_a_child_process_restores_the_environment_of_its_parent(nu: str, tmp_path: Path) -> None:
    """Deactivation in a child process restores the variables that the child inherited."""
    one, two = write_script(tmp_path, "one"), write_script(tmp_path, "two")
    inner = f"overlay use {two}; deactivate; print $env.VIRTUAL_ENV ($env.PATH | first)"

    output = run(nu, tmp_path, f"overlay use {one}", f"^nu --no-config-file --commands {activator.quote(inner)}")

    assert output == [f"{tmp_path}/one", f"{tmp_path}/one/bin"]


@pytest.mark.parametrize("text", ["a\0b", "a\udc80b"])
def test_text_that_the_shell_cannot_express_is_refused(text: str) -> None:
    with pytest.raises(cloche.Inexpressible):
        activator.quote(text)


# At the prompt


@pytest.fixture
def terminal(nu: str, tmp_path: Path) -> Iterator[Terminal]:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with Terminal([nu, "--no-config-file", "--no-history"], tmp_path, environ) as shell:
        shell.rest()
        shell.enter("$env.PROMPT_INDICATOR = '> '; $env.PROMPT_COMMAND_RIGHT = ''; $env.PROMPT_COMMAND = {|| 'ready' }")
        shell.expect("ready> ")
        yield shell


def test_the_prompt_shows_the_active_environment(terminal: Terminal, tmp_path: Path) -> None:
    one, two = write_script(tmp_path, "one"), write_script(tmp_path, "two")

    for line, prompt in (
        (f"overlay use {one}", "(one) ready> "),
        (f"overlay use {one}", "(one) ready> "),
        (f"overlay use {two}", "(two) ready> "),
        ("deactivate", "ready> "),
        (f"overlay use {one}", "(one) ready> "),
        ("overlay hide activate", "ready> "),
    ):
        terminal.enter(line)
        terminal.expect(prompt)


def test_prompts_are_displayed_literally(terminal: Terminal, tmp_path: Path) -> None:
    for name, text in HOSTILE.items():
        if text.isprintable():
            terminal.enter(f"overlay use {write_script(tmp_path, name, text)}")
            terminal.expect(f"({text}) ready> ")

    assert not (tmp_path / "PWNED").exists()


def test_a_prompt_that_is_a_string_is_restored(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter("$env.PROMPT_COMMAND = 'text'")
    terminal.expect("text> ")
    terminal.enter(f"overlay use {write_script(tmp_path, 'env')}")
    terminal.expect("(env) text> ")
    terminal.enter("deactivate")
    terminal.expect("text> ")


def test_the_prompt_is_unchanged_if_it_is_disabled(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(
        f"$env.VIRTUAL_ENV_DISABLE_PROMPT = '1'; overlay use {write_script(tmp_path, 'env')}; print $env.VIRTUAL_ENV_PROMPT"
    )
    terminal.expect("ready> ")

    assert "env" in terminal.shown.splitlines()


def test_a_prompt_that_the_user_set_while_active_is_kept(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"overlay use {write_script(tmp_path, 'env')}")
    terminal.expect("(env) ready> ")
    terminal.enter("$env.PROMPT_COMMAND = {|| 'now' }")
    terminal.expect("now> ")
    terminal.enter("deactivate")
    terminal.expect("now> ")


def test_a_moved_environment_reports_it_and_changes_nothing(nu: str, tmp_path: Path) -> None:
    path = write_script(tmp_path, "old").replace("old", "new")
    (tmp_path / "old").rename(tmp_path / "new")

    (tmp_path / "script.nu").write_text(f"overlay use {path}\nenv | print")
    done = subprocess.run(
        [nu, "--no-config-file", "script.nu"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert "this environment was moved; to repair it" in done.stderr


def test_pydoc_is_that_of_the_environment(nu: str, tmp_path: Path) -> None:
    environment = cloche.create(tmp_path / "env", activators=["nushell"], seeds=None)
    (environment.purelib / "only_here.py").write_text('"""Only in this environment."""')

    output = run(
        nu, tmp_path, f"overlay use {activator.quote(str(environment.bin / 'activate.nu'))}", "pydoc only_here"
    )

    assert "Only in this environment." in "\n".join(output)
