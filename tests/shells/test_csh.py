"""Test that `activate.csh` sets and restores variables in a real tcsh, and runs nothing in names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.builtin.activators import csh as activator
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
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CSH = ["tcsh", "-f"]

EXPRESSIBLE = {what: name for what, name in HOSTILE.items() if "\n" not in name}
"""The hostile names that csh can express."""

FULL = {
    "PATH": "/usr/bin:/bin::~/bin:/opt/odd  dir/*",
    "VIRTUAL_ENV": "/outer",
    "VIRTUAL_ENV_PROMPT": "outer!",
    "PYTHONHOME": "/home of python",
    "PKG_CONFIG_PATH": "/usr/lib/pkgconfig:",
    "TCL_LIBRARY": "a 'b' \"c\" \\ `touch PWNED` !! $HOME",
    "TK_LIBRARY": "$(touch PWNED)\nand another line",
}
"""A value for each variable that activation changes."""

TEMPLATE = resource("cloche.builtin.activators", "csh/activate.csh")

test_contract = activator_contract(
    activator, Shell(("tcsh", "-f"), echo="printf %s {text}", activate="source {script}"), templates=[TEMPLATE]
)


@pytest.fixture(params=["", "set backslash_quote\n", "set echo_style=none nonomatch noglob\n"])
def settled(request: pytest.FixtureRequest) -> str:
    """Return the first lines of a script: settings that change how csh parses the rest."""
    begin: str = request.param
    return begin


def source(scripts: Path) -> str:
    return f"source {activator.quote(f'{scripts}/activate.csh')}\n"


def tell(name: str) -> str:
    """Return statements that print the variables as a section; csh has no functions."""
    lines = [f"/usr/bin/printf '\\001%s\\002' '{name}'"]
    for known in NAMES:
        lines += [f"if ($?{known}) then", f"/usr/bin/printf '%s\\0' {known} ''${known}:q", "endif"]
    return "\n".join([*lines, "/usr/bin/printf '\\003'", "/usr/bin/env -0", ""])


def cycle(activate: str) -> str:
    """Return a script that activates and deactivates, and prints the sections `before`, `active` and `after`."""
    return f"{tell('before')}{activate}{tell('active')}deactivate\n{tell('after')}"


def states(script: str, cwd: Path, environ: Mapping[str, str] | None = None) -> dict[str, State]:
    """Run a script that prints only variables, and return them by the name of the section."""
    return {name: state(content) for name, content in sections(run(CSH, script, cwd, environ)).items()}


def test_activation_sets_variables_and_deactivation_restores_them(settled: str, tmp_path: Path) -> None:
    """If every variable was set before."""
    root = tmp_path / "an env"
    printed = states(settled + cycle(source(build(root, activator, "its name", "/tcl", "/tk"))), tmp_path / "cwd", FULL)
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
    assert list((tmp_path / "cwd").iterdir()) == []


def test_unset_variables_are_unset_again(tmp_path: Path) -> None:
    """Including PATH."""
    unset = "".join(f"unsetenv {name}\n" for name in NAMES)
    printed = states(unset + cycle(source(build(tmp_path / "env", activator, "env", "/tcl", "/tk"))), tmp_path / "cwd")
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin"
    assert printed["active"].exported["PKG_CONFIG_PATH"] == f"{tmp_path}/env/lib/pkgconfig"
    assert printed["after"] == State(dict.fromkeys(NAMES), {})


def test_empty_variables_are_empty_again(tmp_path: Path) -> None:
    """No empty entry, which means the current directory, is added to an empty PATH."""
    empty = dict.fromkeys(NAMES, "")
    script = "setenv PATH ''\n" + cycle(source(build(tmp_path / "env", activator, "env", "/tcl", "/tk")))
    printed = states(script, tmp_path / "cwd", empty | {"PATH": "/usr/bin"})
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin"
    assert printed["active"].exported["PKG_CONFIG_PATH"] == f"{tmp_path}/env/lib/pkgconfig"
    assert printed["after"] == State(empty, empty)


def test_nothing_in_names_is_expanded_or_run(settled: str, tmp_path: Path) -> None:
    """Directories and prompts with any name are neither expanded nor split."""
    script = f"set prompt = '% '\n{settled}{tell('before')}"
    roots = {what: tmp_path / what / directory_name(name) for what, name in EXPRESSIBLE.items()}
    for what, name in EXPRESSIBLE.items():
        script += (
            f"{source(build(roots[what], activator, name))}{tell(f'active {what}')}"
            f"/usr/bin/printf '\\001called {what}\\002'; pydoc x\n"
            f"deactivate\n/usr/bin/printf '\\001prompt {what}\\002%s' $prompt:q\n"
        )
    printed = sections(run(CSH, script + tell("after"), tmp_path / "cwd"))
    assert state(printed["after"]) == state(printed["before"])
    for what, name in EXPRESSIBLE.items():
        active = state(printed[f"active {what}"]).exported
        assert active["VIRTUAL_ENV"] == str(roots[what])
        assert active["VIRTUAL_ENV_PROMPT"] == name
        assert active["PATH"].startswith(f"{roots[what]}/bin:")
        assert printed[f"called {what}"] == "python|-m|pydoc|x|"
        assert printed[f"prompt {what}"] == "% "
    assert list((tmp_path / "cwd").iterdir()) == []


def test_python_is_that_of_the_environment(tmp_path: Path) -> None:
    root = tmp_path / "it's an env!"
    script = source(build(root, activator)) + "python -c 'import sys; print(sys.prefix)'\n"
    real_python(root)
    assert run(CSH, script, tmp_path / "cwd", {"PYTHONHOME": "/nowhere"}) == f"{root}\n"


def test_the_locale_need_not_support_the_name(tmp_path: Path) -> None:
    root = tmp_path / HOSTILE["unicode"]
    printed = states(cycle(source(build(root, activator))), tmp_path / "cwd", {"LC_ALL": "C"})
    assert printed["active"].exported["VIRTUAL_ENV"] == str(root)
    assert printed["after"] == printed["before"]


def test_a_second_activation_changes_nothing(tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator, tcl="/tcl"))
    show = "/usr/bin/printf '\\001{}\\002%s' $prompt:q\n"
    script = (
        f"set prompt = '% '\n{tell('before')}{activate}{tell('once')}{activate}{tell('twice')}"
        f"{show.format('active prompt')}deactivate\n{tell('after')}{show.format('prompt')}"
    )
    printed = sections(run(CSH, script, tmp_path / "cwd", FULL))
    assert state(printed["twice"]) == state(printed["once"])
    assert printed["active prompt"] == "(%$VIRTUAL_ENV_PROMPT) % "
    assert printed["prompt"] == "% "
    assert state(printed["after"]) == state(printed["before"])


def test_a_second_environment_replaces_the_first(tmp_path: Path) -> None:
    first = source(build(tmp_path / "first", activator, "first", "/tcl"))
    second = source(build(tmp_path / "second", activator, "second", "", "/tk"))
    printed = states(cycle(first + second), tmp_path / "cwd", FULL)
    assert printed["active"].exported["PATH"] == f"{tmp_path}/second/bin:{FULL['PATH']}"
    assert printed["active"].exported["TCL_LIBRARY"] == FULL["TCL_LIBRARY"]
    assert printed["active"].exported["TK_LIBRARY"] == "/tk"
    assert printed["after"] == printed["before"]


def test_a_nested_shell_restores_the_inherited_environment(tmp_path: Path) -> None:
    """A child inherits the active environment, can activate another one, and deactivates only that one."""
    first, second = (source(build(tmp_path / name, activator, name)) for name in ("first", "second"))
    child = tmp_path / "child"
    child.write_text(cycle(second))
    printed = states(f"{first}tcsh -f {child}\n", tmp_path / "cwd")
    assert printed["before"].exported["VIRTUAL_ENV"] == f"{tmp_path}/first"
    assert printed["active"].exported["PATH"].startswith(f"{tmp_path}/second/bin:{tmp_path}/first/bin:")
    assert printed["after"] == printed["before"]


def test_variables_that_activation_does_not_set_are_kept(tmp_path: Path) -> None:
    """Most environments do not set TCL_LIBRARY; a value that the user sets while active is kept."""
    script = source(build(tmp_path / "env", activator)) + "setenv TCL_LIBRARY /mine\ndeactivate\n"
    printed = states(script + tell("after"), tmp_path / "cwd", FULL)
    assert printed["after"].exported["TCL_LIBRARY"] == "/mine"


def test_deactivation_removes_all_names_of_the_script(tmp_path: Path) -> None:
    """Variables and aliases; those of the user do not change."""
    listing = "/usr/bin/printf '\\001{}\\002'; set; alias\n"
    activate = source(build(tmp_path / "env", activator, "env", "/tcl", "/tk"))
    begin = f"alias mine 'a; b'\nset prompt = '% '\n{listing.format('before')}"
    script = f"{begin}{activate}{listing.format('active')}deactivate\n{listing.format('after')}"
    printed = sections(run(CSH, script, tmp_path / "cwd", {"PATH": "/usr/bin:/bin"}))
    assert "\ndeactivate\t" in printed["active"]
    assert "\n_OLD_VIRTUAL_PATH\t" in printed["active"]
    assert printed["after"] == printed["before"]


def test_deactivate_nondestructive_keeps_the_alias(tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator))
    script = f"{tell('before')}{activate}deactivate nondestructive\n{tell('after')}deactivate\n"
    printed = states(script, tmp_path / "cwd", FULL)
    assert printed["after"] == printed["before"]


def test_a_pydoc_of_the_user_is_kept(tmp_path: Path) -> None:
    script = f"alias pydoc 'printf mine'\n{source(build(tmp_path / 'env', activator))}pydoc\ndeactivate\npydoc\n"
    assert run(CSH, script, tmp_path / "cwd") == "minemine"


PROMPTS = ["''", "'%B%m%b%# '", "'a b'", "(a list)", "(a '')", "()", activator.quote("$(touch PWNED)`touch PWNED`!'\"")]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_prompt_is_restored(prompt: str, tmp_path: Path) -> None:
    """Also if it is a list, which csh allows."""
    show = "/usr/bin/printf '\\001{0}\\002%s'; /usr/bin/printf '[%s]' $prompt:q\n"
    begin = f"set prompt = {prompt}\n{show.format('before')}"
    script = f"{begin}{source(build(tmp_path / 'env', activator))}deactivate\n{show.format('after')}"
    printed = sections(run(CSH, script, tmp_path / "cwd"))
    assert printed["after"] == printed["before"]
    assert list((tmp_path / "cwd").iterdir()) == []


def test_a_missing_prompt_is_not_created(tmp_path: Path) -> None:
    """In csh, scripts recognize an interactive shell by its prompt."""
    show = "if ($?prompt) printf prompt\n"
    script = f"unset prompt\n{source(build(tmp_path / 'env', activator))}{show}deactivate\n{show}"
    assert run(CSH, script, tmp_path / "cwd") == ""


def test_a_prompt_that_the_user_set_while_active_is_kept(tmp_path: Path) -> None:
    script = f"set prompt = '% '\n{source(build(tmp_path / 'env', activator))}set prompt = 'mine '\ndeactivate\n"
    assert run(CSH, f"{script}printf %s $prompt:q\n", tmp_path / "cwd") == "mine "


def test_the_prompt_can_be_disabled(tmp_path: Path) -> None:
    """By `VIRTUAL_ENV_DISABLE_PROMPT`, or by an empty prompt."""
    for prompt, environ in [("env", {"VIRTUAL_ENV_DISABLE_PROMPT": "1"}), ("", {})]:
        activate = source(build(tmp_path / f"env{prompt}", activator, prompt))
        script = f"set prompt = '% '\n{activate}printf '%s|' $prompt:q\ndeactivate\nprintf %s $prompt:q\n"
        assert run(CSH, script, tmp_path / "cwd", environ) == "% |% "


FOREIGN = """
alias deactivate 'test $?_OLD_VIRTUAL_PATH != 0 && setenv PATH "$_OLD_VIRTUAL_PATH:q" && unset _OLD_VIRTUAL_PATH; \
test $?_OLD_VIRTUAL_PROMPT != 0 && set prompt="$_OLD_VIRTUAL_PROMPT:q" && unset _OLD_VIRTUAL_PROMPT; \
unsetenv VIRTUAL_ENV; unsetenv VIRTUAL_ENV_PROMPT; test "\\!:*" != "nondestructive" && unalias deactivate'
deactivate nondestructive
setenv VIRTUAL_ENV /foreign
set _OLD_VIRTUAL_PATH = "$PATH:q"
setenv PATH "/foreign/bin:$PATH:q"
set _OLD_VIRTUAL_PROMPT = "$prompt:q"
set prompt = "(foreign) $prompt:q"
"""
"""The common parts of the scripts of other tools."""


def test_environments_of_other_tools_are_deactivated_first(tmp_path: Path) -> None:
    """Other tools use the same names for saved values, so each script can undo the other."""
    ours = source(build(tmp_path / "env", activator))
    environ = {"PATH": FULL["PATH"]}
    for activate in (FOREIGN + ours, f"{ours}{FOREIGN}{tell('theirs')}{ours}"):
        script = f"set prompt = '% '\n{cycle(activate)}/usr/bin/printf '\\001prompt\\002%s' $prompt:q\n"
        printed = sections(run(CSH, script, tmp_path / "cwd", environ))
        assert state(printed["active"]).exported["PATH"] == f"{tmp_path}/env/bin:{FULL['PATH']}"
        assert state(printed["after"]).exported["PATH"] == FULL["PATH"]
        assert printed["prompt"] == "% "
    assert state(printed["theirs"]).exported["PATH"] == f"/foreign/bin:{FULL['PATH']}"


MOVED = "this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT\n"


@pytest.mark.parametrize("strict", [(), ("-e",)], ids=["default", "strict"])
@pytest.mark.parametrize("active", [False, True])
def test_a_moved_environment_sets_the_status_and_changes_nothing(
    active: bool, strict: tuple[str, ...], tmp_path: Path
) -> None:
    """The shell goes on, even with `-e`; another environment stays active."""
    build(tmp_path / "old", activator)
    (tmp_path / "old").rename(tmp_path / "new")
    activate = source(build(tmp_path / "active", activator, "active")) if active else ""
    listing = "/usr/bin/printf '\\001names\\002'; set | /usr/bin/sed -n /^_virtual/p; alias\n"
    script = (
        f"set prompt = '% '\n{activate}{tell('before')}{source(tmp_path / 'new/bin')}"
        f"/usr/bin/printf '\\001status\\002%s' $status\n{tell('after')}{listing}"
    )
    outcome = attempt([*CSH, *strict], script, tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert outcome.stderr == MOVED
    assert printed["status"] == "1"
    assert state(printed["after"]) == state(printed["before"])
    assert ("deactivate" in printed["names"]) == active
    assert "_virtual_names" not in printed["names"]


def test_the_status_is_0_after_activation(tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator))
    assert run(CSH, f"{activate}/usr/bin/printf %s $status\n", tmp_path / "cwd") == "0"


LISTING = "/usr/bin/printf '\\001{}\\002'; ''set | /usr/bin/grep -v '^_\t'; ''set -r; alias\n"
"""Prints a section with all shell variables and aliases."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("path", "($path)"),
        ("PATH", "$PATH"),
        ("VIRTUAL_ENV", "mine"),
        ("VIRTUAL_ENV_PROMPT", "(a list)"),
        ("TCL_LIBRARY", ""),
        ("_OLD_VIRTUAL_PATH", "mine"),
        ("_OLD_VIRTUAL_PROMPT", "mine"),
    ],
)
@pytest.mark.parametrize("active", [False, True])
def test_a_read_only_variable_is_reported_and_nothing_changes(
    active: bool, name: str, value: str, tmp_path: Path
) -> None:
    """Another environment stays active, and aliases of keywords are restored."""
    activate = source(build(tmp_path / "active", activator, "active")) if active else ""
    refused = source(build(tmp_path / "env", activator)).strip()
    script = (
        f"set prompt = '% '\n{activate}set -r {name} = {value}\nalias if 'echo mine'\n{LISTING.format('names')}"
        f"/usr/bin/env -0\n{refused}\n/usr/bin/printf '\\001status\\002%s' $status\n{LISTING.format('same names')}"
        "/usr/bin/env -0\n"
    )
    outcome = attempt(CSH, script, tmp_path / "cwd", {"PATH": "/usr/bin:/bin"})
    printed = sections(outcome.stdout)
    assert outcome.stderr == f"cannot activate: `{name}` is read-only\n"
    assert printed["status"] == "1"
    assert printed["same names"] == printed["names"]


