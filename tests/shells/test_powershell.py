"""Test the PowerShell activator in the real PowerShell.

A test runs one script in one process, because starting PowerShell takes most of a second. The script prints each text
as the numbers of its UTF-16 code units, so that no encoding can change it.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.builtin.activators import powershell as activator
from cloche.errors import Inexpressible
from cloche.shells.template import resource
from cloche.testing import Shell, activator_contract
from tests.shells.windows_driver import HOSTILE, HOSTILE_POSIX, describe, interpreter, slots_in_quotes, write
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFINITIONS = """
/bin/true
function codes($text) { if ($null -eq $text) { 'none' } else { ([int[]][char[]]"$text") -join ',' } }
function show($text) { 'printed ' + (codes $text) }
function snapshot {
    'snapshot'
    foreach ($item in Get-ChildItem env:) { 'environ ' + (codes $item.Name) + ' ' + (codes $item.Value) }
    foreach ($item in Get-ChildItem variable:) { 'variable ' + (codes $item.Name) }
    foreach ($item in Get-ChildItem function:) { 'function ' + (codes $item.Name) }
    foreach ($item in $function:prompt, $function:pydoc, $function:deactivate) { 'body ' + (codes $item) }
}
"""

SESSIONS = {
    "default": ("", {}),
    "strictest": (
        "Set-StrictMode -Version Latest\n$ErrorActionPreference = 'Stop'\n",
        {"PWSH_LANGUAGE_MODE": "ConstrainedLanguage"},
    ),
}
"""The first lines of a session, and the variables with which it starts."""


TEMPLATE = resource("cloche.builtin.activators", "powershell/activate.ps1")

test_contract = activator_contract(
    activator,
    Shell(("pwsh", "-NoLogo", "-NoProfile", "-File"), echo="[Console]::Write({text})", suffix=".ps1"),
    templates=[TEMPLATE],
)


class Snapshot(NamedTuple):
    """Everything in a session that activation could change."""

    environ: dict[str, str]
    variables: list[str]
    functions: list[str]
    bodies: list[str]
    """The definitions of `prompt`, `pydoc` and `deactivate`."""


class Session(NamedTuple):
    """The output of a session."""

    texts: list[str]
    snapshots: list[Snapshot]
    written: list[str]
    """The command lines of the `python` that `make` creates."""


def run(script: str, home: Path, changes: Mapping[str, str | None] | None = None, session: str = "default") -> Session:
    """Run a script in a new session; any output on standard error is a failure."""
    opening, started = SESSIONS[session]
    path = home / "session.ps1"
    path.write_bytes(f"\ufeff{opening}{DEFINITIONS}{script}\n'finished'\n".encode())
    done = subprocess.run(
        [require("pwsh"), "-NoLogo", "-NoProfile", "-File", str(path)],
        env=environ_for(home, {**(changes or {}), **started}),
        cwd=home,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    *lines, last = done.stdout.splitlines()
    assert last == "finished", done.stdout
    printed = Session([], [], [])
    for line in lines:
        kind, *words = line.split(" ")
        match kind:
            case "printed":
                printed.texts.append(text_of(words[0]))
            case "python":
                printed.written.append(bytes(int(byte) for byte in words if byte).decode())
            case "snapshot":
                printed.snapshots.append(Snapshot({}, [], [], []))
            case "environ":
                printed.snapshots[-1].environ[text_of(words[0])] = text_of(words[1])
            case "variable" | "function":
                getattr(printed.snapshots[-1], f"{kind}s").append(text_of(words[0]))
            case "body":
                printed.snapshots[-1].bodies.append(words[0])
            case _:
                pytest.fail(f"unexpected output of the session: `{line}`")
    return printed


def text_of(codes: str) -> str:
    if codes == "none":
        return "(none)"
    return b"".join(int(code).to_bytes(2, "little") for code in codes.split(",") if code).decode("utf-16-le")


def environ_for(home: Path, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return a few environment variables with changes; None removes a variable."""
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin", "POWERSHELL_TELEMETRY_OPTOUT": "1", **(changes or {})}
    return {name: value for name, value in environ.items() if value is not None}


