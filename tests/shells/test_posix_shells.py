"""Test that `activate` sets and restores variables in every POSIX-like shell, and runs nothing in names."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.builtin.activators import bash as activator
from cloche.errors import Inexpressible
from cloche.shells.template import resource
from cloche.testing import Shell, activator_contract
from cloche.testing.hostile import directory_name
from tests.shells.driver import (
    HOSTILE,
    NAMES,
    TEXTS,
    State,
    Terminal,
    attempt,
    build,
    describe,
    interpreter,
    real_python,
    run,
    sections,
    seen,
    state,
    surroundings,
)
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile"],
    "bash posix": ["bash", "--norc", "--noprofile", "--posix"],
    "dash": ["dash"],
    "zsh": ["zsh", "-f"],
    "ksh93": ["ksh93"],
    "mksh": ["mksh"],
    "busybox": ["busybox", "sh"],
    "yash": ["yash", "--norcfile", "--noprofile"],
    "yash posix": ["yash", "--norcfile", "--noprofile", "--posix"],
}

ZSH_AS_KSH = ("-o", "ksh_arrays", "-o", "sh_word_split", "-o", "glob_subst", "-o", "rc_quotes")
ZSH_WARNING = ("-o", "warn_create_global", "-o", "extended_glob", "-o", "err_return")
STRICT = {
    **{f"{name} -eu": [*arguments, "-eu"] for name, arguments in SHELLS.items()},
    "bash without hashing": [*SHELLS["bash"], "+h", "-eu", "-o", "pipefail"],
    "zsh as ksh": [*SHELLS["zsh"], "-eu", *ZSH_AS_KSH],
    "zsh warning": [*SHELLS["zsh"], "-eu", *ZSH_WARNING],
}
"""The shells with strict options, as careful scripts set them."""

PROLOGUE = r"""
(PATH=; printf x) >/dev/null 2>&1 || printf () { /usr/bin/printf "$@"; }
state () {
    printf '\001%s\002' "$1"
    set -- NAMES
    while [ $# -gt 0 ]; do
        eval "if [ -n \"\${$1+x}\" ]; then printf '%s\\0' \"\$1\" \"\$$1\"; fi"
        shift
    done
    printf '\003'
    /usr/bin/env -0
}
prompt () {
    printf '\001%s\002%s' "$1" "${PS1-unset}"
}
""".replace("NAMES", " ".join(NAMES))
"""Defines `state` and `prompt`, which print sections, without using PATH or setting variables."""

FULL = {
    "PATH": "/usr/bin:/bin::~/bin:/opt/odd  dir/*",
    "VIRTUAL_ENV": "/outer",
    "VIRTUAL_ENV_PROMPT": "outer",
    "PYTHONHOME": "/home of python",
    "PKG_CONFIG_PATH": "/usr/lib/pkgconfig:",
    "TCL_LIBRARY": "/usr/share/tcl",
    "TK_LIBRARY": "$(touch PWNED)",
}
"""A value for each variable that activation changes."""

TEMPLATE = resource("cloche.builtin.activators", "bash/activate")

test_contract = activator_contract(activator, Shell(("dash",), echo="printf %s {text}"), templates=[TEMPLATE])


@pytest.fixture(params=SHELLS.values(), ids=SHELLS.keys())
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Return the command of a shell with default options."""
    arguments: list[str] = request.param
    return arguments


@pytest.fixture(params=STRICT.values(), ids=STRICT.keys())
def strict(request: pytest.FixtureRequest) -> list[str]:
    """Return the command of a shell with strict options."""
    arguments: list[str] = request.param
    return arguments


def needs_path(arguments: Sequence[str]) -> None:
    """Skip the test for a shell that needs PATH: yash in POSIX mode searches it even for `[`."""
    if arguments[0] == "yash" and "--posix" in arguments:
        pytest.skip("yash --posix finds `[` through PATH only")


def source(scripts: Path) -> str:
    return f". {shlex.quote(str(scripts / 'activate'))}\n"


def cycle(activate: str) -> str:
    """Return a script that activates and deactivates, and prints the sections `before`, `active` and `after`."""
    return f"state before\n{activate}state active\ndeactivate\nstate after\n"


def play(arguments: Sequence[str], script: str, cwd: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Run a script after PROLOGUE, and return its output by the name of the section."""
    return sections(run(arguments, PROLOGUE + script, cwd, environ))


def states(
    arguments: Sequence[str], script: str, cwd: Path, environ: Mapping[str, str] | None = None
) -> dict[str, State]:
    """Run a script that prints only variables, and return them by the name of the section."""
    return {name: state(content) for name, content in play(arguments, script, cwd, environ).items()}


def test_activation_sets_variables_and_deactivation_restores_them(strict: list[str], tmp_path: Path) -> None:
    """With `set -eu`, and if every variable was set and exported before."""
    root = tmp_path / "an env"
    printed = states(strict, cycle(source(build(root, activator, "its name", "/tcl", "/tk"))), tmp_path / "cwd", FULL)
    expected = {
        "PATH": f"{root}/bin:{FULL['PATH']}",
        "VIRTUAL_ENV": str(root),
        "VIRTUAL_ENV_PROMPT": "its name",
        "PKG_CONFIG_PATH": f"{root}/lib/pkgconfig:{FULL['PKG_CONFIG_PATH']}",
        "TCL_LIBRARY": "/tcl",
        "TK_LIBRARY": "/tk",
    }
    assert printed["active"] == State({**expected, "PYTHONHOME": None}, expected)
    assert printed["before"] == State(FULL, FULL)
    assert printed["after"] == printed["before"]


def test_unset_variables_are_unset_again(strict: list[str], tmp_path: Path) -> None:
    """Including PATH."""
    needs_path(strict)
    script = f"unset {' '.join(NAMES)}\n{cycle(source(build(tmp_path / 'env', activator, 'env', '/tcl', '/tk')))}"
    printed = states(strict, script, tmp_path / "cwd")
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin"
    assert printed["active"].exported["PKG_CONFIG_PATH"] == f"{tmp_path}/env/lib/pkgconfig"
    assert printed["after"] == State(dict.fromkeys(NAMES), {})


def test_empty_variables_are_empty_again(strict: list[str], tmp_path: Path) -> None:
    """No empty entry, which means the current directory, is added to an empty PATH."""
    needs_path(strict)
    empty = dict.fromkeys(NAMES, "")
    script = "PATH=\n" + cycle(source(build(tmp_path / "env", activator, "env", "/tcl", "/tk")))
    printed = states(strict, script, tmp_path / "cwd", empty | {"PATH": "/usr/bin"})
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin"
    assert printed["after"] == State(empty, empty)


def test_variables_that_were_not_exported_are_not_exported_again(strict: list[str], tmp_path: Path) -> None:
    """While the environment is active, its values are exported."""
    hide = "".join(f"unset {name}\n{name}={shlex.quote(value)}\n" for name, value in FULL.items() if name != "PATH")
    script = hide + cycle(source(build(tmp_path / "env", activator, "env", "/tcl", "/tk")))
    printed = states(strict, script, tmp_path / "cwd", {"PATH": FULL["PATH"]})
    assert printed["active"].exported["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert printed["after"] == State(FULL, {"PATH": FULL["PATH"]})


def test_path_that_was_not_exported_is_not_exported_again(shell: list[str], tmp_path: Path) -> None:
    """dash is skipped, because it cannot stop exporting PATH."""
    if shell[0] == "dash":
        pytest.skip("dash cannot stop exporting PATH")
    hide = {"busybox": "export -n PATH", "zsh": "typeset +x PATH"}.get(shell[0], "p=$PATH; unset PATH; PATH=$p")
    printed = states(shell, f"{hide}\n{cycle(source(build(tmp_path / 'env', activator)))}", tmp_path / "cwd")
    assert "PATH" not in printed["before"].exported
    assert printed["active"].exported["PATH"].startswith(f"{tmp_path}/env/bin:")
    assert printed["after"] == printed["before"]


def test_nothing_in_names_is_expanded_or_run(strict: list[str], tmp_path: Path) -> None:
    """Directories and prompts with any name are neither expanded nor split."""
    script = "PS1='$ '\nstate before\n"
    roots = {what: tmp_path / what / directory_name(name) for what, name in HOSTILE.items()}
    for what, name in HOSTILE.items():
        script += (
            f"{source(build(roots[what], activator, name))}state 'active {what}'\n"
            f"/usr/bin/printf '\\1called {what}\\2'; pydoc x\n"
            f"deactivate\nprompt 'prompt {what}'\n"
        )
    printed = play(strict, f"{script}state after\n", tmp_path / "cwd")
    assert state(printed["after"]) == state(printed["before"])
    for what, name in HOSTILE.items():
        active = state(printed[f"active {what}"]).exported
        assert active["VIRTUAL_ENV"] == str(roots[what])
        assert active["VIRTUAL_ENV_PROMPT"] == name
        assert active["PATH"].startswith(f"{roots[what]}/bin:")
        assert printed[f"called {what}"] == "python|-m|pydoc|x|"
        assert printed[f"prompt {what}"] == "$ "
    assert list((tmp_path / "cwd").iterdir()) == []


def test_unusual_shell_options_do_not_matter(shell: list[str], tmp_path: Path) -> None:
    """A strange IFS, no globbing, no overwriting, and export of all variables."""
    begin = "set -fC\nIFS=/_=VP\nstate before\nset -a\n"
    activate = source(build(tmp_path / "env", activator, "a_b=P", "/tcl", "/tk"))
    script = f"{begin}{activate}state active\ndeactivate\nset +a\nstate after\n"
    printed = states(shell, script, tmp_path / "cwd", FULL)
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin:{FULL['PATH']}"
    assert printed["active"].exported["TK_LIBRARY"] == "/tk"
    assert printed["after"] == printed["before"]


def test_python_is_that_of_the_environment(shell: list[str], tmp_path: Path) -> None:
    root = tmp_path / "it's an env"
    script = source(build(root, activator)) + "python -c 'import sys; print(sys.prefix)'\n"
    real_python(root)
    assert run(shell, script, tmp_path / "cwd", {"PYTHONHOME": "/nowhere"}) == f"{root}\n"


def test_the_locale_need_not_support_the_name(shell: list[str], tmp_path: Path) -> None:
    """yash is skipped, because it decodes scripts with the locale."""
    if shell[0] == "yash":
        pytest.skip("yash cannot read characters that its locale lacks")
    root = tmp_path / HOSTILE["unicode"]
    printed = states(shell, cycle(source(build(root, activator))), tmp_path / "cwd", {"LC_ALL": "C"})
    assert printed["active"].exported["VIRTUAL_ENV"] == str(root)
    assert printed["after"] == printed["before"]


def test_a_second_activation_changes_nothing(strict: list[str], tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator, tcl="/tcl"))
    script = f"PS1='$ '\nstate before\n{activate}state once\nprompt 'one mark'\n{activate}prompt 'the same mark'\n"
    printed = play(strict, f"{script}state twice\ndeactivate\nstate after\n", tmp_path / "cwd", FULL)
    assert state(printed["twice"]) == state(printed["once"])
    assert printed["the same mark"] == printed["one mark"]
    assert state(printed["after"]) == state(printed["before"])


def test_a_second_environment_replaces_the_first(strict: list[str], tmp_path: Path) -> None:
    first = source(build(tmp_path / "first", activator, "first", "/tcl"))
    second = source(build(tmp_path / "second", activator, "second", "", "/tk"))
    printed = play(strict, f"PS1='$ '\n{cycle(first + second)}prompt prompt\n", tmp_path / "cwd", FULL)
    active = state(printed["active"]).exported
    assert active["PATH"] == f"{tmp_path}/second/bin:{FULL['PATH']}"
    assert active["TCL_LIBRARY"] == FULL["TCL_LIBRARY"]
    assert active["TK_LIBRARY"] == "/tk"
    assert state(printed["after"]) == state(printed["before"])
    assert printed["prompt"] == "$ "


def test_a_nested_shell_restores_the_inherited_environment(shell: list[str], tmp_path: Path) -> None:
    """A child inherits the active environment, can activate another one, and deactivates only that one."""
    first, second = (source(build(tmp_path / name, activator, name)) for name in ("first", "second"))
    child = PROLOGUE + cycle(second)
    printed = states(shell, f"{first}{shlex.join(shell)} -c {shlex.quote(child)}\n", tmp_path / "cwd")
    assert printed["before"].exported["VIRTUAL_ENV"] == f"{tmp_path}/first"
    assert printed["active"].exported["PATH"].startswith(f"{tmp_path}/second/bin:{tmp_path}/first/bin:")
    assert printed["after"] == printed["before"]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ('PATH="/new:$PATH"', "/new:{}"),
        ('PATH="$PATH:/new"', "{}:/new"),
        ('PATH="/new:$PATH:/newer"', "/new:{}:/newer"),
        ("PATH=/other", "{}"),
    ],
    ids=["in front", "at the end", "around", "replaced"],
)
def test_entries_that_the_user_added_to_path_are_kept(shell: list[str], tmp_path: Path, change: str, kept: str) -> None:
    """If the environment's entry was removed, PATH gets its old value."""
    if change == "PATH=/other":
        needs_path(shell)
    script = source(build(tmp_path / "it's", activator)) + f"{change}\ndeactivate\nstate after\n"
    assert states(shell, script, tmp_path / "cwd", FULL)["after"].exported["PATH"] == kept.format(FULL["PATH"])


def test_variables_that_activation_does_not_set_are_kept(shell: list[str], tmp_path: Path) -> None:
    """Most environments do not set TCL_LIBRARY; a value that the user sets while active is kept."""
    script = source(build(tmp_path / "env", activator)) + "TCL_LIBRARY=/mine\ndeactivate\nstate after\n"
    printed = states(shell, script, tmp_path / "cwd", FULL)
    assert printed["after"].exported["TCL_LIBRARY"] == "/mine"


def test_deactivation_removes_all_names_of_the_script(strict: list[str], tmp_path: Path) -> None:
    """Variables and functions."""

    def variables(listing: str) -> set[str]:
        return set(
            re.findall(r"^(?:declare |typeset )?(\w*(?:VIRTUAL|TCL_|TK_|PKG_|PS1|psvar)\w*)=", listing, re.MULTILINE)
        )

    listing = "/usr/bin/printf '\\1{}\\2'; set; command -v pydoc || :; command -v deactivate || :\n"
    activate = source(build(tmp_path / "env", activator, "a$b", "/t"))
    begin = f"PATH=/usr/bin:/bin; PS1='$ '\n{listing.format('before')}"
    script = f"{begin}{activate}{listing.format('active')}deactivate\n{listing.format('after')}"
    printed = sections(run(strict, script, tmp_path / "cwd"))
    assert {"VIRTUAL_ENV", "_OLD_VIRTUAL_PATH", "TCL_LIBRARY"} <= variables(printed["active"])
    assert {"deactivate", "pydoc"} <= set(printed["active"].splitlines())
    assert variables(printed["after"]) == variables(printed["before"])
    assert not {"deactivate", "pydoc"} & set(printed["after"].splitlines())


@pytest.mark.parametrize("name", ["bash", "zsh", "ksh93", "mksh"])
def test_the_function_deactivate_can_be_renamed(name: str, tmp_path: Path) -> None:
    """virtualenvwrapper takes the function's text, renames every `deactivate` in it and defines the result."""
    script = (
        f"state before\n{source(build(tmp_path / 'env', activator))}"
        'renamed=$(typeset -f deactivate | sed "s/deactivate/original_deactivate/g")\n'
        'unset -f deactivate\neval "$renamed"\noriginal_deactivate\nstate after\n'
        "/usr/bin/printf '\\1left\\2'; command -v original_deactivate || :\n"
    )
    printed = play([*SHELLS[name], "-u"], script, tmp_path / "cwd", FULL)
    assert state(printed["after"]) == state(printed["before"])
    assert printed["left"] == ""


def test_deactivate_nondestructive_keeps_the_function(strict: list[str], tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator))
    script = f"state before\n{activate}deactivate nondestructive\nstate after\ndeactivate\n"
    printed = states(strict, script, tmp_path / "cwd", FULL)
    assert printed["after"] == printed["before"]


@pytest.mark.parametrize("ps1", ["unset PS1", "PS1=", "PS1='\\w $(hostname) ! % $ '; export PS1"])
def test_the_prompt_is_restored(strict: list[str], tmp_path: Path, ps1: str) -> None:
    """Unset, empty or not; afterwards it is exported only if it was before."""
    exported = "/usr/bin/env | grep -c '^PS1=' || :\n"
    script = (
        f"{ps1}\nprompt before\n{exported}{source(build(tmp_path / 'env', activator))}prompt active\n{exported}"
        f"deactivate\nprompt after\n{exported}"
    )
    printed = play(strict, script, tmp_path / "cwd")
    assert printed["active"].startswith("(")
    assert printed["active"][-2:] == printed["before"][-2:]
    assert printed["after"] == printed["before"]


def test_a_prompt_that_the_user_set_while_active_is_kept(shell: list[str], tmp_path: Path) -> None:
    """The prefix is removed from a prompt that contains it, and another prompt is kept."""
    activate = source(build(tmp_path / "env", activator, "a$b"))
    for change, kept in [("PS1='mine '", "mine "), ('PS1="new $PS1"', "new $ "), ('PS1="$PS1 new"', "$  new")]:
        assert run(shell, f'PS1="$ "\n{activate}{change}\ndeactivate\nprintf %s "$PS1"\n', tmp_path / "cwd") == kept


def test_psvar_of_zsh_is_restored(tmp_path: Path) -> None:
    """It holds names that a prompt cannot contain; the user may assign it while active."""
    activate = source(build(tmp_path / "env", activator, "a$b"))
    show = "printf '%s|' \"${psvar[@]}\""
    for options in ((), ("-o", "ksh_arrays")):
        for before, meanwhile, after in [
            ("psvar=(x '' 'y z')", ":", "x||y z|"),
            ("psvar=(x '' 'y z')", "psvar=(1 2 3 4 5)", "1|2|3|4|5|"),
            ("psvar=()", "psvar=(1)", "1|"),
        ]:
            script = f"{before}\n{activate}{meanwhile}\ndeactivate\n{show}\n"
            assert run([*SHELLS["zsh"], "-u", *options], script, tmp_path / "cwd") == after


def test_the_prompt_can_be_disabled(shell: list[str], tmp_path: Path) -> None:
    """By `VIRTUAL_ENV_DISABLE_PROMPT`, or by an empty prompt."""
    for prompt, environ in [("env", {"VIRTUAL_ENV_DISABLE_PROMPT": "1"}), ("", {})]:
        activate = source(build(tmp_path / f"env{prompt}", activator, prompt))
        script = f"PS1='$ '\n{activate}printf '%s|' \"$PS1\"\ndeactivate\nprintf %s \"$PS1\"\n"
        assert run([*shell, "-u"], script, tmp_path / "cwd", environ) == "$ |$ "


def test_a_pydoc_of_the_user_is_kept(shell: list[str], tmp_path: Path) -> None:
    """An alias or a function."""
    activate = source(build(tmp_path / "env", activator))
    function = f"pydoc() {{ printf mine; }}\n{activate}pydoc\ndeactivate\npydoc\n"
    assert run(shell, function, tmp_path / "cwd") == "minemine"
    alias = f"alias pydoc='printf mine'\n{activate}alias pydoc\ndeactivate\nalias pydoc\n"
    before, after = run(shell, alias, tmp_path / "cwd").splitlines()
    assert before == after


def test_aliases_of_the_user_are_not_expanded(shell: list[str], tmp_path: Path) -> None:
    """Not even if the shell expands aliases in scripts, or while the script defines its functions.

    ksh93 is skipped: it expands aliases in the whole script before it runs the first line, which is a syntax error here.
    """
    if shell[0] == "ksh93":
        pytest.skip("ksh93 expands aliases in a file before it runs any of it")
    expand = "shopt -s expand_aliases\n" if shell[0] == "bash" else ""
    aliases = "alias deactivate='touch PWNED'\nalias pydoc='touch PWNED'\n"
    activate = source(build(tmp_path / "env", activator))
    printed = states(shell, f"{expand}state before\n{aliases}{activate}deactivate\nstate after\n", tmp_path / "cwd")
    assert printed["after"] == printed["before"]
    assert list((tmp_path / "cwd").iterdir()) == []


FOREIGN = """
deactivate () {
    if [ -n "${_OLD_VIRTUAL_PATH+x}" ]; then PATH="$_OLD_VIRTUAL_PATH"; export PATH; unset _OLD_VIRTUAL_PATH; fi
    if [ -n "${_OLD_VIRTUAL_PS1+x}" ]; then PS1="$_OLD_VIRTUAL_PS1"; unset _OLD_VIRTUAL_PS1; fi
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    [ "${1-}" = nondestructive ] || unset -f deactivate
}
deactivate nondestructive
VIRTUAL_ENV=/foreign; export VIRTUAL_ENV
_OLD_VIRTUAL_PATH="$PATH"
PATH="/foreign/bin:$PATH"; export PATH
_OLD_VIRTUAL_PS1="${PS1-}"
PS1="(foreign) ${PS1-}"
"""
"""The common parts of the scripts of other tools."""


def test_environments_of_other_tools_are_deactivated_first(strict: list[str], tmp_path: Path) -> None:
    """Other tools use the same names for saved values, so each script can undo the other."""
    ours = source(build(tmp_path / "env", activator))
    environ = {"PATH": FULL["PATH"], "PKG_CONFIG_PATH": "/pkg"}
    for activate in (FOREIGN + ours, f"{ours}{FOREIGN}state theirs\n{ours}"):
        printed = play(strict, f"PS1='$ '\n{cycle(activate)}prompt prompt\n", tmp_path / "cwd", environ)
        assert state(printed["active"]).exported["PATH"] == f"{tmp_path}/env/bin:{FULL['PATH']}"
        assert state(printed["after"]) == state(printed["before"])
        assert printed["prompt"] == "$ "
    assert state(printed["theirs"]).exported["PATH"] == f"/foreign/bin:{FULL['PATH']}"


def test_running_the_script_instead_of_sourcing_it_is_an_error(shell: list[str], tmp_path: Path) -> None:
    script = build(tmp_path / "it's", activator) / "activate"
    message = f"this script must be sourced, not run; type: . {script}\n"
    assert attempt([*shell, str(script)], "", tmp_path / "cwd") == (33, "", message)


def test_a_script_named_activate_can_source_the_script(shell: list[str], tmp_path: Path) -> None:
    script = tmp_path / "activate"
    script.write_text(source(build(tmp_path / "env", activator)) + 'printf %s "$VIRTUAL_ENV"\n')
    assert run([*shell, str(script)], "", tmp_path / "cwd") == f"{tmp_path}/env"


def test_the_script_can_be_sourced_in_a_function(shell: list[str], tmp_path: Path) -> None:
    """`workon` of virtualenvwrapper does this."""
    activate = f"workon() {{\n{source(build(tmp_path / 'env', activator))}}}\nworkon x y\n"
    printed = states([*shell, "-eu"], cycle(activate), tmp_path / "cwd", FULL)
    assert printed["active"].exported["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert printed["after"] == printed["before"]


@pytest.mark.parametrize(("other", "script"), [("fish", "activate.fish"), ("tcsh", "activate.csh")])
def test_users_of_other_shells_get_a_message(other: str, script: str, tmp_path: Path) -> None:
    scripts = build(tmp_path / "env", activator)
    done = attempt([other], f"source {scripts}/activate\n", tmp_path / "cwd")
    assert f"source {script}" in done.stdout + done.stderr


def test_a_windows_path_is_converted_by_cygpath(strict: list[str], tmp_path: Path) -> None:
    """In Git Bash, MSYS2 and Cygwin; the script contains the Windows path."""
    tools, root = tmp_path / "tools", tmp_path / "it's an" / "env"
    tools.mkdir()
    (root / "Scripts").mkdir(parents=True)
    (tools / "cygpath").write_text(
        f"#!/bin/sh\nprintf '{tmp_path}/%s\\n' \"$(printf %s \"${{2#C:?}}\" | tr '\\\\' /)\"\n"
    )
    (tools / "cygpath").chmod(0o755)
    (script,) = activator.scripts(describe("C:\\it's an\\env", "env", os_name="nt"))
    (tmp_path / "activate").write_text(script.text)
    path = f"{tools}:/usr/bin:/bin"
    printed = states(strict, cycle(source(tmp_path)), tmp_path / "cwd", {"PATH": path})
    assert printed["active"].exported["VIRTUAL_ENV"] == str(root)
    assert printed["active"].exported["PATH"] == f"{root}/Scripts:{path}"
    assert printed["after"].exported == {"PATH": path}


ZSH = ("zsh", "-f", "-i", "+o", "prompt_cr", "+o", "prompt_sp")
TERMINALS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "bash without promptvars": ["bash", "--norc", "--noprofile", "+O", "promptvars", "-i"],
    "bash posix": ["bash", "--posix", "--norc", "--noprofile", "-i"],
    "bash without promptvars, posix": ["bash", "--posix", "--norc", "--noprofile", "+O", "promptvars", "-i"],
    "bash without editing": ["bash", "--noediting", "--norc", "--noprofile", "-i"],
    "dash": ["dash", "-i"],
    "zsh": [*ZSH],
    "zsh prompt_bang": [*ZSH, "-o", "prompt_bang"],
    "zsh prompt_subst": [*ZSH, "-o", "prompt_subst"],
    "zsh prompt_subst prompt_bang": [*ZSH, "-o", "prompt_subst", "-o", "prompt_bang", "-o", "ksh_arrays"],
    "ksh93": ["ksh93", "-i"],
    "mksh": ["mksh", "-i"],
    "busybox": ["busybox", "sh", "-i"],
    "yash": ["yash", "--norcfile", "--noprofile", "-i"],
    "yash posix": ["yash", "--norcfile", "--noprofile", "-i", "--posix"],
}


def inexact(terminal: str, name: str) -> bool:
    """Return whether this shell cannot display this name literally (although it does not run it)."""
    if terminal == "mksh":
        return "\r" in name
    return terminal == "yash posix" and "!" in name


def unknown_to_children(terminal: str, name: str) -> bool:
    """Return whether a child that inherits PS1 displays an empty name, because `psvar` of zsh is not inherited."""
    return terminal in {"zsh", "zsh prompt_bang"} and any(character in name for character in "\\$`")


@pytest.mark.parametrize("terminal", TERMINALS)
def test_the_prompt_displays_the_name_literally(terminal: str, tmp_path: Path) -> None:
    """On a terminal, for every hostile name; nothing in it runs, and deactivation removes it."""
    with Terminal(TERMINALS[terminal], tmp_path / "cwd", {"ENV": "/dev/null"}) as shell:
        shell.say("PS1='<E''ND> '")
        for what, name in HOSTILE.items():
            drawn = shell.say(source(build(tmp_path / what, activator, name)).strip())
            if not inexact(terminal, name):
                assert drawn.endswith(seen(f"({name}) ")), what
            assert f"{seen(name)}|(" in shell.say("printf '%s|' \"$VIRTUAL_ENV_PROMPT\""), what
            assert "(" not in shell.say("deactivate"), what
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.mark.parametrize("terminal", [name for name in TERMINALS if not name.startswith("yash")])
def test_a_child_that_inherits_the_prompt_displays_the_name_literally(terminal: str, tmp_path: Path) -> None:
    """Before and after it activates the same environment; yash is skipped, because it does not inherit PS1."""
    with Terminal(TERMINALS[terminal], tmp_path / "cwd", {"ENV": "/dev/null"}) as shell:
        shell.say("PS1='#<E''ND> '; export PS1")
        for what, name in HOSTILE.items():
            activate = source(build(tmp_path / what, activator, name)).strip()
            shell.say(activate)
            inherited = shell.say(shlex.join(TERMINALS[terminal]))
            activated = shell.say(activate)
            if not inexact(terminal, name):
                assert activated.endswith(seen(f"({name}) #")), what
                assert not activated.endswith(seen(f"({name}) ({name}) #")), what
                assert inherited.endswith(seen(f"({name}) #")) or unknown_to_children(terminal, name), what
            shell.say("exit")
            shell.say("deactivate")
    assert list((tmp_path / "cwd").iterdir()) == []


LATER = {
    "bash": ("shopt -u promptvars", "shopt -s promptvars"),
    "bash without promptvars": ("shopt -s promptvars", "shopt -u promptvars"),
    "bash posix": ("set +o posix", "set -o posix"),
    "zsh": ("setopt prompt_subst prompt_bang", "unsetopt prompt_subst prompt_bang"),
    "zsh prompt_subst": ("unsetopt prompt_subst prompt_percent", "setopt prompt_subst prompt_percent"),
    "zsh prompt_bang": ("setopt prompt_subst; unsetopt prompt_percent", "unsetopt prompt_subst; setopt prompt_percent"),
    "yash": ("set --posixlycorrect", "set ++posixlycorrect"),
}
"""Changes of options that a user may make while an environment is active, and how to undo them."""


@pytest.mark.parametrize("terminal", LATER)
def test_nothing_runs_if_prompt_options_change_later(terminal: str, tmp_path: Path) -> None:
    """The prompt may then be displayed wrongly."""
    change, back = LATER[terminal]
    with Terminal(TERMINALS[terminal], tmp_path / "cwd", {"ENV": "/dev/null"}) as shell:
        shell.say("PS1='<E''ND> '")
        for what, name in HOSTILE.items():
            for line in (source(build(tmp_path / what, activator, name)).strip(), change, ":", "deactivate", back):
                shell.say(line)
    assert list((tmp_path / "cwd").iterdir()) == []


BASH = ("bash", "--norc", "--noprofile")
LOCALES = {"C": "", "en_US.ISO-8859-1": "en_US", "zh_CN.GB18030": "zh_CN", "zh_TW.BIG5": "zh_TW"}
"""Locales whose encoding is not UTF-8, with the name of their source in Debian's package `locales`."""

MISLEADING = {
    "swallowed": "\u4f60\\$(touch PWNED)\u4f60`touch PWNED`\u4f60$(touch PWNED)\u4f60\\",
    "two commands": "`a;touch PWNED;`\u4f60`;touch PWNED;` `\ntouch PWNED\n`",
    "one command": "`touch PWNED`",
    "nested": "${x:=$(touch PWNED)}$((`touch PWNED`))",
}
"""Prompts with a character whose last byte in UTF-8 is the first byte of another character in other encodings."""


@pytest.mark.parametrize("options", [(), ("+O", "promptvars"), ("--posix",), ("--noediting",)], ids=str)
def test_bash_displays_the_name_literally_after_its_options_changed(options: tuple[str, ...], tmp_path: Path) -> None:
    """Not only with the options that were set when the environment was activated."""
    changes = ["shopt -u promptvars", "shopt -s promptvars", "set -o posix", "set +o posix", "BASH_COMPAT=42", "set -u"]
    with Terminal([*BASH, *options, "-i"], tmp_path / "cwd") as shell:
        shell.say("PS1='<E''ND> '")
        for what, name in HOSTILE.items():
            shell.say(source(build(tmp_path / what, activator, name)).strip())
            for change in [*changes, "shopt -u promptvars", "unset VIRTUAL_ENV_PROMPT"]:
                assert shell.say(change).endswith(seen(f"({name}) ")), (what, change)
            assert "(" not in shell.say("deactivate; set +u; BASH_COMPAT="), what
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_nothing_in_the_prompt_of_bash_runs_in_any_locale(locale: str, tmp_path: Path) -> None:
    """The bytes of a name in UTF-8 mean something else in other encodings, in which a backslash can be part of a character."""
    if LOCALES[locale]:
        command = [require("localedef"), "-i", LOCALES[locale], "-f", locale.partition(".")[2], str(tmp_path / locale)]
        if subprocess.run(command, capture_output=True, check=False).returncode > 1:
            skip_missing("Debian's package `locales` is not installed")
    scripts = [build(tmp_path / what, activator, name) for what, name in {**HOSTILE, **MISLEADING}.items()]
    lines = [
        line
        for script in scripts
        for line in (
            source(script).strip(),
            "shopt -s promptvars",
            "shopt -u promptvars",
            "set -o posix",
            "set +o posix",
        )
    ]
    script = "\n".join([*lines, "echo done", "exit", ""])
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    for begin in ("", "shopt -u promptvars\n", "set +o emacs; export LC_ALL=C\n"):
        environ = surroundings(cwd) | {"LC_ALL": locale, "LOCPATH": str(tmp_path)}
        text = (begin + script).encode()
        done = subprocess.run([*BASH, "-i"], input=text, cwd=cwd, env=environ, capture_output=True, check=False)
        assert done.stdout == b"done\n"
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.mark.parametrize("child", ["dash -i", "busybox sh -i", "mksh -i", "ksh93 -i", "zsh -f -i -o prompt_subst"])
def test_another_shell_that_inherits_the_prompt_of_bash_runs_nothing_in_it(child: str, tmp_path: Path) -> None:
    """It may display it wrongly."""
    require(child.split()[0])
    for what, name in {**HOSTILE, **MISLEADING}.items():
        activate = source(build(tmp_path / what, activator, name))
        attempt([*BASH, "-i"], f"PS1='$ '\nexport PS1\n{activate}{child} <<< 'exit 0'\n", tmp_path / "cwd")
    assert list((tmp_path / "cwd").iterdir()) == []


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=20, max_size=60))
def test_any_text_can_be_quoted(shell: list[str], texts: list[str]) -> None:
    script = "".join(f"text={activator.quote(text)}\n/usr/bin/printf '%s\\0' \"$text\"\n" for text in texts)
    assert run(shell, script).split("\0")[:-1] == texts


@pytest.mark.parametrize("text", ["a\0b", "a\udcffb"])
def test_text_that_the_shell_cannot_express_is_refused(text: str) -> None:
    with pytest.raises(Inexpressible, match=r"cannot (contain|express)"):
        activator.quote(text)


def test_every_interpreter_is_supported() -> None:
    assert activator.refusal(interpreter()) is None
    assert activator.refusal(interpreter(os_name="nt")) is None


def test_the_script_contains_the_path_once(tmp_path: Path) -> None:
    """Tools that move environments search for it and replace it."""
    (script,) = activator.scripts(describe(str(tmp_path), "env"))
    assert script.text.count(str(tmp_path)) == 1
    assert f"\n_VIRTUAL_ROOT={tmp_path}\n" in script.text


def test_shellcheck_accepts_the_script() -> None:
    done = subprocess.run(
        [require("shellcheck"), "--shell=sh", "-"],
        input=TEMPLATE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)
