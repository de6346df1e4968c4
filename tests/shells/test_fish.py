"""Test that `activate.fish` sets and restores variables in a real fish, and runs nothing in names."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.builtin.activators import fish as activator
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
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FISH = ["fish", "--no-config"]

PROLOGUE = r"""
function state
    /usr/bin/printf '\001%s\002' $argv[1]
    for name in NAMES
        if set -q $name
            /usr/bin/printf '%s\0' $name "$$name"
        end
    end
    /usr/bin/printf '\003'
    /usr/bin/env -0
end
""".replace("NAMES", " ".join(NAMES))
"""Defines `state`, which works whatever PATH is."""

FULL = {
    "PATH": "/usr/bin:/bin:/opt/odd dir",
    "VIRTUAL_ENV": "/outer",
    "VIRTUAL_ENV_PROMPT": "outer",
    "PYTHONHOME": "/home of python",
    "PKG_CONFIG_PATH": "/usr/lib/pkgconfig:/opt/lib/pkgconfig",
    "TCL_LIBRARY": "/usr/share/tcl",
    "TK_LIBRARY": "(touch PWNED)",
}
"""A value for each variable that activation changes."""

TEMPLATE = resource("cloche.builtin.activators", "fish/activate.fish")

test_contract = activator_contract(
    activator, Shell(("fish",), echo="printf %s {text}", activate="source {script}"), templates=[TEMPLATE]
)


def source(scripts: Path) -> str:
    return f"source {activator.quote(f'{scripts}/activate.fish')}\n"


def cycle(activate: str) -> str:
    """Return a script that activates and deactivates, and prints the sections `before`, `active` and `after`."""
    return f"state before\n{activate}state active\ndeactivate\nstate after\n"


def play(script: str, cwd: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Run a script that may call `state NAME`, and return what it printed, by section."""
    return sections(run(FISH, PROLOGUE + script, cwd, environ))


def states(script: str, cwd: Path, environ: Mapping[str, str] | None = None) -> dict[str, State]:
    """Run a script that prints only variables, and return them by the name of the section."""
    return {name: state(content) for name, content in play(script, cwd, environ).items()}


def test_activation_sets_variables_and_deactivation_restores_them(tmp_path: Path) -> None:
    """If every variable was set and exported before."""
    root = tmp_path / "an env"
    printed = states(cycle(source(build(root, activator, "its name", "/tcl", "/tk"))), tmp_path / "cwd", FULL)
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


def test_unset_variables_are_unset_again(tmp_path: Path) -> None:
    """Including PATH."""
    unset = f"for name in {' '.join(NAMES)}\nset -eg $name\nend\n"
    printed = states(unset + cycle(source(build(tmp_path / "env", activator, "env", "/tcl", "/tk"))), tmp_path / "cwd")
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin"
    assert printed["active"].exported["PKG_CONFIG_PATH"] == f"{tmp_path}/env/lib/pkgconfig"
    assert printed["after"] == State(dict.fromkeys(NAMES), {})


def test_empty_variables_are_empty_again(tmp_path: Path) -> None:
    """No empty entry is added to an empty PKG_CONFIG_PATH."""
    empty = dict.fromkeys(NAMES, "")
    script = "set PATH\n" + cycle(source(build(tmp_path / "env", activator, "env", "/tcl", "/tk")))
    printed = states(script, tmp_path / "cwd", empty | {"PATH": "/usr/bin"})
    assert printed["active"].exported["PATH"] == f"{tmp_path}/env/bin"
    assert printed["active"].exported["PKG_CONFIG_PATH"] == f"{tmp_path}/env/lib/pkgconfig"
    assert printed["after"] == State(empty, empty)


