"""Test that activation scripts of relocatable environments find their environment, however they are sourced."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from cloche.builtin.activators import bash, csh, fish, powershell, python
from cloche.builtin.plugin import cloche_activators
from cloche.model.value import replace
from cloche.plugins import load_object
from cloche.testing import Shell
from cloche.testing.fakes import KINDS, fake_environment
from cloche.testing.hostile import HOSTILE as NAMES
from cloche.testing.hostile import directory_name
from cloche.testing.shell_checks import Runner
from tests.shells.driver import HOSTILE, Outcome, attempt, describe
from tests.shells.test_posix_shells import SHELLS, STRICT
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.plugins.hookspecs import Activator

ACTIVATORS = {descriptor.name: load_object(descriptor.implementation) for descriptor in cloche_activators()}


def create_and_move(root: Path, activator: Activator, name: str = "env") -> Path:
    """Create a relocatable environment, move it, and return its new path."""
    before = root / "original"
    (before / "bin").mkdir(parents=True)
    environment = replace(describe(str(before), before.name), placement="relocatable", naming="directory")
    for script in activator.scripts(environment):
        (before / "bin" / script.name).write_bytes(script.text.encode())
    before.rename(root / name)
    return root / name


@pytest.fixture(params=SHELLS.values(), ids=SHELLS.keys())
def shell(request: pytest.FixtureRequest) -> list[str]:
    arguments: list[str] = request.param
    return arguments


@pytest.mark.parametrize("name", ACTIVATORS)
def test_the_scripts_do_not_depend_on_the_path(name: str) -> None:
    """Nor on the name of the directory."""
    activator = ACTIVATORS[name]
    for kind in KINDS.values():
        if activator.refusal(kind) is None:
            one, other = (
                fake_environment(place, kind, placement="relocatable", naming="directory", prompt=prompt)
                for place, prompt in (("/srv/one", "one"), ("/home/me/an other", "an other"))
            )
            assert list(activator.scripts(one)) == list(activator.scripts(other))


def test_the_directory_can_have_any_name(shell: list[str], tmp_path: Path) -> None:
    """Nothing in the name runs, and the prompt is the name."""
    roots = {what: create_and_move(tmp_path / what, bash, directory_name(name)) for what, name in HOSTILE.items()}
    say = f'{require("printf")} \'%s\\0%s\\0\' "$VIRTUAL_ENV" "$VIRTUAL_ENV_PROMPT"\ndeactivate\n'
    script = "".join(f". {shlex.quote(str(root))}/bin/activate\n{say}" for root in roots.values())

    outcome = attempt(shell, script, tmp_path / "cwd")

    words = outcome.stdout.split("\0")[:-1]
    expected = [word for root in roots.values() for word in (str(root), root.name)]
    assert (words, outcome.stderr) == (expected, "")
    assert os.listdir(tmp_path / "cwd") == []


@pytest.mark.nightly
@pytest.mark.parametrize("arguments", STRICT.values(), ids=STRICT.keys())
def test_a_copy_can_have_any_name(arguments: list[str]) -> None:
    """In every POSIX-like shell with strict options, while the original exists."""
    require(arguments[0])
    runner = Runner(bash, Shell(tuple(arguments), echo="printf %s {text}"))
    found, ran = runner.activate_hostile("relocatable", NAMES)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}, ran.errors
    assert found.keys() == NAMES.keys()
    assert (ran.new_files, ran.output) == ((), "")


WAYS = {
    "from the root of the environment": ("env", ". bin/activate"),
    "from the directory of the script": ("env/bin", ". ./activate"),
    "through another directory": ("env/lib", ". ../../env/./lib/..//bin/activate"),
    "through a link to the script": (".", ". ./link"),
    "through a link to its directory": (".", ". executables/activate"),
    "in a function": ("env", "f () { . bin/activate; }\nf a b"),
    "in a subshell": ("env", "(. bin/activate\nTELL)"),
    "without globbing": ("env", "set -f\n. bin/activate"),
    "with CDPATH and a user-defined cd": ("env", "CDPATH=/usr:/\ncd () { echo changed; }\n. bin/activate"),
    "with arguments": ("env", "set -- a 'b c'\n. bin/activate\n[ \"$2\" = 'b c' ] || echo lost"),
    "without PATH": ("env", "unset PATH\n. bin/activate"),
}
"""The current directory of a shell, and the lines that it runs there."""

TELL = 'echo "$VIRTUAL_ENV"; echo "$VIRTUAL_ENV_PROMPT"; echo "${PATH%%:*}"\n'


@pytest.mark.parametrize("way", WAYS)
def test_every_posix_shell_finds_the_environment(shell: list[str], way: str, tmp_path: Path) -> None:
    cwd, script = WAYS[way]
    if way == "without PATH" and shell[0] == "yash":
        pytest.skip("yash finds `[` through PATH only")
    root = create_and_move(tmp_path / "real", bash)
    (root / "lib").mkdir()
    (tmp_path / "real" / "link").symlink_to("env/bin/activate")
    (tmp_path / "real" / "executables").symlink_to("env/bin")
    script = script.replace("TELL", TELL) if "TELL" in script else f"{script}\n{TELL}"

    outcome = attempt(shell, script, tmp_path / "real" / cwd)

    assert outcome == Outcome(0, f"{root}\nenv\n{root}/bin\n", "")


def test_a_logical_path_is_kept_if_the_shell_provides_it(tmp_path: Path) -> None:
    """bash, zsh and ksh93 keep symbolic links in the path; other shells use the physical path."""
    root = create_and_move(tmp_path, bash)
    (tmp_path / "linked").symlink_to(tmp_path)
    for name in ("bash", "zsh", "ksh93"):
        outcome = attempt(SHELLS[name], f"cd {shlex.quote(str(tmp_path / 'linked'))}\n. env/bin/activate\n{TELL}", root)
        assert outcome == Outcome(0, f"{tmp_path}/linked/env\nenv\n{tmp_path}/linked/env/bin\n", "")


def test_evaluated_text_is_an_error_that_changes_nothing(shell: list[str], tmp_path: Path) -> None:
    """The text is read by `eval`, so no shell can know its path."""
    root = create_and_move(tmp_path, bash)
    script = 'PATH=/usr/bin\nVIRTUAL_ENV=/outer\ns=$(cat bin/activate)\nf () { eval "$s"; }\nf || echo failed\n'
    outcome = attempt(shell, script + TELL + "unset s; unset -f f; set | grep ' *_.*VIRTUAL_' || :\n", root)
    assert outcome.stderr.startswith("cannot determine the path of this script; in this shell, type:\n")
    assert outcome.stdout == "failed\n/outer\n\n/usr/bin\n"


def test_a_variable_can_provide_the_path_of_the_script(shell: list[str], tmp_path: Path) -> None:
    """The message names the variable."""
    root = create_and_move(tmp_path, bash)
    script = 's=$(cat bin/activate)\nVIRTUAL_ENV_SCRIPT=$PWD/bin/activate\nf () { eval "$s"; }\nf\n'
    assert attempt(shell, script + TELL, root) == Outcome(0, f"{root}\nenv\n{root}/bin\n", "")


def test_running_the_script_instead_of_sourcing_it_is_an_error(shell: list[str], tmp_path: Path) -> None:
    root = create_and_move(tmp_path, bash)
    done = subprocess.run(
        [require(shell[0]), *shell[1:], "bin/activate"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 33
    assert "type: . bin/activate" in done.stderr


def test_an_explicit_prompt_is_kept(tmp_path: Path) -> None:
    root = tmp_path / "renamed"
    environment = replace(describe(str(tmp_path / "first"), "my project"), placement="relocatable")
    (root / "bin").mkdir(parents=True)
    for activator in (bash, fish, csh):
        for script in activator.scripts(environment):
            (root / "bin" / script.name).write_text(script.text)
    say = {"bash": ". bin/activate", "fish": "source bin/activate.fish", "tcsh": "source bin/activate.csh"}
    for name, options in (("bash", ["--norc"]), ("fish", ["--no-config"]), ("tcsh", ["-f"])):
        outcome = attempt([name, *options], f'{say[name]}\necho "$VIRTUAL_ENV_PROMPT"\n', root)
        assert outcome == Outcome(0, "my project\n", "")


def test_shellcheck_accepts_the_script() -> None:
    (script,) = bash.scripts(replace(describe("/env", "env"), placement="relocatable", naming="directory"))
    done = subprocess.run(
        [require("shellcheck"), "--shell=sh", "-"], input=script.text, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)


# fish


FISH = {
    "from the root of the environment": ("env", "source bin/activate.fish"),
    "from the directory of the script": ("env/bin", "source ./activate.fish"),
    "through another directory": ("env/lib", "source ../../env/./lib/..//bin/activate.fish"),
    "through a link to the script": (".", "source link"),
    "through a link to its directory": (".", "source executables/activate.fish"),
    "in a function": ("env", "function f; source bin/activate.fish; end; f a b"),
    "with a user-defined cd": ("env", "function cd; echo changed; end; source bin/activate.fish"),
}


@pytest.mark.parametrize("way", FISH)
def test_fish_finds_the_environment(way: str, tmp_path: Path) -> None:
    cwd, script = FISH[way]
    root = create_and_move(tmp_path, fish, "a dir\n")
    (root / "lib").mkdir()
    (tmp_path / "env").symlink_to(root)
    (tmp_path / "link").symlink_to("env/bin/activate.fish")
    (tmp_path / "executables").symlink_to("env/bin")
    outcome = attempt(
        ["fish", "--no-config"], f"{script}\nprintf '%s|' $VIRTUAL_ENV $VIRTUAL_ENV_PROMPT $PATH[1]", tmp_path / cwd
    )
    assert outcome == Outcome(0, f"{root}|a dir\n|{root}/bin|", "")


def test_fish_reports_that_text_was_piped(tmp_path: Path) -> None:
    root = create_and_move(tmp_path, fish)
    script = "set PATH /usr/bin\ncat bin/activate.fish | source\nor echo failed\necho $VIRTUAL_ENV $PATH\n"
    outcome = attempt(
        ["fish", "--no-config"],
        f"{script}set -n | string match '*_VIRTUAL_*'\nfunctions -q deactivate; or echo gone",
        root,
    )
    assert outcome.stdout == "failed\n/usr/bin\ngone\n"
    assert outcome.stderr == "this script must be sourced from its file: source ENVIRONMENT/bin/activate.fish\n"


# csh


CSH = {
    "from the root of the environment": ("env", "source bin/activate.csh"),
    "from the directory of the script": ("env/bin", "source activate.csh"),
    "through another directory": ("env/lib", "source ../../env/./lib/..//bin/activate.csh"),
    "through a link to the script": (".", "source link"),
    "through a link to its directory": (".", "source executables/activate.csh"),
    "without globbing": ("env", "set noglob; source bin/activate.csh"),
    "with backslash_quote": ("env", "set backslash_quote; source bin/activate.csh"),
    "with aliases": (
        "env",
        "alias find 'find -L'; alias grep 'grep --color=always'; alias tail 'tail -v'; source bin/activate.csh",
    ),
}


@pytest.mark.parametrize("way", CSH)
def test_csh_finds_the_environment(way: str, tmp_path: Path) -> None:
    """On Linux, from the open files of the process."""
    cwd, script = CSH[way]
    root = create_and_move(tmp_path, csh, "a $dir `id`!")
    (root / "lib").mkdir()
    (tmp_path / "env").symlink_to(root)
    (tmp_path / "link").symlink_to("env/bin/activate.csh")
    (tmp_path / "executables").symlink_to("env/bin")
    outcome = attempt(
        ["tcsh", "-f"],
        f"{script}\nprintf '%s|' $VIRTUAL_ENV:q $VIRTUAL_ENV_PROMPT:q\nsh -c 'echo \"${{PATH%%:*}}\"'\n",
        tmp_path / cwd,
    )
    assert outcome == Outcome(0, f"{root}|a $dir `id`!|{root}/bin\n", "")


def test_csh_reports_that_the_path_is_unknown(tmp_path: Path) -> None:
    """In a subshell, whose process ID csh does not provide; the variable in the message helps there too."""
    root = create_and_move(tmp_path, csh)
    state = "alias; set | grep virtual; setenv | grep -E '^(VIRTUAL|PATH)'"
    plain = attempt(["tcsh", "-f"], f"{state}\n", root)
    outcome = attempt(["tcsh", "-f"], f"(source bin/activate.csh; {state})\n", root)
    assert outcome.stdout == plain.stdout
    assert outcome.stderr.startswith("cannot determine the path of this script; in this shell, type:\n")
    status = attempt(["tcsh", "-f"], "(source bin/activate.csh; echo $status)\n", root)
    assert status.stdout == "1\n"
    helped = f"setenv VIRTUAL_ENV_SCRIPT {root}/bin/activate.csh\n(source bin/activate.csh; echo $VIRTUAL_ENV)\n"
    assert attempt(["tcsh", "-f"], helped, root) == Outcome(0, f"{root}\n", "")


# PowerShell, Python


@pytest.mark.nightly
def test_powershell_reports_that_text_was_evaluated(tmp_path: Path) -> None:
    root = create_and_move(tmp_path, powershell)
    program = (
        "$before = Get-ChildItem env: | ForEach-Object { $_.Name + '=' + $_.Value }\n"
        "$text = [IO.File]::ReadAllText('bin/activate.ps1')\n"
        'try { . ([scriptblock]::Create($text)) } catch { "$_" }\n'
        "$after = Get-ChildItem env: | ForEach-Object { $_.Name + '=' + $_.Value }\n"
        "Compare-Object $before $after\n"
    )
    outcome = subprocess.run(
        [require("pwsh"), "-NoProfile", "-NonInteractive", "-Command", program],
        cwd=root,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb", "DOTNET_CLI_TELEMETRY_OPTOUT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.stdout.strip() == "this script must be sourced from its file: . ENVIRONMENT/bin/activate.ps1"


def test_python_uses_the_new_name_of_the_directory(tmp_path: Path) -> None:
    root = create_and_move(tmp_path, python, "renamed")
    script = str(root / "bin" / "activate_this.py")
    program = f"import os, runpy; runpy.run_path({script!r}); print(os.environ['VIRTUAL_ENV_PROMPT'])"
    done = subprocess.run([require("python3"), "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "renamed\n"
