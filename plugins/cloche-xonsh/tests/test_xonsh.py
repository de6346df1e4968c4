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
    fake_environment,
    plugin_contract,
    require_program,
)
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

WORDS_OF_VIRTUALENV = """
self.embedded_virtual_env = self._fs_path(__import__('builtins').bytes.fromhex('2fc3a9'), required=True)
self.embedded_prompt = ''.join(__import__('builtins').map(__import__('builtins').chr, (233, 32, 97)))
"""


def test_the_expressions_that_virtualenv_writes_are_read() -> None:
    assert [word.text for line in WORDS_OF_VIRTUALENV.splitlines() for word in activator.read_words(line)] == [
        "/é",
        "é a",
    ]


test_plugin = plugin_contract("xonsh")
test_activator = activator_contract(activator, SHELL)


@pytest.fixture
def xonsh() -> str:
    return require_program("xonsh")


def write_script(directory: Path, name: str, prompt: str = "") -> str:
    """Write only the activation script of an environment, and return its path as a quoted word of xonsh."""
    environment = environment_with_scripts(activator, directory / name, prompt)
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


def test_python_is_that_of_the_environment(xonsh: str, tmp_path: Path) -> None:
    environment = cloche.create(tmp_path / "it's a {env} $-", activators=["xonsh"], seeds=None)
    path = activator.quote(str(environment.bin / "activate.xsh"))

    output = run(xonsh, tmp_path, f"source @({path})", "python -c 'import sys; print(sys.prefix)'")

    assert output == [str(environment.root)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("$PATH.insert(0, '/mine')", "/mine:/usr/bin:/bin"),
        ("$PATH.append('/mine')", "/usr/bin:/bin:/mine"),
        ("$PATH = ['/mine']", "/usr/bin:/bin"),
        ("del $PATH", "/usr/bin:/bin"),
    ],
)
def test_entries_that_the_user_added_to_path_are_kept(xonsh: str, tmp_path: Path, change: str, expected: str) -> None:
    lines = [f"source {write_script(tmp_path, 'env')}", change, "deactivate", "print(__xonsh__.env.detype()['PATH'])"]

    assert run(xonsh, tmp_path, *lines) == [expected]


def test_entries_of_path_are_restored_unexpanded(xonsh: str, tmp_path: Path) -> None:
    """xonsh keeps `~/bin` unexpanded, and expands it when it searches for a program."""
    lines = [f"source {write_script(tmp_path, 'env')}", "deactivate", "print(repr($PATH))"]

    assert run(xonsh, tmp_path, "$PATH = ['~/bin', '$HOME/x', '/bin']", *lines) == ["['~/bin', '$HOME/x', '/bin']"]


@pytest.mark.parametrize("value", ["/old/home", ""])
def test_pythonhome_is_unset_while_active(xonsh: str, tmp_path: Path, value: str) -> None:
    show = "print(repr(__xonsh__.env.detype().get('PYTHONHOME')))"
    lines = [f"source {write_script(tmp_path, 'env')}", show, "deactivate", show]

    assert run(xonsh, tmp_path, f"$PYTHONHOME = {value!r}", *lines) == ["None", repr(value)]


def test_deactivation_removes_all_names_and_variables(xonsh: str, tmp_path: Path) -> None:
    show = (
        "print(sorted({*__xonsh__.env.detype(), *aliases, *globals()}), __xonsh__.env['PROMPT_FIELDS'].get('env_name'))"
    )
    lines = [f"source {write_script(tmp_path, 'env')}", "deactivate", show]

    [before, after] = run(xonsh, tmp_path, show, *lines)

    assert after == before


def test_deactivate_of_another_tool_is_called_first(xonsh: str, tmp_path: Path) -> None:
    lines = ["def other(args): print('other', args); del aliases['deactivate']", "aliases['deactivate'] = other"]

    assert run(xonsh, tmp_path, *lines, f"source {write_script(tmp_path, 'env')}", "deactivate") == ["other []"]


@pytest.mark.parametrize("name", ["$HOME", "${HOME}", "${'HOME'}", "a=~b"])
def test_a_path_that_xonsh_would_expand_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(cloche.Inexpressible, match="xonsh would expand"):
        activator.scripts(fake_environment(tmp_path / name))


@pytest.mark.parametrize("name", ["$(x)", "a $", "~", "$-", "${x", "%HOME%"])
def test_a_path_that_xonsh_would_not_expand_is_accepted(tmp_path: Path, name: str) -> None:
    assert activator.scripts(fake_environment(tmp_path / name))


@pytest.mark.parametrize("text", ["a\0b", "a\udc80b"])
def test_text_that_the_shell_cannot_express_is_refused(text: str) -> None:
    with pytest.raises(cloche.Inexpressible):
        activator.quote(text)