@pytest.mark.parametrize("value", ["text", "(a 'list  of' words)", "()"])
def test_a_shell_variable_with_the_name_of_an_environment_variable_is_kept(value: str, tmp_path: Path) -> None:
    """It hides the environment variable, whose value is restored."""
    hide = "".join(f"set {name} = {value}\n" for name in NAMES)
    activate = source(build(tmp_path / "env", activator, "its name", "/tcl", "/tk"))
    show = "/usr/bin/printf '\\001{}\\002'; /usr/bin/env -0\n"
    script = (
        f"set prompt = '% '\n{hide}{LISTING.format('names')}{show.format('before')}{activate}{show.format('active')}"
        f"{activate}deactivate\n{show.format('after')}{LISTING.format('same names')}"
    )
    outcome = attempt(CSH, script, tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert outcome.stderr == ""
    active = dict(entry.split("=", 1) for entry in printed["active"].split("\0") if entry)
    assert active["PATH"] == f"{tmp_path}/env/bin:{FULL['PATH']}"
    assert active["VIRTUAL_ENV_PROMPT"] == "its name"
    assert "PYTHONHOME" not in active
    assert sorted(printed["after"].split("\0")) == sorted(printed["before"].split("\0"))
    assert printed["same names"] == printed["names"]


KEYWORDS = sorted(set(re.findall(r"(?m)^ *([a-z]+)\b|then ([a-z]+)\b", TEMPLATE)))


@pytest.mark.parametrize("reason", ["", "moved"])
def test_aliases_of_keywords_and_builtins_are_not_used(reason: str, tmp_path: Path) -> None:
    """They still exist afterwards. (csh refuses aliases of `alias` and `unalias`.)"""
    words = sorted({word for pair in KEYWORDS for word in pair if word} - {"alias", "unalias", "deactivate"})
    assert {"set", "setenv", "if", "else", "endif", "foreach", "end", "goto", "eval"} <= {*words}
    activate = source(build(tmp_path / "env", activator, "env", "/tcl", "/tk"))
    if reason:
        (tmp_path / "env").rename(tmp_path / "new")
        activate = source(tmp_path / "new/bin")
    aliases = "".join(f"alias {word} '/usr/bin/printf wrong; {word[:-1]}'\n" for word in [*words, "find", "test"])
    show = "/usr/bin/printf '\\001{}\\002%s' $prompt:q; /usr/bin/env -0\n"
    script = (
        f"set prompt = '% '\n{aliases}{LISTING.format('names')}{show.format('before')}{activate}{show.format('active')}"
        f"{'' if reason else 'deactivate'}\n{show.format('after')}{LISTING.format('same names')}"
    )
    outcome = attempt(CSH, script, tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert outcome.stderr == (MOVED if reason else "")
    assert reason or f"\0VIRTUAL_ENV={tmp_path}/env\0" in printed["active"]
    assert sorted(printed["after"].split("\0")) == sorted(printed["before"].split("\0"))
    assert printed["same names"] == printed["names"]


def test_aliases_of_keywords_are_restored_if_another_environment_is_active(tmp_path: Path) -> None:
    """The `deactivate` of that environment keeps them in variables of its own."""
    first, second = (source(build(tmp_path / name, activator, name)) for name in ("first", "second"))
    script = (
        f"alias set '/usr/bin/printf wrong; se'\nalias if 'echo mine'\nalias unset 'echo mine'\n"
        f"{LISTING.format('names')}{first}{second}/usr/bin/printf '\\001active\\002'; /usr/bin/env -0\n"
        f"deactivate\n{LISTING.format('same names')}"
    )
    printed = sections(run(CSH, script, tmp_path / "cwd", FULL))
    assert f"\0VIRTUAL_ENV={tmp_path}/second\0" in f"\0{printed['active']}"
    assert printed["same names"] == printed["names"]


@pytest.mark.parametrize("strict", [(), ("-e",)], ids=["default", "-e"])
@pytest.mark.parametrize("when", ["before", "active"])
def test_a_read_only_prompt_stays_as_it_is(when: str, strict: tuple[str, ...], tmp_path: Path) -> None:
    """Everything else is activated and deactivated, and nothing is left behind."""
    activate = source(build(tmp_path / "env", activator, "env", "/tcl", "/tk"))
    first, then = ("set -r", "") if when == "before" else ("set", "set -r prompt = ($prompt:q)\n")
    script = (
        f"{first} prompt = '% '\n{cycle(activate + then)}"
        "/usr/bin/printf '\\001prompt\\002%s' $prompt:q\n"
        "/usr/bin/printf '\\001names\\002'; set | /usr/bin/sed -n /VIRTUAL_/Ip; alias\n"
    )
    outcome = attempt([*CSH, *strict], script, tmp_path / "cwd", FULL)
    printed = sections(outcome.stdout)
    assert outcome.stderr == ""
    assert state(printed["active"]).exported["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert state(printed["after"]) == state(printed["before"])
    assert printed["prompt"] == ("% " if when == "before" else "(%$VIRTUAL_ENV_PROMPT) % ")
    assert [
        line for line in printed["names"].splitlines() if "VIRTUAL" not in line or not line.startswith("prompt")
    ] == []


def test_running_the_script_instead_of_sourcing_it_is_an_error(tmp_path: Path) -> None:
    script = build(tmp_path / "it's", activator) / "activate.csh"
    message = f"this script must be sourced, not run; type: source {script}\n"
    assert attempt([*CSH, str(script)], "", tmp_path / "cwd") == (33, "", message)


@pytest.mark.parametrize("settled", ["", "set backslash_quote"])
def test_the_prompt_displays_the_name_literally(settled: str, tmp_path: Path) -> None:
    """On a terminal, for every hostile name; nothing in it runs, and deactivation removes it."""
    with Terminal(CSH, tmp_path / "cwd") as shell:
        shell.say("set prompt = '<E''ND> '")
        shell.say(settled)
        for what, name in EXPRESSIBLE.items():
            drawn = shell.say(source(build(tmp_path / what, activator, name)).strip())
            assert drawn.endswith(seen(f"({name}) ".replace("\r", ""))), what  # tcsh omits carriage returns
            assert "(" not in shell.say("deactivate"), what
    assert list((tmp_path / "cwd").iterdir()) == []


@settings(max_examples=10, deadline=None)
@given(st.lists(TEXTS.map(lambda text: text.replace("\n", "")), min_size=20, max_size=60))
@pytest.mark.parametrize("settled", ["", "set backslash_quote\n"])
def test_any_text_can_be_quoted(settled: str, texts: list[str]) -> None:
    """Without newlines, which csh cannot quote."""
    script = "".join(f"setenv TEXT {activator.quote(text)}\n/usr/bin/printf '%s\\0' $TEXT:q\n" for text in texts)
    assert run(CSH, settled + script).split("\0")[:-1] == texts


@pytest.mark.parametrize("text", ["a\nb", "a\0b", "a\udcffb"])
def test_text_that_the_shell_cannot_express_is_refused(text: str) -> None:
    with pytest.raises(Inexpressible, match=r"cannot (contain|express)"):
        activator.quote(text)


def test_windows_is_not_supported() -> None:
    assert activator.refusal(interpreter()) is None
    assert activator.refusal(interpreter(os_name="nt")) == "not supported on Windows"


def test_the_script_contains_the_path_once(tmp_path: Path) -> None:
    """Tools that move environments search for it and replace it."""
    (script,) = activator.scripts(describe(str(tmp_path), "env"))
    assert script.text.count(str(tmp_path)) == 1
    assert f"\nset _virtual_root = {tmp_path}\n" in script.text