def make(root: Path, prompt: str = "env", *, tcl: str = "", tk: str = "") -> str:
    """Create an environment whose `python` prints its arguments; return the quoted path of its script."""
    write(activator, describe(str(root), prompt, tcl=tcl, tk=tk), root / "bin")
    python = root / "bin" / "python"
    python.write_text('#!/bin/sh\necho python $(printf "%s" "$0 $*" | od -An -v -tu1)\n')
    python.chmod(0o755)
    return activator.quote(str(root / "bin" / "activate.ps1"))


@pytest.mark.parametrize("session", SESSIONS)
def test_nothing_in_a_directory_name_or_a_prompt_is_expanded(tmp_path: Path, session: str) -> None:
    """Also if the environment is activated twice; deactivation restores everything."""
    roots = [tmp_path / str(number) / name for number, name in enumerate(HOSTILE_POSIX.values())]
    script = "function prompt { 'own>' }\n"
    for root in roots:
        activate = make(root, prompt=root.name)
        again = activate.replace("activate.ps1'", "Activate.ps1'")
        script += f"snapshot\n. {activate}\nsnapshot\nshow (prompt)\npython -m x\n"
        script += f". {again}\nsnapshot\ndeactivate\nsnapshot\n"

    printed = run(script, tmp_path, session=session)

    for number, (description, root) in enumerate(zip(HOSTILE_POSIX, roots, strict=True)):
        before, active, again, after = printed.snapshots[4 * number : 4 * number + 4]
        assert active.environ["VIRTUAL_ENV"] == str(root), description
        assert active.environ["VIRTUAL_ENV_PROMPT"] == root.name, description
        assert active.environ["PATH"] == f"{root}/bin:/usr/bin:/bin", description
        assert active.environ["PKG_CONFIG_PATH"] == f"{root}/lib/pkgconfig", description
        assert again == active, description
        assert after == before, description
    assert printed.texts == [f"({root.name}) own>" for root in roots]
    assert printed.written == [f"{root}/bin/python -m x" for root in roots]
    assert not list(tmp_path.rglob("PWNED"))


@pytest.mark.parametrize("session", SESSIONS)
def test_variables_are_restored(tmp_path: Path, session: str) -> None:
    """Unset, empty or not; Tcl and Tk variables change only if the interpreter needs them."""
    changed = ("VIRTUAL_ENV_PROMPT", "PYTHONHOME", "PKG_CONFIG_PATH", "TCL_LIBRARY", "TK_LIBRARY")
    activate = make(tmp_path / "env", tcl="/opt/tcl's", tk="")
    script = f"snapshot\n. {activate}\nsnapshot\ndeactivate\nsnapshot\n"

    for state in (None, "", "/their/own"):
        before, active, after = run(script, tmp_path, dict.fromkeys(changed, state), session).snapshots

        assert after == before
        assert "PYTHONHOME" not in active.environ
        assert active.environ["TCL_LIBRARY"] == "/opt/tcl's"
        assert active.environ.get("TK_LIBRARY") == state
        own = f":{state}" if state else ""
        assert active.environ["PKG_CONFIG_PATH"] == f"{tmp_path}/env/lib/pkgconfig{own}"