def test_variables_that_were_not_exported_are_not_exported_again(tmp_path: Path) -> None:
    """Including PATH; while the environment is active, its values are exported."""
    hide = "".join(f"set -gu {name} $KEEP_{name}\n" for name in FULL if name != "PATH") + "set -gu PATH $PATH\n"
    script = hide + cycle(source(build(tmp_path / "env", activator, "env", "/tcl", "/tk")))
    printed = states(script, tmp_path / "cwd", {f"KEEP_{name}": value for name, value in FULL.items()})
    assert printed["before"].exported == {}
    assert printed["active"].exported["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert printed["active"].exported["PATH"].startswith(f"{tmp_path}/env/bin:")
    assert printed["after"] == printed["before"]


def test_a_universal_variable_becomes_visible_again(tmp_path: Path) -> None:
    show = "printf '%s|' $VIRTUAL_ENV_PROMPT\n"
    activate = source(build(tmp_path / "env", activator))
    script = f"set -U VIRTUAL_ENV_PROMPT mine\n{activate}{show}deactivate\n{show}"
    assert run(["fish"], script, tmp_path / "cwd") == "env|mine|"


def test_a_universal_pythonhome_is_empty_while_active(tmp_path: Path) -> None:
    """It would be visible if only the global one were erased."""
    show = "/usr/bin/env | string match 'PYTHONHOME=*'\n"
    activate = source(build(tmp_path / "env", activator))
    script = f"set -Ux PYTHONHOME /mine\n{activate}{show}deactivate\n{show}"
    assert run(["fish"], script, tmp_path / "cwd") == "PYTHONHOME=\nPYTHONHOME=/mine\n"


@pytest.mark.parametrize(
    "value", ["-gx VIRTUAL_ENV a b", "-g --path VIRTUAL_ENV a b", "-gx --path PKG_CONFIG_PATH a b"]
)
def test_lists_are_restored(value: str, tmp_path: Path) -> None:
    name = value.split()[-3]
    show = f"set -S {name}\n/usr/bin/env | string match '{name}=*'; true\n"
    activate = source(build(tmp_path / "env", activator))
    script = f"set {value}\n{show}echo active\n{activate}deactivate\n{show}"
    before, after = run(FISH, script, tmp_path / "cwd").split("active\n")
    assert after == before


def test_functions_that_wait_for_variables_are_called(tmp_path: Path) -> None:
    """They may change the status, and variables of their own."""
    handlers = "".join(f"function on_{name} --on-variable {name}; set -g last {name}; false; end\n" for name in NAMES)
    printed = states(f"{handlers}{cycle(source(build(tmp_path / 'env', activator)))}", tmp_path / "cwd", FULL)
    assert printed["active"].exported["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert printed["after"] == printed["before"]


def test_nothing_in_names_is_expanded_or_run(tmp_path: Path) -> None:
    """Directories and prompts with any name are neither expanded nor split."""
    script = "state before\n"
    roots = {what: tmp_path / what / directory_name(name) for what, name in HOSTILE.items()}
    for what, name in HOSTILE.items():
        script += (
            f"{source(build(roots[what], activator, name))}state 'active {what}'\n"
            f"printf '\\1called {what}\\2'; pydoc x\ndeactivate\n"
        )
    printed = play(f"{script}state after\n", tmp_path / "cwd")
    assert state(printed["after"]) == state(printed["before"])
    for what, name in HOSTILE.items():
        active = state(printed[f"active {what}"]).exported
        assert active["VIRTUAL_ENV"] == str(roots[what])
        assert active["VIRTUAL_ENV_PROMPT"] == name
        assert active["PATH"].startswith(f"{roots[what]}/bin:")
        assert printed[f"called {what}"] == "python|-m|pydoc|x|"
    assert list((tmp_path / "cwd").iterdir()) == []


def test_python_is_that_of_the_environment(tmp_path: Path) -> None:
    root = tmp_path / "it's an env"
    script = source(build(root, activator)) + "python -c 'import sys; print(sys.prefix)'\n"
    real_python(root)
    assert run(FISH, script, tmp_path / "cwd", {"PYTHONHOME": "/nowhere"}) == f"{root}\n"


def test_a_second_activation_changes_nothing(tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator, tcl="/tcl"))
    script = f"state before\n{activate}state once\n{activate}state twice\ndeactivate\nstate after\n"
    printed = states(script, tmp_path / "cwd", FULL)
    assert printed["twice"] == printed["once"]
    assert printed["after"] == printed["before"]


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
    child = PROLOGUE + cycle(second)
    printed = states(f"{first}fish --no-config -c {activator.quote(child)}\n", tmp_path / "cwd")
    assert printed["before"].exported["VIRTUAL_ENV"] == f"{tmp_path}/first"
    assert printed["active"].exported["PATH"].startswith(f"{tmp_path}/second/bin:{tmp_path}/first/bin:")
    assert printed["after"] == printed["before"]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("set -p PATH /new", "/new:{}"),
        ("set -a PATH /new", "{}:/new"),
        ("set PATH /new $PATH /newer", "/new:{}:/newer"),
        ("set PATH /other", "{}"),
    ],
    ids=["in front", "at the end", "around", "replaced"],
)
def test_entries_that_the_user_added_to_path_are_kept(tmp_path: Path, change: str, kept: str) -> None:
    """If the environment's entry was removed, PATH gets its old value."""
    script = source(build(tmp_path / "it's", activator)) + f"{change}\ndeactivate\nstate after\n"
    assert states(script, tmp_path / "cwd", FULL)["after"].exported["PATH"] == kept.format(FULL["PATH"])


