"""The activator, in the real shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.testing import HOSTILE, Shell, Terminal, activator_contract, fake_environment, plugin_contract
from cloche_xonsh import activator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHELL = Shell(
    ("xonsh", "--no-rc"),
    echo="print({text}, end='')",
    activate="source @({script})",
    suffix=".xsh",
    withheld=("PYTHONHOME",),  # xonsh is a Python program
)

test_plugin = plugin_contract("xonsh")
test_activator = activator_contract(activator, SHELL)


@pytest.fixture
def xonsh() -> str:
    found = shutil.which("xonsh")
    if found is None:
        reason = "`xonsh` is not on PATH"
        pytest.fail(reason) if os.environ.get("CLOCHE_REQUIRE_ALL") == "1" else pytest.skip(reason)
    return found


def make(directory: Path, name: str, prompt: str = "") -> str:
    """Write the script of an environment that has nothing else, and return its path as a word of xonsh."""
    environment = fake_environment(directory / name, prompt=prompt or name)
    environment.bin.mkdir(parents=True)
    for script in activator.scripts(environment):
        (environment.bin / script.name).write_text(script.text, encoding="utf-8")
    return f"@({activator.quote(str(environment.bin / 'activate.xsh'))})"


def run(xonsh: str, directory: Path, *lines: str, **environ: str) -> list[str]:
    script = directory / "script.xsh"
    script.write_text("\n".join([*lines, ""]), encoding="utf-8")
    done = subprocess.run(
        [xonsh, "--no-rc", str(script)],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "LANG": "C.UTF-8", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_it_runs_the_environments_python(xonsh: str, tmp_path: Path) -> None:
    made = cloche.create(tmp_path / "it's a {env} $-", activators=["xonsh"], seeds=None)
    path = activator.quote(str(made.bin / "activate.xsh"))

    said = run(xonsh, tmp_path, f"source @({path})", "python -c 'import sys; print(sys.prefix)'")

    assert said == [str(made.root)]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("$PATH.insert(0, '/mine')", "/mine:/usr/bin:/bin"),
        ("$PATH.append('/mine')", "/usr/bin:/bin:/mine"),
        ("$PATH = ['/mine']", "/usr/bin:/bin"),
        ("del $PATH", "/usr/bin:/bin"),
    ],
)
def test_what_the_user_put_around_it_on_the_path_stays(xonsh: str, tmp_path: Path, change: str, left: str) -> None:
    lines = [f"source {make(tmp_path, 'env')}", change, "deactivate", "print(__xonsh__.env.detype()['PATH'])"]

    assert run(xonsh, tmp_path, *lines) == [left]


def test_entries_of_the_path_are_not_expanded_on_the_way(xonsh: str, tmp_path: Path) -> None:
    """xonsh keeps `~/bin` as it is, and expands it when it looks for a program."""
    lines = [f"source {make(tmp_path, 'env')}", "deactivate", "print(repr($PATH))"]

    assert run(xonsh, tmp_path, "$PATH = ['~/bin', '$HOME/x', '/bin']", *lines) == ["['~/bin', '$HOME/x', '/bin']"]


@pytest.mark.parametrize("value", ["/old/home", ""])
def test_pythonhome_is_away_while_it_is_active_and_then_back(xonsh: str, tmp_path: Path, value: str) -> None:
    show = "print(repr(__xonsh__.env.detype().get('PYTHONHOME')))"
    lines = [f"source {make(tmp_path, 'env')}", show, "deactivate", show]

    assert run(xonsh, tmp_path, f"$PYTHONHOME = {value!r}", *lines) == ["None", repr(value)]


def test_nothing_of_it_is_left_behind(xonsh: str, tmp_path: Path) -> None:
    show = (
        "print(sorted({*__xonsh__.env.detype(), *aliases, *globals()}), __xonsh__.env['PROMPT_FIELDS'].get('env_name'))"
    )
    lines = [f"source {make(tmp_path, 'env')}", "deactivate", show]

    [before, after] = run(xonsh, tmp_path, show, *lines)

    assert after == before


def test_a_deactivation_of_another_tool_is_called_first(xonsh: str, tmp_path: Path) -> None:
    lines = ["def other(args): print('other left', args); del aliases['deactivate']", "aliases['deactivate'] = other"]

    assert run(xonsh, tmp_path, *lines, f"source {make(tmp_path, 'env')}", "deactivate") == ["other left []"]


@pytest.mark.parametrize("name", ["$HOME", "${HOME}", "${'HOME'}", "a=~b"])
def test_a_place_that_xonsh_would_expand_in_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(cloche.Inexpressible, match="xonsh would expand"):
        activator.scripts(fake_environment(tmp_path / name))


@pytest.mark.parametrize("name", ["$(x)", "a $", "~", "$-", "${x", "%HOME%"])
def test_a_place_that_only_looks_like_it_is_not(tmp_path: Path, name: str) -> None:
    assert activator.scripts(fake_environment(tmp_path / name))


@pytest.mark.parametrize("text", ["a\0b", "a\udc80b"])
def test_what_no_script_can_hold_is_refused(text: str) -> None:
    with pytest.raises(cloche.Inexpressible):
        activator.quote(text)


# At the prompt


@pytest.fixture
def terminal(xonsh: str, tmp_path: Path) -> Iterator[Terminal]:
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "XONSH_HISTORY_BACKEND": "dummy",
        "XONSH_SUPPRESS_WELCOME": "1",
    }
    with Terminal([xonsh, "--no-rc", "--interactive", "--shell-type", "readline"], tmp_path, environ) as shell:
        shell.rest()
        shell.enter("$TITLE = ''; $PROMPT = '{env_name}ready> '")
        shell.expect("ready> ")
        yield shell


def test_the_prompt_comes_and_goes(terminal: Terminal, tmp_path: Path) -> None:
    one, two = make(tmp_path, "one"), make(tmp_path, "two")

    for line, prompt in (
        (f"source {one}", "(one) ready> "),
        (f"source {one}", "(one) ready> "),
        (f"source {two}", "(two) ready> "),
        ("deactivate", "ready> "),
    ):
        terminal.enter(line)
        terminal.expect(prompt)


def test_prompts_are_drawn_as_they_are(terminal: Terminal, tmp_path: Path) -> None:
    for name, text in HOSTILE.items():
        if text.isprintable():
            terminal.enter(f"source {make(tmp_path, name, text)}")
            terminal.expect(f"({text}) ready> ")

    assert not (tmp_path / "PWNED").exists()


def test_the_prompt_can_be_left_alone(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter("$VIRTUAL_ENV_DISABLE_PROMPT = '1'")
    terminal.expect("ready> ")
    terminal.enter(f"source {make(tmp_path, 'env')}; print('at', $VIRTUAL_ENV_PROMPT)")
    terminal.expect("ready> ")

    assert "at env" in terminal.shown.splitlines()


def test_a_prompt_that_the_user_chose_while_it_was_active_stays(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"source {make(tmp_path, 'env')}")
    terminal.expect("(env) ready> ")
    terminal.enter("$PROMPT = 'now> '")
    terminal.expect("now> ")
    terminal.enter("deactivate")
    terminal.expect("now> ")