@pytest.mark.parametrize("path", ["", None])
def test_no_empty_entry_is_added_to_an_empty_path(tmp_path: Path, path: str | None) -> None:
    """An empty entry of PATH is the current directory."""
    activate = make(tmp_path / "env")

    before, active, after = run(
        f"snapshot\n. {activate}\nsnapshot\ndeactivate\nsnapshot\n", tmp_path, {"PATH": path}
    ).snapshots

    assert active.environ["PATH"] == f"{tmp_path}/env/bin"
    assert after == before


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("call", [".", "&"])
def test_a_second_environment_replaces_the_first(tmp_path: Path, call: str, session: str) -> None:
    """If the scripts are dot-sourced, or called as a command, as some editors do."""
    one, other = make(tmp_path / "one", tcl="/tcl", tk="/tk"), make(tmp_path / "other", prompt="second")
    script = f"""
        function prompt {{ 'own>' }}
        snapshot
        {call} {one}
        {call} {other}
        snapshot
        show (prompt)
        deactivate
        snapshot
    """

    printed = run(script, tmp_path, {"TCL_LIBRARY": "/own/tcl"}, session)

    before, active, after = printed.snapshots
    assert active.environ["VIRTUAL_ENV"] == f"{tmp_path}/other"
    assert active.environ["PATH"] == f"{tmp_path}/other/bin:/usr/bin:/bin"
    assert active.environ["TCL_LIBRARY"] == "/own/tcl"
    assert "TK_LIBRARY" not in active.environ
    assert printed.texts == ["(second) own>"]
    assert after == before


def test_the_prompt_of_the_user_is_called_unchanged(tmp_path: Path) -> None:
    """It sees the result of the last command, may be a closure of a module, and is restored."""
    script = f"""
        $null = New-Module -Name theme {{
            $script:count = 0
            function prompt {{ $ok = $?; $script:count++; "$ok $script:count $LASTEXITCODE>" }}
        }}
        . {make(tmp_path / "env")}
        sh -c 'exit 3'
        Write-Error 'x' -ErrorAction SilentlyContinue
        $text = prompt
        show $text
        $null = 1
        $text = prompt
        show $text
        deactivate
        $text = prompt
        show $text
    """

    assert run(script, tmp_path).texts == ["(env) False 1 3>", "(env) True 2 3>", "True 3 3>"]


@pytest.mark.parametrize("session", SESSIONS)
def test_the_prompt_can_be_disabled(tmp_path: Path, session: str) -> None:
    activate = make(tmp_path / "env")
    script = f"snapshot\n. {activate}\nsnapshot\ndeactivate\nsnapshot\n"

    before, active, after = run(script, tmp_path, {"VIRTUAL_ENV_DISABLE_PROMPT": "1"}, session).snapshots

    assert active.bodies[0] == before.bodies[0]
    assert after == before


@pytest.mark.parametrize("session", SESSIONS)
def test_a_missing_prompt_is_not_created(tmp_path: Path, session: str) -> None:
    script = f"$function:prompt = $null\nsnapshot\n. {make(tmp_path / 'env')}\nsnapshot\ndeactivate\nsnapshot\n"

    before, active, after = run(script, tmp_path, session=session).snapshots

    assert "prompt" not in active.functions
    assert after == before


@pytest.mark.parametrize("session", SESSIONS)
def test_pydoc_is_that_of_the_environment(tmp_path: Path, session: str) -> None:
    printed = run(f". {make(tmp_path / 'env')}\npydoc -k 'a b'\n", tmp_path, session=session)

    assert printed.written == [f"{tmp_path}/env/bin/python -m pydoc -k a b"]


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("early", [True, False], ids=["before", "meanwhile"])
def test_a_pydoc_of_the_user_is_kept(tmp_path: Path, session: str, early: bool) -> None:
    own = "function pydoc { show 'mine' }\n"
    activate = f". {make(tmp_path / 'env')}\n"

    printed = run(f"{own + activate if early else activate + own}pydoc\ndeactivate\npydoc\n", tmp_path, session=session)

    assert printed.texts == ["mine", "mine"]