def test_variables_that_activation_does_not_set_are_kept(tmp_path: Path) -> None:
    """Most environments do not set TCL_LIBRARY; a value that the user sets while active is kept."""
    script = source(build(tmp_path / "env", activator)) + "set -gx TCL_LIBRARY /mine\ndeactivate\nstate after\n"
    printed = states(script, tmp_path / "cwd", FULL)
    assert printed["after"].exported["TCL_LIBRARY"] == "/mine"


def test_deactivation_removes_all_names_of_the_script(tmp_path: Path) -> None:
    """Variables and functions."""
    listing = "printf '\\1{}\\2'\nset -n\nfunctions -n -a | string split ', '; true\n"
    activate = source(build(tmp_path / "env", activator, "env", "/tcl", "/tk"))
    begin = "function fish_prompt; end\n" + listing.format("before")
    script = f"{begin}{activate}{listing.format('active')}deactivate\n{listing.format('after')}"
    printed = {when: set(names.split()) for when, names in sections(run(FISH, script, tmp_path / "cwd")).items()}
    assert {"deactivate", "pydoc", "VIRTUAL_ENV"} <= printed["active"] - printed["before"]
    assert printed["after"] == printed["before"]


def test_a_pydoc_of_the_user_is_kept(tmp_path: Path) -> None:
    script = f"function pydoc; printf mine; end\n{source(build(tmp_path / 'env', activator))}pydoc\ndeactivate\npydoc\n"
    assert run(FISH, script, tmp_path / "cwd") == "minemine"


def test_functions_that_replace_builtins_are_not_called(tmp_path: Path) -> None:
    builtins = ("functions", "printf", "contains", "echo", "source", ".")
    shadows = "".join(f"function {name}; command touch PWNED; end\n" for name in builtins)
    script = f"function fish_prompt; end\nbuiltin source {tmp_path}/env/bin/activate.fish\nfish_prompt\ndeactivate\n"
    build(tmp_path / "env", activator)
    run(FISH, shadows + script, tmp_path / "cwd")
    assert list((tmp_path / "cwd").iterdir()) == []


FOREIGN = """
function deactivate
    if set -q _OLD_VIRTUAL_PATH
        set -gx PATH $_OLD_VIRTUAL_PATH
        set -e _OLD_VIRTUAL_PATH
    end
    if test -n "$_OLD_FISH_PROMPT_OVERRIDE"
        set -e _OLD_FISH_PROMPT_OVERRIDE
        functions -e fish_prompt
        functions -c _old_fish_prompt fish_prompt
        functions -e _old_fish_prompt
    end
    set -e VIRTUAL_ENV
    set -e VIRTUAL_ENV_PROMPT
    test "$argv[1]" = nondestructive; or functions -e deactivate
end
deactivate nondestructive
set -gx VIRTUAL_ENV /foreign
set -gx _OLD_VIRTUAL_PATH $PATH
set -gx PATH /foreign/bin $PATH
functions -c fish_prompt _old_fish_prompt
function fish_prompt; echo -n '(foreign) '; _old_fish_prompt; end
set -gx _OLD_FISH_PROMPT_OVERRIDE $VIRTUAL_ENV
"""
"""The common parts of the scripts of other tools."""


def test_environments_of_other_tools_are_deactivated_first(tmp_path: Path) -> None:
    """Other tools use the same names for saved values, so each script can undo the other."""
    ours = source(build(tmp_path / "env", activator))
    environ = {"PATH": FULL["PATH"], "PKG_CONFIG_PATH": "/pkg"}
    for activate in (FOREIGN + ours, f"{ours}{FOREIGN}state theirs\n{ours}"):
        script = f"function fish_prompt; echo -n mine; end\n{cycle(activate)}printf '\\1prompt\\2'; fish_prompt\n"
        printed = play(script, tmp_path / "cwd", environ)
        assert state(printed["active"]).exported["PATH"] == f"{tmp_path}/env/bin:{FULL['PATH']}"
        assert state(printed["after"]) == state(printed["before"])
        assert printed["prompt"] == "mine"
    assert state(printed["theirs"]).exported["PATH"] == f"/foreign/bin:{FULL['PATH']}"


def test_the_prompt_is_restored(tmp_path: Path) -> None:
    """Its definition is restored exactly; a prompt that the user set while active is kept."""
    activate = source(build(tmp_path / "env", activator))
    define = "function fish_prompt -d mine\n    printf '%s>' $status\nend\n"
    show = "functions --no-details fish_prompt\n"
    script = f"{define}printf '\\1before\\2'; {show}{activate}deactivate\nprintf '\\1after\\2'; {show}"
    printed = sections(run(FISH, script, tmp_path / "cwd"))
    assert printed["after"] == printed["before"]
    chosen = "function fish_prompt\n    printf other\nend\n"
    script = f"{define}{activate}{chosen}deactivate\nfish_prompt; functions -q _old_fish_prompt; or printf gone\n"
    assert run(FISH, script, tmp_path / "cwd") == "othergone"