@pytest.mark.parametrize(
    "change",
    [
        "$VIRTUAL_ENV = ['a', 'b']",
        "$VIRTUAL_ENV = 5",
        "$PKG_CONFIG_PATH = ['$HOME/x', '/y']",
        "$PATH = '/usr/bin:/bin'",
        "$UPDATE_OS_ENVIRON = True",
        "$XONSH_SUBPROC_CMD_RAISE_ERROR = True",
        "$PROMPT_FIELDS = {}",
        "names, env, aliases_, old = 1, 2, 3, 4",
        "aliases['pydoc'] = 'echo mine'",
    ],
)
def test_variables_of_any_type_and_settings_are_restored(xonsh: str, tmp_path: Path, change: str) -> None:
    show = "print(__xonsh__.env.detype(), repr(__xonsh__.env.get('VIRTUAL_ENV')), [*__xonsh__.env['PROMPT_FIELDS']])"
    activate = f"source {write_script(tmp_path, 'env')}"

    before, active, after = run(xonsh, tmp_path, change, show, activate, "print($VIRTUAL_ENV)", "deactivate", show)

    assert active == f"{tmp_path}/env"
    assert after == before


def test_variables_with_the_names_of_builtins_are_not_used(xonsh: str, tmp_path: Path) -> None:
    path = write_script(tmp_path, "env")
    names = "list = str = callable = Exception = 5"

    output = run(xonsh, tmp_path, names, f"source {path}", "deactivate", f"source {path}", "print($VIRTUAL_ENV, list)")

    assert output == [f"{tmp_path}/env 5"]


def test_a_variable_that_accepts_no_text_is_reported_and_nothing_changes(xonsh: str, tmp_path: Path) -> None:
    state = "(sorted(__xonsh__.env.detype().items()), sorted(aliases), sorted({*globals()} - {'before'}))"
    lines = [
        "__xonsh__.env.register('VIRTUAL_ENV', type='int')",
        "before = None",
        f"before = {state}",
        "try:",
        f"    source {write_script(tmp_path, 'env')}",
        "except Exception:",
        "    pass",
        f"print(before == {state})",
    ]
    (tmp_path / "script.xsh").write_text("\n".join([*lines, ""]), encoding="utf-8")
    done = subprocess.run(
        [xonsh, "--no-rc", "script.xsh"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "True\n"
    assert "invalid literal for int()" in done.stderr


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


def test_the_prompt_shows_the_active_environment(terminal: Terminal, tmp_path: Path) -> None:
    one, two = write_script(tmp_path, "one"), write_script(tmp_path, "two")

    for line, prompt in (
        (f"source {one}", "(one) ready> "),
        (f"source {one}", "(one) ready> "),
        (f"source {two}", "(two) ready> "),
        ("deactivate", "ready> "),
    ):
        terminal.enter(line)
        terminal.expect(prompt)


def test_prompts_are_displayed_literally(terminal: Terminal, tmp_path: Path) -> None:
    for name, text in HOSTILE.items():
        if text.isprintable():
            terminal.enter(f"source {write_script(tmp_path, name, text)}")
            terminal.expect(f"({text}) ready> ")

    assert not (tmp_path / "PWNED").exists()


def test_the_prompt_is_unchanged_if_it_is_disabled(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter("$VIRTUAL_ENV_DISABLE_PROMPT = '1'")
    terminal.expect("ready> ")
    terminal.enter(f"source {write_script(tmp_path, 'env')}; print('at', $VIRTUAL_ENV_PROMPT)")
    terminal.expect("ready> ")

    assert "at env" in terminal.shown.splitlines()


def test_a_prompt_that_the_user_set_while_active_is_kept(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"source {write_script(tmp_path, 'env')}")
    terminal.expect("(env) ready> ")
    terminal.enter("$PROMPT = 'now> '")
    terminal.expect("now> ")
    terminal.enter("deactivate")
    terminal.expect("now> ")


def test_a_moved_environment_reports_it_and_changes_nothing(xonsh: str, tmp_path: Path) -> None:
    path = write_script(tmp_path, "old").replace("old", "new")
    (tmp_path / "old").rename(tmp_path / "new")

    (tmp_path / "script.xsh").write_text(
        f"source {path}\nprint(__xonsh__.env.detype()['PATH'], 'deactivate' in aliases)\n"
    )
    done = subprocess.run(
        [xonsh, "--no-rc", "script.xsh"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == "this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT\n"
    assert done.stdout == "/usr/bin:/bin False\n"


def test_pydoc_is_that_of_the_environment_until_deactivation(xonsh: str, tmp_path: Path) -> None:
    environment = cloche.create(tmp_path / "env", activators=["xonsh"], seeds=None)
    (environment.purelib / "only_here.py").write_text('"""Only in this environment."""')
    path = activator.quote(str(environment.bin / "activate.xsh"))

    output = run(xonsh, tmp_path, f"source @({path})", "pydoc only_here", "deactivate", "print('pydoc' in aliases)")

    assert "Only in this environment." in "\n".join(output)
    assert output[-1] == "False"


@pytest.mark.parametrize("name", ["rock'n'roll", 'say "hi"', "back\\slash", "a b"])
def test_scripts_of_packages_start(xonsh: str, name: str, tmp_path: Path) -> None:
    """xonsh reads the first line of a script itself, and removes quotes from it."""
    environment = cloche.create(tmp_path / name, activators=["xonsh"])
    path = activator.quote(str(environment.bin / "activate.xsh"))

    (version,) = run(xonsh, tmp_path, f"source @({path})", "pip --version")

    assert str(environment.root) in version