@pytest.mark.parametrize("session", SESSIONS)
def test_entries_that_the_user_added_to_path_are_kept(tmp_path: Path, session: str) -> None:
    """If the environment's entry was removed, PATH gets its old value."""
    script = f"$own = $env:PATH\n$activate = {make(tmp_path / 'a[b] (c) $d')}\n"
    changes = {
        "$env:PATH = '/new:' + $env:PATH": "/new:/usr/bin:/bin",
        "$env:PATH += ':/new'": "/usr/bin:/bin:/new",
        "$env:PATH = '/new:' + $env:PATH + '::'": "/new:/usr/bin:/bin::",
        "$env:PATH = '/other'": "/usr/bin:/bin",
        "$env:PATH = $null": "/usr/bin:/bin",
    }
    for change in changes:
        script += f"$env:PATH = $own\n. $activate\n{change}\ndeactivate\nshow $env:PATH\n"

    assert run(script, tmp_path, session=session).texts == list(changes.values())


@pytest.mark.parametrize("path", [":/usr/bin", "/usr/bin:", "::", "/usr/bin::/bin"])
def test_empty_entries_of_path_are_restored(tmp_path: Path, path: str) -> None:
    script = f". {make(tmp_path / 'env')}\nshow $env:PATH\ndeactivate\nshow $env:PATH\n"

    assert run(script, tmp_path, {"PATH": path}).texts == [f"{tmp_path}/env/bin:{path}", path]


@pytest.mark.parametrize("session", SESSIONS)
def test_a_prompt_that_the_user_set_while_active_is_kept(tmp_path: Path, session: str) -> None:
    """Also a prompt that calls the previous one."""
    script = f"""
        . {make(tmp_path / "env")}
        function prompt {{ 'new>' }}
        deactivate
        show (prompt)
        . {make(tmp_path / "other", prompt="other")}
        $before = $function:prompt
        function prompt {{ "<$(& $before)>" }}
        show (prompt)
        deactivate
        show (prompt)
    """

    assert run(script, tmp_path, session=session).texts == ["new>", "<(other) new>>", "<>"]


@pytest.mark.parametrize("session", SESSIONS)
def test_deactivate_nondestructive_keeps_the_function(tmp_path: Path, session: str) -> None:
    """Scripts of other tools call it before they activate an environment, possibly twice."""
    script = f"""
        snapshot
        . {make(tmp_path / "env")}
        deactivate -NonDestructive
        deactivate -NonDestructive
        snapshot
        deactivate
        snapshot
    """

    before, inactive, after = run(script, tmp_path, session=session).snapshots

    assert inactive.environ == before.environ
    assert set(inactive.functions) - set(before.functions) == {"deactivate"}
    assert after == before


def test_a_deactivate_of_the_user_is_not_called(tmp_path: Path) -> None:
    script = f"function deactivate {{ show 'called' }}\n. {make(tmp_path / 'env')}\ndeactivate\n"

    assert run(script, tmp_path).texts == []


def test_an_environment_of_another_tool_is_deactivated_first(tmp_path: Path) -> None:
    """The `deactivate` of other tools is also a function with the same switch."""
    theirs = """
        $env:VIRTUAL_ENV = '/theirs'
        $global:saved = $env:PATH
        $env:PATH = '/theirs/bin:' + $env:PATH
        function global:deactivate([switch] $NonDestructive) {
            $env:PATH = $saved
            $env:VIRTUAL_ENV = $null
            if (-not $NonDestructive) { $function:deactivate = $null }
        }
    """
    script = f"{theirs}\n. {make(tmp_path / 'env')}\nsnapshot\ndeactivate\nsnapshot\n"

    active, after = run(script, tmp_path).snapshots

    assert active.environ["PATH"] == f"{tmp_path}/env/bin:/usr/bin:/bin"
    assert after.environ["PATH"] == "/usr/bin:/bin"
    assert "VIRTUAL_ENV" not in after.environ
    assert "deactivate" not in after.functions