def test_the_prompt_can_be_disabled(tmp_path: Path) -> None:
    """By `VIRTUAL_ENV_DISABLE_PROMPT`, or by an empty prompt."""
    for prompt, environ in [("env", {"VIRTUAL_ENV_DISABLE_PROMPT": "1"}), ("", {})]:
        activate = source(build(tmp_path / f"env{prompt}", activator, prompt))
        script = f"function fish_prompt; printf '>'; end\n{activate}fish_prompt\ndeactivate\nfish_prompt\n"
        assert run(FISH, script, tmp_path / "cwd", environ) == ">>"


def test_a_multiline_prompt_sees_the_status_of_the_last_command(tmp_path: Path) -> None:
    activate = source(build(tmp_path / "env", activator))
    script = f"function fish_prompt; printf 'was %s\\n> ' $status; end\n{activate}false\nfish_prompt\n"
    assert run(FISH, script, tmp_path / "cwd") == "(env) was 1\n> \n"


def test_running_the_script_instead_of_sourcing_it_is_an_error(tmp_path: Path) -> None:
    script = build(tmp_path / "it's", activator) / "activate.fish"
    message = f"this script must be sourced, not run; type: source {script}\n"
    assert attempt([*FISH, str(script)], "", tmp_path / "cwd") == (33, "", message)


def test_the_script_can_be_sourced_in_a_function(tmp_path: Path) -> None:
    """The script does not change local variables of the function."""
    activate = source(build(tmp_path / "env", activator))
    workon = f"function workon\nset -l name mine\n{activate}set -g kept $name\nend\nworkon\n"
    printed = play(f"{cycle(workon)}printf '\\1kept\\2%s' $kept\n", tmp_path / "cwd", FULL)
    assert state(printed["active"]).exported["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert state(printed["after"]) == state(printed["before"])
    assert printed["kept"] == "mine"


def test_the_prompt_displays_the_name_literally(tmp_path: Path) -> None:
    """On a terminal, for every hostile name; nothing in it runs, and deactivation removes it."""
    count = itertools.count(1)
    with Terminal([*FISH, "-i"], tmp_path / "cwd") as shell:
        # fish redraws the prompt at each key press; the number distinguishes a new prompt from a redrawn one.
        prompt = "function fish_prompt; set -g count (math 0$count + 1); echo -n '<'$count'> '; end"
        shell.say(f"function fish_title; end; {prompt}", f"<{next(count)}> ")
        for what, name in HOSTILE.items():
            activate = source(build(tmp_path / what, activator, name)).strip()
            assert shell.say(activate, f"<{next(count)}> ").endswith(seen(f"({name}) ")), what
            assert shell.say("deactivate", f"<{next(count)}> ").endswith("\r"), what
    assert list((tmp_path / "cwd").iterdir()) == []


def test_windows_is_not_supported() -> None:
    assert activator.refusal(interpreter()) is None
    assert activator.refusal(interpreter(os_name="nt")) == "not supported on Windows"


@settings(max_examples=20, deadline=None)
@given(st.lists(TEXTS, min_size=20, max_size=60))
def test_any_text_can_be_quoted(texts: list[str]) -> None:
    script = "".join(f"set text {activator.quote(text)}\n/usr/bin/printf '%s\\0' $text\n" for text in texts)
    assert run(FISH, script).split("\0")[:-1] == texts


def test_the_script_contains_the_path_once(tmp_path: Path) -> None:
    """Tools that move environments search for it and replace it."""
    (script,) = activator.scripts(describe(str(tmp_path), "env"))
    assert script.text.count(str(tmp_path)) == 1
    assert f"set -l virtual_root {tmp_path}\n" in script.text


@pytest.mark.parametrize("text", ["a\0b", "a\udcffb"])
def test_text_that_the_shell_cannot_express_is_refused(text: str) -> None:
    with pytest.raises(Inexpressible, match=r"cannot (contain|express)"):
        activator.quote(text)


def test_fish_finds_no_syntax_error_in_the_script(tmp_path: Path) -> None:
    """Also if names are hostile."""
    script = build(tmp_path / HOSTILE["both-quotes"], activator, HOSTILE["backslash"]) / "activate.fish"
    assert attempt([require("fish"), "--no-execute", str(script)], "") == (0, "", "")
