"""Test activation in sessions of POSIX-like shells with unusual options, functions and read-only variables."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from cloche.builtin.activators import bash as activator
from cloche.model.value import replace
from tests.shells.driver import Outcome, attempt, build, describe, run, sections, state
from tests.shells.test_posix_shells import FULL, PROLOGUE, SHELLS, TEMPLATE, cycle, needs_path, source, states
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOVED = "this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT\n"
READ_ONLY = "cannot activate: `%s` is read-only, or not a plain text variable\n"

LEFT = "/usr/bin/printf '\\1names\\2'; set | /usr/bin/grep -a '^ *_.*VIRTUAL_' || :; command -v deactivate || :\n"
"""Prints a section with the names that the script has left."""


@pytest.fixture(params=SHELLS.values(), ids=SHELLS.keys())
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Return the command of a shell with default options."""
    arguments: list[str] = request.param
    return arguments


# A moved environment


def test_a_moved_environment_reports_it_and_changes_nothing(shell: list[str], tmp_path: Path) -> None:
    build(tmp_path / "old", activator)
    (tmp_path / "old").rename(tmp_path / "new")
    script = f"PS1='$ '\nstate before\n{source(tmp_path / 'new/bin').strip()} || echo failed\nstate after\n{LEFT}"
    outcome = attempt(shell, PROLOGUE + script, tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert outcome.stderr == MOVED
    assert printed["before"].endswith("failed\n")
    assert state(printed["after"]) == state(printed["before"].removesuffix("failed\n"))
    assert printed["names"] == ""


def test_an_active_environment_stays_active_if_another_one_was_moved(shell: list[str], tmp_path: Path) -> None:
    active = source(build(tmp_path / "active", activator, "active"))
    build(tmp_path / "old", activator)
    (tmp_path / "old").rename(tmp_path / "new")
    moved = source(tmp_path / "new/bin").strip()
    script = f"state begin\n{active}state before\n{moved} || :\nstate after\ndeactivate\nstate end\n"
    outcome = attempt(shell, PROLOGUE + script, tmp_path / "cwd", FULL)
    printed = {name: state(section) for name, section in sections(outcome.stdout).items()}
    assert outcome.stderr == MOVED
    assert printed["before"].exported["VIRTUAL_ENV"] == str(tmp_path / "active")
    assert printed["after"] == printed["before"]
    assert printed["end"] == printed["begin"]


def test_a_careful_script_stops_at_a_moved_environment(shell: list[str], tmp_path: Path) -> None:
    build(tmp_path / "old", activator)
    (tmp_path / "old").rename(tmp_path / "new")
    outcome = attempt([*shell, "-eu"], f"{source(tmp_path / 'new/bin')}echo reached\n", tmp_path / "cwd")
    assert (outcome.stdout, outcome.stderr) == ("", MOVED)
    assert outcome.returncode != 0


@pytest.mark.parametrize("strict", ["", "set -u\n"], ids=["default", "strict"])
@pytest.mark.parametrize(
    "reason", ["moved", "relocatable", "readonly PATH", "readonly VIRTUAL_ENV", "command () { :; }"]
)
def test_a_refusal_also_ends_evaluated_text(reason: str, strict: str, tmp_path: Path) -> None:
    """In bash, `return` fails in text that is evaluated outside a function, and the rest of the text is read."""
    root = tmp_path / "old"
    build(root, activator)
    if reason == "relocatable":
        environment = replace(describe(str(root), "env"), placement="relocatable")
        (root / "bin" / "activate").write_text(activator.scripts(environment)[0].text)
    elif reason == "moved":
        root = root.rename(tmp_path / "new")
    prepare = reason if " " in reason else ":"
    evaluate = f"eval \"$(cat '{root}/bin/activate')\" || /usr/bin/printf failed"
    script = f"deactivate () {{ :; }}\nPS1='$ '\nstate before\n{strict}{prepare}\n{evaluate}\nunset -f command\nstate after\n"
    outcome = attempt(SHELLS["bash"], f"{PROLOGUE}{script}declare -f deactivate\n", tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert re.fullmatch("cannot .*\n(    .*\n)?|this environment was moved.*\n", outcome.stderr), outcome.stderr
    assert printed["before"].endswith("failed")
    after, _, function = printed["after"].partition("deactivate ()")
    assert state(after) == state(printed["before"].removesuffix("failed"))
    assert function.split() == ["{", ":", "}"]


def test_a_script_may_evaluate_the_text(shell: list[str], tmp_path: Path) -> None:
    """In bash, the name of that script is also the file in which the text is evaluated."""
    root = tmp_path / "env"
    build(root, activator)
    script = tmp_path / "script"
    script.write_text(f'eval "$(cat \'{root}/bin/activate\')"\necho "$VIRTUAL_ENV"\n')
    assert attempt([*shell, str(script)], "", tmp_path / "cwd") == (0, f"{root}\n", "")


# Read-only variables and restricted shells


@pytest.mark.parametrize("name", ["PATH", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PYTHONHOME", "PKG_CONFIG_PATH"])
def test_a_read_only_variable_is_reported_and_nothing_changes(shell: list[str], name: str, tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator)).strip()
    script = f"readonly {name}\nstate before\n{activate} || echo failed\nstate after\n{LEFT}"
    outcome = attempt([*shell, "-u"], PROLOGUE + script, tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert outcome.stderr == READ_ONLY % name
    assert printed["before"].endswith("failed\n")
    assert state(printed["after"]) == state(printed["before"].removesuffix("failed\n"))
    assert printed["names"] == ""


@pytest.mark.parametrize("name", ["_VIRTUAL_BUILTIN", "_VIRTUAL_NAME", "_OLD_VIRTUAL_PATH", "_OLD_VIRTUAL_STATE"])
def test_a_read_only_variable_of_the_script_is_reported(shell: list[str], name: str, tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator)).strip()
    script = f"readonly {name}\nstate before\n{activate} || echo failed\nstate after\n"
    outcome = attempt([*shell, "-u"], PROLOGUE + script, tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert name in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert printed["before"].endswith("failed\n")
    assert state(printed["after"]) == state(printed["before"].removesuffix("failed\n"))


CHANGING = {"bash": "iulaA", "ksh93": "iulA", "mksh": "iul", "zsh": "iulEFaA"}
"""Attributes of variables with which these shells store another value than the assigned one, or do not export it."""


@pytest.mark.parametrize("name", ["PATH", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PKG_CONFIG_PATH", "_OLD_VIRTUAL_BIN"])
@pytest.mark.parametrize(
    ("shell", "attribute"), [(name, a) for name, attributes in CHANGING.items() for a in attributes]
)
def test_a_variable_that_changes_its_value_is_reported(shell: str, attribute: str, name: str, tmp_path: Path) -> None:
    if (shell, name) == ("zsh", "PATH") and attribute in "iEFaA":
        pytest.skip("PATH is always a string in zsh")
    activate = source(build(tmp_path / "Env", activator)).strip()
    script = f"unset {name}\ntypeset -{attribute} {name}\nstate before\n{activate} || echo failed\nstate after\n"
    outcome = attempt(SHELLS[shell], PROLOGUE + script, tmp_path / "cwd", {})
    printed = sections(outcome.stdout)
    assert outcome.stderr == READ_ONLY % name
    assert state(printed["after"]) == state(printed["before"].removesuffix("failed\n"))


@pytest.mark.parametrize("name", ["PATH", "VIRTUAL_ENV", "PKG_CONFIG_PATH", "_OLD_VIRTUAL_VALUE"])
@pytest.mark.parametrize(
    ("shell", "assign"),
    [("bash", "{}=(a b)"), ("ksh93", "{}=(a b)"), ("mksh", "set -A {} a b"), ("zsh", "{}=(a b)"), ("yash", "{}=(a b)")],
)
def test_an_array_is_reported_and_keeps_its_elements(shell: str, assign: str, name: str, tmp_path: Path) -> None:
    """Only its first element could be exported, or it would become a text."""
    if (shell, name) == ("zsh", "PATH"):
        pytest.skip("PATH is always a string in zsh")
    activate = source(build(tmp_path / "env", activator)).strip()
    show = f"/usr/bin/printf '%s|' \"${{{name}[@]}}\""
    script = f"unset {name}\n{assign.format(name)}\n{activate} || echo failed\n{show}\n"
    assert attempt(SHELLS[shell], script, tmp_path / "cwd") == (0, "failed\na|b|", READ_ONLY % name)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("_OLD_VIRTUAL_PATH", "PATH"),
        ("_OLD_VIRTUAL_STATE", "MINE"),
        ("_OLD_VIRTUAL_PS1", "PS1"),
        ("VIRTUAL_ENV", "MINE"),
        ("VIRTUAL_ENV_PROMPT", "VIRTUAL_ENV"),
        ("PATH", "MINE"),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "ksh93", "mksh"])
def test_a_reference_to_another_variable_is_reported(shell: str, name: str, target: str, tmp_path: Path) -> None:
    """Assigning it would change the other variable, and exporting it would export that."""
    activate = source(build(tmp_path / "env", activator)).strip()
    script = f"MINE=$PATH\ntypeset -n {name}={target}\nstate before\n{activate} || echo failed\nstate after\n"
    outcome = attempt(SHELLS[shell], PROLOGUE + script, tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert outcome.stderr == READ_ONLY % name
    assert state(printed["after"]) == state(printed["before"].removesuffix("failed\n"))


@pytest.mark.parametrize("shell", ["bash", "ksh93", "mksh"])
def test_the_prompt_can_be_a_reference_to_another_variable(shell: str, tmp_path: Path) -> None:
    script = f"MINE='$ '\ntypeset -n PS1=MINE\n{source(build(tmp_path / 'env', activator))}deactivate\necho \"$MINE\"\n"
    assert run(SHELLS[shell], script, tmp_path / "cwd") == "$ \n"


@pytest.mark.parametrize(
    ("name", "declare"),
    [
        ("bash", "local"),
        ("dash", "local"),
        ("zsh", "local"),
        ("ksh93", "typeset"),
        ("busybox", "local"),
        ("yash", "typeset"),
    ],
)
def test_variables_that_are_local_to_a_function_stay_local(name: str, declare: str, tmp_path: Path) -> None:
    """If the function activates the environment and deactivates it again."""
    activate = source(build(tmp_path / "env", activator, tcl="/tcl"))
    values = "PATH=/mine VIRTUAL_ENV=mine TCL_LIBRARY=mine PS1='mine '"
    body = f"state in\n{activate}state active\ndeactivate\nstate after\n"
    script = (
        f"unset VIRTUAL_ENV TCL_LIBRARY\nstate begin\nfunction work {{\n{declare} {values}\n{body}}}\nwork\nstate end\n"
    )
    if name in ("dash", "busybox"):
        script = script.replace("function work {", "work () {")
    printed = states(SHELLS[name], script, tmp_path / "cwd", FULL)
    assert printed["active"].exported["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin:/mine"
    assert printed["after"].inside == printed["in"].inside
    assert printed["end"] == printed["begin"]


@pytest.mark.parametrize("attributes", ["-U path PATH", "-aU path", "-t PATH", "-gx PATH", "-U PATH", "-T PATH path"])
def test_an_exported_variable_stays_exported_in_zsh(attributes: str, tmp_path: Path) -> None:
    """`typeset -U path` is in many startup files."""
    script = f"typeset {attributes} 2>/dev/null\n{cycle(source(build(tmp_path / 'env', activator)))}"
    printed = states(SHELLS["zsh"], script, tmp_path / "cwd", {"PATH": "/usr/bin:/bin"})
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin:/usr/bin:/bin"
    assert printed["before"].exported["PATH"] == "/usr/bin:/bin"
    assert printed["after"] == printed["before"]


def test_a_traced_variable_stays_exported_in_bash(tmp_path: Path) -> None:
    script = f"declare -t PATH\n{cycle(source(build(tmp_path / 'env', activator)))}"
    printed = states(SHELLS["bash"], script, tmp_path / "cwd", FULL)
    assert printed["after"] == printed["before"]


def test_a_read_only_prompt_stays_as_it_is(shell: list[str], tmp_path: Path) -> None:
    script = f"PS1='mine '\nreadonly PS1\n{cycle(source(build(tmp_path / 'env', activator)))}"
    printed = states([*shell, "-eu"], script, tmp_path / "cwd", FULL)
    assert printed["active"].exported["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert printed["after"] == printed["before"]


@pytest.mark.parametrize("strict", ["", "set -eu\n"], ids=["default", "strict"])
@pytest.mark.parametrize(
    ("name", "readonly"),
    [
        ("bash", "readonly -f deactivate"),
        ("bash posix", "readonly -f deactivate"),
        ("yash", "typeset -fr deactivate"),
    ],
)
def test_a_read_only_function_is_reported_and_nothing_changes(
    name: str, readonly: str, strict: str, tmp_path: Path
) -> None:
    """The function of the user is neither called nor replaced; the other shells have no read-only functions."""
    activate = source(build(tmp_path / "env", activator)).strip()
    script = (
        f"deactivate () {{ /usr/bin/printf mine; }}\n{readonly}\nPS1='$ '\n{strict}state before\n"
        f"{activate} || echo failed\nstate after\n/usr/bin/printf '\\1prompt\\2%s' \"$PS1\"\n"
        "/usr/bin/printf '\\1called\\2'; deactivate\n"
    )
    outcome = attempt(SHELLS[name], f"{PROLOGUE}{script}{LEFT}", tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert outcome.stderr == "cannot activate: the function `deactivate` is read-only\n"
    assert printed["before"].endswith("failed\n")
    assert state(printed["after"]) == state(printed["before"].removesuffix("failed\n"))
    assert (printed["prompt"], printed["called"]) == ("$ ", "mine")
    assert printed["names"] == "deactivate\n"


@pytest.mark.parametrize("reason", ["readonly -f deactivate", "readonly PATH"])
@pytest.mark.parametrize("name", ["bash", "bash posix"])
def test_a_refusal_keeps_the_alias_and_the_function_of_the_user(name: str, reason: str, tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator)).strip()
    script = (
        f"shopt -s expand_aliases\ndeactivate () {{ :; }}\n{reason}\nalias deactivate='echo mine'\n"
        f"{activate} || :\nalias deactivate\ntype deactivate\nunalias deactivate\ntype -t deactivate\n"
    )
    outcome = attempt(SHELLS[name], script, tmp_path / "cwd", FULL)
    assert outcome.stderr.startswith("cannot activate: ")
    assert outcome.stdout.splitlines()[0].endswith("deactivate='echo mine'")
    assert outcome.stdout.splitlines()[-1] == "function"


def test_an_environment_stays_active_if_its_function_was_made_read_only(tmp_path: Path) -> None:
    """Another environment cannot replace it."""
    first, second = (source(build(tmp_path / name, activator)).strip() for name in ("first", "second"))
    script = f"{first}\nstate before\nreadonly -f deactivate\n{second} || :\nstate after\n"
    outcome = attempt([*SHELLS["bash"], "-eu"], PROLOGUE + script, tmp_path / "cwd", FULL)
    printed = {name: state(section) for name, section in sections(outcome.stdout).items()}
    assert outcome.stderr == "cannot activate: the function `deactivate` is read-only\n"
    assert printed["after"] == printed["before"]
    assert printed["after"].exported["VIRTUAL_ENV"] == str(tmp_path / "first")


@pytest.mark.parametrize("restrict", ["bash -r", "ksh93 -r", "mksh -r", "zsh -f -r"])
def test_a_restricted_shell_reports_that_path_is_read_only(restrict: str, tmp_path: Path) -> None:
    """The script is sourced by its name, because a restricted shell accepts no path."""
    bin_directory = build(tmp_path / "env", activator)
    environ = {"PATH": f"{bin_directory}:/usr/bin:/bin"}
    outcome = attempt(restrict.split(), '. activate || echo failed\necho "$PATH"\n', tmp_path / "cwd", environ)
    assert outcome == Outcome(0, f"failed\n{environ['PATH']}\n", READ_ONLY % "PATH")


# Functions and aliases with the names of builtins


BUILTINS = (
    "test cd pwd echo printf hash alias unalias command export unset eval set shift typeset shopt readlink "
    ": true break continue exit local readonly emulate setopt unsetopt"
).split()


@pytest.mark.parametrize("name", BUILTINS)
def test_a_function_with_the_name_of_a_builtin_is_not_called(shell: list[str], name: str, tmp_path: Path) -> None:
    """bash and zsh prefer it even to special builtins; other shells refuse to define some names."""
    if name == ("builtin" if shell[0] == "zsh" else "command"):
        pytest.skip("this is how the script avoids functions")
    define = f"{name} () {{ /usr/bin/printf 'called %s' {name}; }}"
    defined = subprocess.run(
        [require(shell[0]), *shell[1:], "-c", f"{define}\n{name}"], capture_output=True, text=True, check=False
    )
    if defined.stdout != f"called {name}":
        pytest.skip("this shell does not call such a function")
    activate = source(build(tmp_path / "env", activator, tcl="/tcl")).replace(". ", "\\. ", 1)
    begin = f"/usr/bin/env -0\n{define}\n{activate}/usr/bin/printf '\\1'; /usr/bin/env -0\ndeactivate\n"
    printed = run([*shell, "-u"], f"{begin}/usr/bin/printf '\\1'; /usr/bin/env -0\n", tmp_path / "cwd", FULL)
    before, active, after = (set(section.split("\0")) for section in printed.split("\1"))
    assert f"VIRTUAL_ENV={tmp_path}/env" in active
    assert after == before


def test_a_function_that_replaces_all_builtins_is_reported_and_the_shell_goes_on(
    shell: list[str], tmp_path: Path
) -> None:
    name = "builtin" if shell[0] == "zsh" else "command"
    activate = source(build(tmp_path / "env", activator)).strip()
    script = f"state before\n{name} () {{ return 0; }}\n{activate} || echo failed\nunset -f {name}\nstate after\n{LEFT}"
    outcome = attempt(shell, PROLOGUE + script, tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert outcome.stderr == f"cannot activate: your function `{name}` has the name of a builtin\n"
    assert printed["before"].endswith("failed\n")
    assert state(printed["after"]) == state(printed["before"].removesuffix("failed\n"))
    assert printed["names"] == ""


ALIASES = (
    "alias break cd command continue echo eval exit export hash printf pwd return set shift typeset unset test".split()
)


def variables(
    shell: Sequence[str], begin: str, activate: str, end: str, cwd: Path
) -> tuple[set[str], set[str], set[str], str]:
    """Run a script; return the exported variables before activation, while active, and afterwards, and what `end` prints.

    Only quoted words are used after `begin`, which may define aliases.
    """
    show, separate = "'/usr/bin/env' '-0'\n", "'/usr/bin/printf' '\\1'\n"
    script = f"{show}{separate}{begin}{activate}{show}{separate}'deactivate'\n{show}{separate}{end}"
    before, active, after, rest = run(shell, script, cwd, FULL).split("\1")
    return set(before.split("\0")), set(active.split("\0")), set(after.split("\0")), rest


def test_an_alias_with_the_name_of_a_builtin_is_not_used(shell: list[str], tmp_path: Path) -> None:
    """A script reads its aliases too, except in bash."""
    activate = source(build(tmp_path / "env", activator, "a$b", tcl="/tcl")).replace(". ", "'.' ", 1)
    expand = "shopt -s expand_aliases\n" if shell[0] == "bash" else ""
    aliases = "".join(f"'alias' '{name}=echo called'\n" for name in ALIASES)
    before, active, after, left = variables(shell, expand + aliases, activate, "'alias'\n", tmp_path / "cwd")
    assert f"VIRTUAL_ENV={tmp_path}/env" in active
    assert after == before
    assert left.count("called") == len(ALIASES)


def words(text: str) -> set[str]:
    """Return the unquoted words in the lines of a script that are not comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return {word for line in lines for word in re.findall(r"(?<!\S)[\w!./:\]\[-]+(?!\S)", line)}


BEGINNING, REST = TEMPLATE.split("# Find the environment", 1)
"""The script before and after it has switched off aliases."""


@pytest.mark.parametrize("name", ["bash", "bash posix", "zsh"])
def test_no_word_of_the_script_is_expanded_as_an_alias(name: str, tmp_path: Path) -> None:
    """Aliases in bash can have the names of keywords; the global ones in zsh can have any name, often that of an option.

    They still exist afterwards, and are used.
    """
    kind = "'-g'" if name == "zsh" else ""
    names = [
        word
        for word in sorted(words(REST) - words(re.sub("[')]", " ", BEGINNING)))
        if kind or re.fullmatch(r"[\w.:!]+", word)
    ]
    assert {"do", "done", "while"} <= {*names}
    aliases = "".join(f"'alias' {kind} '--' '{word}=wrong $('\n" for word in names)
    expand = "" if name == "zsh" else "shopt -s expand_aliases\n"
    activate = source(build(tmp_path / "env", activator, "a$b", tcl="/tcl")).replace(". ", "'.' ", 1)
    begin = f"alias mine='/usr/bin/printf works'\n{expand}{aliases}"
    before, active, after, printed = variables(SHELLS[name], begin, activate, "mine\n", tmp_path / "cwd")
    assert f"PATH={tmp_path}/env/bin:{FULL['PATH']}" in active
    assert after == before
    assert printed == "works"


@pytest.mark.parametrize("name", ["bash", "zsh"])
@pytest.mark.parametrize("reason", ["moved", "read-only"])
def test_aliases_work_after_a_refusal(name: str, reason: str, tmp_path: Path) -> None:
    build(tmp_path / "old", activator)
    if reason == "moved":
        (tmp_path / "old").rename(tmp_path / "new")
    scripts = tmp_path / ("new" if reason == "moved" else "old") / "bin"
    expand = "" if name == "zsh" else "shopt -s expand_aliases\n"
    script = f"{expand}readonly PATH\nalias mine='echo works'\n{source(scripts).strip()} || :\nmine\n"
    assert attempt(SHELLS[name], script, tmp_path / "cwd").stdout == "works\n"


# Options


def zsh_options() -> list[str]:
    """Return the names of all options of zsh, so that each can be set or unset; none if it is not installed."""
    try:
        done = subprocess.run(
            ["zsh", "-fc", "emulate -R zsh; setopt ksh_option_print; set -o"],
            capture_output=True,
            text=True,
            check=True,
        )
    except OSError:
        return []
    rows = [line.split() for line in done.stdout.splitlines()]
    return [f"no{name}" if switch == "on" else name for name, switch in rows if name not in PRINTING]


PRINTING = ("noexec", "restricted", "sourcetrace", "verbose", "xtrace")
"""Options of zsh that print commands or do not run them; `restricted` has a test of its own."""


@pytest.mark.parametrize("option", zsh_options() or ["none"])
def test_every_option_of_zsh_can_be_changed(option: str, tmp_path: Path) -> None:
    require("zsh")
    activate = source(build(tmp_path / "env", activator, "a%b!c", tcl="/tcl"))
    opposite = option.removeprefix("no") if option.startswith("no") else f"no{option}"
    change, restore = f"setopt {option} 2>/dev/null\n", f"setopt {opposite} 2>/dev/null\n"
    script = (
        f"PS1='$ '\nstate before\n{change}{activate}{restore}state active\n{change}deactivate\n{restore}state after\n"
    )
    outcome = attempt(SHELLS["zsh"], PROLOGUE + script, tmp_path / "cwd", FULL)
    printed = {name: state(section) for name, section in sections(outcome.stdout).items()}
    assert outcome.stderr == ""
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin:{FULL['PATH']}"
    assert printed["after"] == printed["before"]


@pytest.mark.parametrize("option", ["warn_create_global", "warn_nested_var"])
def test_zsh_does_not_warn_if_a_function_activates(option: str, tmp_path: Path) -> None:
    require("zsh")
    activate = source(build(tmp_path / "env", activator, "a$b", tcl="/tcl"))
    script = (
        f"PS1='$ '\nsetopt {option}\non () {{\n{activate}}}\noff () {{ deactivate; }}\n"
        f"state before\non\nstate active\non\noff\n[[ -o {option} ]] && state after\n"
    )
    outcome = attempt(SHELLS["zsh"], PROLOGUE + script, tmp_path / "cwd", FULL)
    printed = {name: state(section) for name, section in sections(outcome.stdout).items()}
    assert outcome.stderr == ""
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin:{FULL['PATH']}"
    assert printed["after"] == printed["before"]


def test_the_commands_can_be_traced(shell: list[str], tmp_path: Path) -> None:
    """With `set -x`, as people do who look for an error."""
    activate = source(build(tmp_path / "env", activator, "a$b"))
    script = f"PS4='+ '\nPS1='$ '\nstate before\nset -x\n{activate}set +x\nstate active\nset -x\ndeactivate\nset +x\n"
    outcome = attempt([*shell, "-eu"], f"{PROLOGUE}{script}state after\n", tmp_path / "cwd", FULL)
    printed = {name: state(section) for name, section in sections(outcome.stdout).items()}
    assert printed["active"].exported["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert printed["after"] == printed["before"]


@pytest.mark.parametrize("option", "errexit nounset noglob noclobber allexport posix notify hashall".split())
def test_an_option_of_bash_from_the_environment_does_not_matter(option: str, tmp_path: Path) -> None:
    environ = {**FULL, "SHELLOPTS": option, "POSIXLY_CORRECT": "1", "BASHOPTS": "expand_aliases:nullglob:failglob"}
    printed = states(SHELLS["bash"], cycle(source(build(tmp_path / "env", activator))), tmp_path / "cwd", environ)
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin:{FULL['PATH']}"
    assert printed["after"] == printed["before"]


def test_an_assignment_after_a_command_can_belong_to_it(tmp_path: Path) -> None:
    """With `set -k` in bash, ksh93 and mksh, an unquoted `alias NAME=VALUE` defines no alias."""
    printed = states(SHELLS["bash"], f"set -k\n{cycle(source(build(tmp_path / 'env', activator)))}", tmp_path / "cwd")
    assert printed["active"].exported["VIRTUAL_ENV"] == f"{tmp_path}/env"


@pytest.mark.parametrize("ifs", ["", "/", ":", "PATH", "a\\n", "_", "=' "])
def test_any_field_separator_can_be_set(shell: list[str], ifs: str, tmp_path: Path) -> None:
    script = (
        f"state before\nIFS={shlex.quote(ifs)}\n{source(build(tmp_path / 'a b', activator))}unset IFS\nstate active\n"
    )
    printed = states(
        shell, f"{script}IFS={shlex.quote(ifs)}\ndeactivate\nunset IFS\nstate after\n", tmp_path / "cwd", FULL
    )
    assert printed["active"].exported["PATH"] == f"{tmp_path}/a b/bin:{FULL['PATH']}"
    assert printed["after"] == printed["before"]


@pytest.mark.parametrize("name", ["plain", "50%!", "a\\b", "$a"])
def test_the_prompt_is_displayed_without_its_variable(shell: list[str], name: str, tmp_path: Path) -> None:
    """With `set -u`, a reference to a variable that the user has unset would be an error at each prompt."""
    needs_path(shell)
    activate = source(build(tmp_path / "env", activator, name))
    script = f"PS1='$ '\n{activate}unset VIRTUAL_ENV_PROMPT\nset -u\n"
    expand = (
        'eval ": \\"$PS1\\""\necho reached\n'
        if shell[0] != "zsh"
        else 'setopt prompt_subst; : "${(%%)PS1}"; echo reached\n'
    )
    assert run(shell, script + expand, tmp_path / "cwd") == "reached\n"