def test_a_nested_session_restores_the_inherited_environment(tmp_path: Path) -> None:
    """It inherits the variables but not the functions."""
    inner = f"snapshot\n. {make(tmp_path / 'inner')}\nsnapshot\ndeactivate\nsnapshot\n"
    outer = run(f". {make(tmp_path / 'outer')}\nsnapshot\n", tmp_path).snapshots[0]

    before, active, after = run(inner, tmp_path, outer.environ).snapshots

    assert active.environ["VIRTUAL_ENV"] == f"{tmp_path}/inner"
    kept = {name: value for name, value in before.environ.items() if not name.startswith("_CLOCHE_")}
    assert after == before._replace(environ=kept)


def test_a_moved_environment_is_activated_at_its_new_path(tmp_path: Path) -> None:
    """The script uses its own path, which PowerShell provides correctly for any name."""
    for number, name in enumerate(HOSTILE_POSIX.values()):
        make(tmp_path / "first" / str(number))
        (tmp_path / "second" / str(number)).mkdir(parents=True)
        (tmp_path / "first" / str(number)).rename(tmp_path / "second" / str(number) / name)
    roots = [tmp_path / "second" / str(number) / name for number, name in enumerate(HOSTILE_POSIX.values())]
    script = "".join(f". {activator.quote(f'{root}/bin/activate.ps1')}\nshow $env:VIRTUAL_ENV\n" for root in roots)

    assert run(script, tmp_path).texts == [str(root) for root in roots]


@pytest.mark.parametrize("options", ["ReadOnly", "ReadOnly, AllScope"])
def test_a_prompt_that_cannot_be_replaced_is_kept(tmp_path: Path, options: str) -> None:
    """Also if each error ends the script."""
    script = f"""
        function prompt {{ 'mine>' }}
        (Get-Item -LiteralPath function:prompt).Options = '{options}'
        $ErrorActionPreference = 'Stop'
        snapshot
        . {make(tmp_path / "env")}
        show $env:VIRTUAL_ENV
        show (prompt)
        deactivate
        snapshot
    """

    done = run(script, tmp_path)

    before, after = done.snapshots
    assert done.texts == [f"{tmp_path}/env", "mine>"]
    assert after == before


@pytest.mark.parametrize("options", ["ReadOnly", "ReadOnly, AllScope"])
@pytest.mark.parametrize("active", [False, True])
def test_a_deactivate_that_cannot_be_replaced_is_reported_and_nothing_changes(
    tmp_path: Path, active: bool, options: str
) -> None:
    begin = f". {make(tmp_path / 'active')}" if active else "function deactivate { 'mine' }"
    script = f"""
        {begin}
        (Get-Item -LiteralPath function:deactivate).Options = '{options}'
        snapshot
        try {{ . {make(tmp_path / "env")} }} catch {{ show $_ }}
        snapshot
    """

    done = run(script, tmp_path)

    before, after = done.snapshots
    assert done.texts == ["cannot activate: the function `deactivate` is read-only"]
    assert after._replace(variables=[]) == before._replace(variables=[])  # PowerShell sets variables at an error


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("call", [".", "&"])
def test_an_alias_of_the_user_does_not_hide_deactivate(tmp_path: Path, call: str, session: str) -> None:
    script = f"""
        snapshot
        $alias:deactivate = 'snapshot'
        {call} {make(tmp_path / "env")}
        show $env:VIRTUAL_ENV
        deactivate
        snapshot
    """

    done = run(script, tmp_path, session=session)

    before, after = done.snapshots
    assert done.texts == [f"{tmp_path}/env"]
    assert after == before


def test_evaluated_text_activates_the_original_path(tmp_path: Path) -> None:
    """If the text is evaluated, or copied into another script."""
    make(tmp_path / "env")
    script = f"""
        $text = Get-Content -Raw -LiteralPath '{tmp_path}/env/bin/activate.ps1'
        . ([scriptblock]::Create($text))
        show $env:VIRTUAL_ENV
    """

    assert run(script, tmp_path).texts == [f"{tmp_path}/env"]


def test_the_prompt_is_displayed_literally(tmp_path: Path) -> None:
    """The session reads lines from standard input."""
    lines = ["function prompt { 'own>' }"]
    for number, name in enumerate(HOSTILE_POSIX.values()):
        lines += [f". {make(tmp_path / str(number), prompt=name)}"]
    lines += ["deactivate", "exit"]

    done = subprocess.run(
        [require("pwsh"), "-NoLogo", "-NoProfile"],
        input="\n".join(lines).encode(),
        env=environ_for(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=True,
    )

    drawn = "".join(f"({name}) own>" for name in HOSTILE_POSIX.values())
    assert done.stderr == b""
    assert done.stdout.decode().partition("own>")[2] == f"{drawn}own>"


def test_windows_scripts_use_windows_paths(tmp_path: Path) -> None:
    """This runs on POSIX, but the script is the one for Windows."""
    environment = describe(f"{tmp_path}/env", os_name="nt")
    write(activator, environment, tmp_path / "env" / "Scripts")

    (active,) = run(f". '{tmp_path}/env/Scripts/activate.ps1'\nsnapshot\n", tmp_path).snapshots

    assert active.environ["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert active.environ["PATH"] == f"{tmp_path}/env\\Scripts;/usr/bin:/bin"
    assert active.environ["PKG_CONFIG_PATH"] == f"{tmp_path}/env\\lib\\pkgconfig"


def test_posix_environments_have_both_names_of_the_script() -> None:
    posix = activator.scripts(describe("/env"))
    windows = activator.scripts(describe("C:\\env", os_name="nt"))

    assert [script.name for script in posix] == ["activate.ps1", "Activate.ps1"]
    assert len({script.text for script in posix}) == 1
    assert [script.name for script in windows] == ["activate.ps1"]
    assert all(script.byte_order_mark for script in posix + windows)


def test_the_script_contains_the_root_once() -> None:
    """Tools that move environments search for it and replace it."""
    for environment in (describe("/srv/an env"), describe("C:\\an env", os_name="nt")):
        for script in activator.scripts(environment):
            assert script.text.count(environment.location) == 1


def test_every_interpreter_is_supported() -> None:
    assert activator.refusal(interpreter()) is None
    assert activator.refusal(interpreter("nt")) is None


def test_slots_of_the_template_are_outside_quotes() -> None:
    assert slots_in_quotes(TEMPLATE, comment="#") == []


def test_the_script_calls_no_cmdlets_and_no_methods() -> None:
    """Cmdlets may be shadowed, and Constrained Language Mode forbids .NET methods and types."""
    code = [line for line in TEMPLATE.splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in code if "::" in line or ")." in line or "-Variable" in line or "-Item" in line] == []


@pytest.mark.parametrize(("text", "reason"), [("a\0b", "NUL"), ("a\udcffb", "Unicode")])
def test_text_that_the_shell_cannot_express_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Inexpressible, match=f"powershell cannot express .*{reason}"):
        activator.quote(text)


class TestQuote:
    """Tests of `quote`; one session reads hundreds of texts."""

    @settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
            | st.text("'\u2018\u2019\u201a\u201b\"\u201c`$(){}@#;&|<>\n\r\t \\é\U0001f40d", max_size=12),
            min_size=150,
            max_size=150,
        )
    )
    def test_any_text_can_be_quoted(self, tmp_path: Path, texts: list[str]) -> None:
        printed = run("".join(f"show {activator.quote(text)}\n" for text in texts), tmp_path)

        assert printed.texts == texts

    def test_every_hostile_name_can_be_quoted(self, tmp_path: Path) -> None:
        texts = list({**HOSTILE, **HOSTILE_POSIX}.values())

        printed = run("".join(f"show {activator.quote(text)}\n" for text in texts), tmp_path, session="strictest")

        assert printed.texts == texts
