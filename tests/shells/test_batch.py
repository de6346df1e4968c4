"""Test the cmd activator in the cmd of Wine.

Experiments showed how far this cmd behaves like the one of Windows:

- Quoting, percent signs, carets, labels, `call`, `for` and `set` work as on Windows, in Wine 8 and in Wine 10.
- Before Wine 9, `for /f` expands delayed variables only when the loop runs, so the script cannot carry a value out of
  `setlocal`. These versions run the script only with delayed expansion enabled, when it does not need `setlocal`.
- If delayed expansion is enabled, no version treats a caret before an exclamation mark as an escape. Names with an
  exclamation mark are tested with `read` instead, which implements the known rules of Windows.
- No version decodes a batch file with the code page that `chcp` sets; all use the code page of the system. The output is
  encoded with the same one, so non-ASCII text is printed as the bytes that are in the file.

Each session runs in a terminal, because there are no code pages without one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pexpect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.builtin.activators.batch import activator
from cloche.errors import Inexpressible
from cloche.model.value import replace
from cloche.shells.batch import UNREADABLE
from cloche.shells.template import resource
from cloche.testing import activator_contract
from tests.shells.windows_driver import HOSTILE, describe, interpreter, slots_in_quotes, write
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MODES = ("off", "on")
"""The modes of delayed expansion in the cmd that calls the script."""

NAMES = {**HOSTILE, "tab": "a\tb", "stars": "*?", "pipe and redirection": "a|b>PWNED<c"}
"""Prompts; some of them cannot be names of directories on Windows."""


test_contract = activator_contract(activator)


class Session(NamedTuple):
    """The result of a session."""

    output: str
    environs: dict[str, dict[str, str]]
    """The variables at each `set >NAME.env`."""


class Cmd:
    """The cmd of Wine, in a separate Wine prefix."""

    def __init__(self, home: Path) -> None:
        self.wine = require("wine")
        self.environ = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "WINEPREFIX": str(home / "prefix"),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "XDG_RUNTIME_DIR": str(home),
        }
        subprocess.run([self.wine, "wineboot", "-i"], env=self.environ, cwd=home, capture_output=True, check=True)
        self.keeper = self.spawn(cwd=home)  # other programs start quickly while this one runs
        self.keeper.expect_exact(">")
        script = """
            @set A=x
            @setlocal EnableDelayedExpansion
            @for /f %%a in ("!A!") do @(endlocal & set B=%%a)
            @set >probe.env
        """
        self.expands_in_time = self.run(script, home).environs["probe"]["B"] == "x"
        """Whether `for /f` expands delayed variables before the loop runs."""

    def close(self) -> None:
        self.keeper.close(force=True)
        subprocess.run([self.wine, "wineboot", "-k"], env=self.environ, capture_output=True, check=False)
        shutil.rmtree(self.environ["WINEPREFIX"], ignore_errors=True)  # 700 MB

    def spawn(self, *arguments: str, cwd: Path, changes: Mapping[str, str] | None = None) -> pexpect.spawn[str]:
        return pexpect.spawn(
            self.wine,
            ["cmd", *arguments],
            cwd=str(cwd),
            env={**self.environ, **(changes or {})},
            encoding="utf-8",
            timeout=60,
            dimensions=(24, 2000),
        )

    def run(self, script: str, cwd: Path, changes: Mapping[str, str] | None = None, delayed: str = "off") -> Session:
        """Run lines as a batch file."""
        lines = [line.lstrip(" ") for line in script.splitlines()]
        (cwd / "session.bat").write_bytes("\r\n".join(["@echo off" * (delayed != "echo"), *lines, ""]).encode())
        child = self.spawn(f"/v:{delayed}", "/c", "session.bat", cwd=cwd, changes=changes)
        child.expect_exact(pexpect.EOF)
        output = drawn(child.before)
        child.close()
        return Session(output, {path.stem: variables(path.read_bytes()) for path in sorted(cwd.glob("*.env"))})

    def type(self, commands: Sequence[str], cwd: Path, delayed: str = "off") -> None:
        """Run lines as a person types them: outside a batch file, `%` and `call` have other rules.

        They come from a file: a terminal loses what is typed while cmd starts on a busy machine, and Wine 8 reads ahead
        in a pipe.
        """
        typed = cwd / "typed.txt"
        typed.write_bytes("".join(f"{command}\r\n" for command in commands).encode("ascii"))
        with typed.open("rb") as lines:
            command = [self.wine, "cmd", f"/v:{delayed}"]
            subprocess.run(command, cwd=cwd, env=self.environ, stdin=lines, capture_output=True, check=True)


def drawn(text: str) -> str:
    """Return the text of a terminal's output, without control sequences."""
    return re.sub("\x1b(\\[[0-9;?]*[A-Za-z]|\\][^\x07]*\x07)", "", text).replace("\r", "")


def variables(listing: bytes) -> dict[str, str]:
    """Return the variables in the output of the command `set`."""
    return dict(line.split("=", 1) for line in listing.decode().split("\r\n") if line)


@pytest.fixture(scope="session")
def cmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cmd]:
    """Return one cmd for all tests, because creating a Wine prefix takes ten seconds."""
    cmd = Cmd(tmp_path_factory.mktemp("wine"))
    yield cmd
    cmd.close()


@pytest.fixture(params=MODES)
def delayed(request: pytest.FixtureRequest, cmd: Cmd) -> str:
    if request.param == "off" and not cmd.expands_in_time:
        pytest.skip("the cmd of this Wine expands delayed variables too late in `for /f`; Wine 9 and later do not")
    return str(request.param)


def make(directory: Path, location: str, prompt: str = "env", *, tcl: str = "", tk: str = "") -> None:
    """Write the scripts of an environment, with a `python` that prints its arguments.

    The script does not check that the location exists, because some of these names cannot exist on Windows.
    """
    write(activator, describe(location, prompt, "nt", tcl=tcl, tk=tk), directory / "Scripts")
    script = directory / "Scripts" / "activate.bat"
    check = b"@if not defined _CLOCHE_FOUND goto moved\r\n"
    assert check in script.read_bytes()
    script.write_bytes(script.read_bytes().replace(check, b""))
    (directory / "Scripts" / "python.bat").write_bytes(b"@echo python %*\r\n")


def windows_path(path: Path) -> str:
    """Return the path by which Wine programs access a file of the host."""
    return f"Z:{path}".replace("/", "\\")


def test_nothing_in_a_directory_name_or_a_prompt_is_expanded(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    """Also if the environment is activated twice; deactivation restores everything."""
    names = {description: name for description, name in NAMES.items() if delayed == "off" or "!" not in name}
    script = "set >before.env\n"
    for number, name in enumerate(names.values()):
        make(tmp_path / str(number), f"C:\\{name}", prompt=name)
        script += f"""
            call {number}\\Scripts\\activate.bat
            set >active{number}.env
            call {number}\\Scripts\\activate
            set >again{number}.env
            call {number}\\Scripts\\deactivate
            set >after{number}.env
        """

    session = cmd.run(script, tmp_path, delayed=delayed)

    before = session.environs["before"]
    for number, (description, name) in enumerate(names.items()):
        active = session.environs[f"active{number}"]
        assert active["VIRTUAL_ENV"] == f"C:\\{name}", description
        assert active["VIRTUAL_ENV_PROMPT"] == name, description
        assert active["PATH"] == f"C:\\{name}\\Scripts;{before['PATH']}", description
        assert active["PKG_CONFIG_PATH"] == f"C:\\{name}\\lib\\pkgconfig", description
        assert active["PROMPT"] == f"({name.replace('$', '$$')}) {before['PROMPT']}", description
        assert session.environs[f"again{number}"] == active, description
        assert session.environs[f"after{number}"] == before, description
    assert session.output.strip() == ""
    assert not (tmp_path / "PWNED").exists()


def test_a_relocatable_environment_is_activated_at_its_new_path(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    """The prompt is the new name of the directory."""
    made = replace(describe("C:\\made here", "made here", "nt"), placement="relocatable", naming="directory")
    names = ["env", "two words", "R&D (x86)", "a$b"]
    script = "set >before.env\n"
    for number, name in enumerate(names):
        write(activator, made, tmp_path / name / "Scripts")
        script += f"""
            cd "{name}"
            call Scripts\\activate.bat
            cd ..
            set >active{number}.env
            call deactivate
            set >after{number}.env
        """

    session = cmd.run(script, tmp_path, delayed=delayed)

    before = session.environs["before"]
    for number, name in enumerate(names):
        active, root = session.environs[f"active{number}"], windows_path(tmp_path / name)
        assert active["VIRTUAL_ENV"] == root
        assert active["VIRTUAL_ENV_PROMPT"] == name
        assert active["PATH"] == f"{root}\\Scripts;{before['PATH']}", name
        assert active["PROMPT"] == f"({name}) {before['PROMPT']}"
        assert session.environs[f"after{number}"] == before, name
    assert session.output.strip() == ""


def test_the_programs_of_the_environment_are_found_first(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    """In directories with ASCII names, except those that Windows, PATH or the cmd of Wine does not support.

    A semicolon separates entries of PATH. Wine's cmd cannot escape exclamation marks, and unlike that of Windows, it expands
    percent signs in a script's own path once more, when `pydoc` reads it.
    """
    names = [
        name
        for name in HOSTILE.values()
        if name.isascii() and name == name.strip() and len(name) < 100 and not {*'!";%'} & {*name}
    ]
    script = ""
    for number, name in enumerate(names):
        make(tmp_path / name, windows_path(tmp_path / name), prompt=name)
        write(activator, describe(windows_path(tmp_path / name), name, "nt"), tmp_path / str(number))
        script += f"call {number}\\activate\ncall python -c {number}\ncall pydoc a{number}\ncall deactivate\n"

    session = cmd.run(script, tmp_path, delayed=delayed)

    expected = [f"python {words}" for number in range(len(names)) for words in (f"-c {number}", f"-m pydoc a{number}")]
    assert [line.strip() for line in session.output.splitlines() if line] == expected


@pytest.mark.parametrize("state", ["", "C:\\R&D", '"C:\\R&D;^x";C:\\y', "100%PATH%", "C:\\a!PATH!b^c"])
def test_variables_are_restored(tmp_path: Path, cmd: Cmd, delayed: str, state: str) -> None:
    """In cmd, an empty variable is unset. Nothing in a value is parsed again."""
    if "!" in state and not cmd.expands_in_time:
        pytest.skip("the cmd of this Wine expands text a second time; Wine 9 and later do not")
    names = "VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONHOME PKG_CONFIG_PATH TCL_LIBRARY TK_LIBRARY WINEPATH".split()
    make(tmp_path / "env", "C:\\env", tcl="C:\\Tcl's & more", tk="")
    own = dict.fromkeys(names, state) if state else {}
    prompt = f"set PROMPT={activator.quote(state)}$G" if "!" not in state else ""

    environs = cmd.run(
        f"""
            {prompt}
            set >before.env
            call env\\Scripts\\activate
            set >active.env
            call env\\Scripts\\deactivate
            set >after.env
        """,
        tmp_path,
        own,
        delayed,
    ).environs

    before, active = environs["before"], environs["active"]
    assert state in before["PATH"]
    assert active["PATH"] == f"C:\\env\\Scripts;{before['PATH']}"
    assert active["PKG_CONFIG_PATH"] == "C:\\env\\lib\\pkgconfig" + f";{state}" * bool(state)
    assert active["PROMPT"] == f"(env) {before['PROMPT']}"
    assert active["TCL_LIBRARY"] == "C:\\Tcl's & more"
    assert active.get("TK_LIBRARY", "") == state
    assert "PYTHONHOME" not in active
    assert environs["after"] == before


def test_unset_path_and_prompt_are_unset_again(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    make(tmp_path / "env", "C:\\env")

    environs = cmd.run(
        """
            set "PATH="
            set "PROMPT="
            set >before.env
            call env\\Scripts\\activate
            set >active.env
            call env\\Scripts\\deactivate
            set >after.env
        """,
        tmp_path,
        delayed=delayed,
    ).environs

    assert environs["active"]["PATH"] == "C:\\env\\Scripts"
    assert environs["active"]["PROMPT"] == "(env) $P$G"
    assert environs["after"] == environs["before"]


def test_a_second_environment_replaces_the_first(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    make(tmp_path / "one", "C:\\one", tcl="C:\\tcl", tk="C:\\tk")
    make(tmp_path / "other", "C:\\other", prompt="second")

    environs = cmd.run(
        """
            set >before.env
            call one\\Scripts\\activate
            call other\\Scripts\\activate
            set >active.env
            call one\\Scripts\\deactivate
            set >after.env
            call other\\Scripts\\deactivate
            set >still.env
        """,
        tmp_path,
        {"TCL_LIBRARY": "C:\\own"},
        delayed,
    ).environs

    before, active = environs["before"], environs["active"]
    assert active["PATH"] == f"C:\\other\\Scripts;{before['PATH']}"
    assert active["PROMPT"] == f"(second) {before['PROMPT']}"
    assert active["TCL_LIBRARY"] == "C:\\own"
    assert "TK_LIBRARY" not in active
    assert environs["after"] == before
    assert environs["still"] == before


def test_an_environment_of_another_tool_is_deactivated_first(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    """Other tools save PATH, PROMPT and PYTHONHOME under the same names, but not VIRTUAL_ENV."""
    make(tmp_path / "env", "C:\\env")

    environs = cmd.run(
        """
            set PYTHONHOME=C:\\home
            set >before.env
            set _OLD_VIRTUAL_PATH=%PATH%
            set _OLD_VIRTUAL_PROMPT=%PROMPT%
            set _OLD_VIRTUAL_PYTHONHOME=C:\\home
            set PYTHONHOME=
            set PATH=C:\\theirs\\Scripts;%PATH%
            set PROMPT=(theirs) %PROMPT%
            set VIRTUAL_ENV=C:\\theirs
            set VIRTUAL_ENV_PROMPT=theirs
            call env\\Scripts\\activate
            set >active.env
            call env\\Scripts\\deactivate
            set >after.env
        """,
        tmp_path,
        delayed=delayed,
    ).environs

    assert environs["active"]["PATH"] == f"C:\\env\\Scripts;{environs['before']['PATH']}"
    assert environs["after"] == environs["before"]


def test_a_nested_cmd_can_deactivate(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    """The saved values are in variables, which child processes inherit."""
    make(tmp_path / "env", "C:\\env")
    (tmp_path / "inner.bat").write_bytes(b"@call env\\Scripts\\deactivate\r\n@set >after.env\r\n")

    environs = cmd.run(
        f"set >before.env\ncall env\\Scripts\\activate\ncmd /v:{delayed} /c inner.bat\n", tmp_path, delayed=delayed
    ).environs

    assert environs["after"] == environs["before"]


def test_the_prompt_can_be_disabled(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    make(tmp_path / "env", "C:\\env")

    environs = cmd.run(
        """
            set >before.env
            call env\\Scripts\\activate
            set >active.env
            call env\\Scripts\\deactivate
            set >after.env
        """,
        tmp_path,
        {"VIRTUAL_ENV_DISABLE_PROMPT": "1"},
        delayed,
    ).environs

    assert environs["active"]["PROMPT"] == environs["before"]["PROMPT"]
    assert environs["active"]["VIRTUAL_ENV_PROMPT"] == "env"
    assert environs["after"] == environs["before"]


def test_echo_and_error_level_are_unchanged(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    make(tmp_path / "env", "C:\\K\u00e4se")
    script = "@cmd /c exit 3\n@call env\\Scripts\\{0}\n@if errorlevel 1 echo failed\n@echo {0}\n@echo\nrem seen\n"

    script = f"@set PROMPT=own$G\n@echo on\n{script.format('activate')}{script.format('deactivate')}"
    output = cmd.run(script, tmp_path, delayed=delayed).output

    lines = [line.strip() for line in output.splitlines() if line.strip()]
    assert lines == ["activate", lines[1], "(env) own>rem seen", "deactivate", lines[1], "own>rem seen"]
    assert lines[1].lower().endswith("on")


def test_non_ascii_text_does_not_change_the_code_page(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    make(tmp_path / "env", "C:\\K\u00e4se-\u65e5\u672c-\U0001f40d", prompt="\u00fc")
    script = "chcp 850 >nul\nchcp\ncall env\\Scripts\\activate\nchcp\nchcp 437 >nul\nset >active.env\n"

    session = cmd.run(script, tmp_path, delayed=delayed)

    pages = [line.split()[-1] for line in session.output.splitlines() if line.strip()]
    assert pages == ["850", "850"]
    assert session.environs["active"]["VIRTUAL_ENV"] == "C:\\K\u00e4se-\u65e5\u672c-\U0001f40d"
    assert session.environs["active"]["VIRTUAL_ENV_PROMPT"] == "\u00fc"


def test_a_moved_environment_reports_it_and_changes_nothing(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    """An environment that was not moved is activated."""
    for name in ("here & there", "old"):
        write(activator, describe(windows_path(tmp_path / name), os_name="nt"), tmp_path / name / "Scripts")
    (tmp_path / "old").rename(tmp_path / "new")

    session = cmd.run(
        """
            call "here & there\\Scripts\\activate"
            set >before.env
            call new\\Scripts\\activate
            set >after.env
        """,
        tmp_path,
        delayed=delayed,
    )

    assert session.output.strip() == "this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT"
    assert session.environs["before"]["VIRTUAL_ENV"] == windows_path(tmp_path / "here & there")
    assert session.environs["after"] == session.environs["before"]


def test_the_prompt_is_displayed_literally(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    names = [name for name in NAMES.values() if name.isascii() and "!" not in name and "\t" not in name]
    for number, name in enumerate(names):
        make(tmp_path / str(number), f"C:\\{number}", prompt=name)
    child = cmd.spawn(f"/v:{delayed}", cwd=tmp_path)
    child.expect_exact(">")
    child.send("set PROMPT=own$G\r")
    child.expect_exact("$G\r")
    child.expect_exact("own>")

    for number, name in enumerate(names):
        child.send(f"call {number}\\Scripts\\activate\r")
        child.expect_exact("own>")
        assert drawn(child.before).split("\n")[-1] == f"({name}) "
    child.send("call 0\\Scripts\\deactivate\r")
    child.expect_exact("own>")
    assert drawn(child.before).split("\n")[-1] == ""
    child.send("exit\r")
    child.expect_exact(pexpect.EOF)
    child.close()


def test_deactivate_without_an_environment_does_nothing(tmp_path: Path, cmd: Cmd, delayed: str) -> None:
    make(tmp_path / "env", "C:\\env")

    session = cmd.run("set >before.env\ncall env\\Scripts\\deactivate\nset >after.env\n", tmp_path, delayed=delayed)

    assert session.environs["after"] == session.environs["before"]
    assert session.output.strip() == ""


PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.just("\t"), min_size=1, max_size=40)
TRICKY = st.text("%^&|<>()\"!$=;, \t'`~@#\\PATH", min_size=1, max_size=20)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(PRINTABLE | TRICKY, min_size=100, max_size=100))
def test_any_text_can_be_assigned_to_a_variable(tmp_path: Path, cmd: Cmd, mode: str, texts: list[str]) -> None:
    """Except for exclamation marks if delayed expansion is enabled, because Wine cannot escape them."""
    texts = [text for text in texts if mode == "off" or "!" not in text]
    script = "".join(f"set A{number}={activator.quote(text)}\n" for number, text in enumerate(texts))

    environ = cmd.run(f"{script}set >all.env\n", tmp_path, delayed=mode).environs["all"]

    assert [environ[f"A{number}"] for number in range(len(texts))] == texts


def read(line: str, delayed: bool) -> str:
    """Return the value that the cmd of Windows gives to the variable in a line `set NAME=...` of a batch file.

    As far as is known, cmd first expands percent signs, and then processes quotes, carets and operators. If delayed
    expansion is enabled and an exclamation mark remains, it processes carets again, together with exclamation marks.
    """
    caret = "^^" if delayed else ""
    line = re.sub("%(?:(%)|([^%]*)%)?", lambda match: match[1] or (caret if match[2] == "_CLOCHE_CARET" else ""), line)
    parsed, quoted, characters = "", False, iter(line)
    for character in characters:
        if character == "^" and not quoted:
            parsed += next(characters, "")
            continue
        assert quoted or character not in "&|<>", f"cmd would act on `{character}` in {line}"
        quoted ^= character == '"'
        parsed += character
    if delayed and "!" in parsed:
        parsed = re.sub(r"\^(.?)|![^!]*!|!", lambda match: match[1] or "", parsed)
    return parsed.partition("=")[2]


@pytest.mark.parametrize("mode", MODES)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="".join(UNREADABLE))) | TRICKY)
def test_any_text_is_quoted_by_the_rules_of_windows(mode: str, text: str) -> None:
    assert read(f"set X={activator.quote(text)}", delayed=mode == "on") == text


@pytest.mark.parametrize("line", ["a&b", "a!b", "a^b", "100%", '"a"&b'])
@pytest.mark.parametrize("mode", MODES)
def test_unquoted_text_is_changed_by_the_rules_of_windows(mode: str, line: str) -> None:
    """So `read` applies the rules, and the test above can fail."""
    if mode == "off" and line == "a!b":
        assert read(f"set X={line}", delayed=False) == line
    elif "&" in line:
        with pytest.raises(AssertionError, match="would act on `&`"):
            read(f"set X={line}", delayed=mode == "on")
    else:
        assert read(f"set X={line}", delayed=mode == "on") != line


@pytest.mark.parametrize(
    ("text", "reason"),
    [("\0", "a NUL"), ("a\nb", "a newline"), ("a\rb", "a carriage"), ("\x1a", "an end-of-file"), ("\ud800", "Unicode")],
)
def test_text_that_the_shell_cannot_express_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Inexpressible, match=f"batch cannot express .*{reason}"):
        activator.quote(text)


def test_only_windows_is_supported() -> None:
    assert activator.refusal(interpreter("nt")) is None
    assert activator.refusal(interpreter()) == "for Windows only, but CPython 3.11.7 is for `linux`"


def test_lines_end_with_carriage_return_and_line_feed() -> None:
    """cmd does not find labels in files with bare newlines."""
    scripts = activator.scripts(describe("C:\\env", os_name="nt"))

    assert [script.name for script in scripts] == ["activate.bat", "deactivate.bat", "pydoc.bat"]
    assert {script.newline for script in scripts} == {"\r\n"}


def test_no_line_is_echoed() -> None:
    """`echo off` would stay in effect after the script."""
    for script in activator.scripts(describe("C:\\env", os_name="nt")):
        assert [line for line in script.text.splitlines() if line and line[0] not in "@:"] == []


def test_the_script_contains_the_root_once() -> None:
    """Tools that move environments search for it and replace it."""
    activate, *others = activator.scripts(describe("C:\\an env", os_name="nt"))

    assert activate.text.count("C:\\an env") == 1
    assert all("C:\\an env" not in script.text for script in others)


@pytest.mark.parametrize("name", ["activate.bat", "deactivate.bat", "routines.bat", "pydoc.bat"])
def test_slots_of_the_template_are_outside_quotes(name: str) -> None:
    assert slots_in_quotes(resource("cloche.builtin.activators.batch", name), comment="@rem") == []


def test_the_source_line_activates_an_environment_with_any_name(tmp_path: Path, cmd: Cmd) -> None:
    names = [
        name
        for name in NAMES.values()
        if name.isascii() and not set(name) & set('"%!<>|*?:\t') and name.strip(" .") == name  # Wine types ASCII
    ]
    commands = []
    for number, name in enumerate(names):
        make(tmp_path / name, f"C:\\env{number}")
        start = "" if name[0].isalnum() else ".\\"
        commands += [activator.source_line(f"{start}{name}\\Scripts\\activate.bat"), f"set >told{number}.env"]

    cmd.type(commands, tmp_path, delayed="on")

    assert len(names) > 10
    for number, name in enumerate(names):
        told = variables((tmp_path / f"told{number}.env").read_bytes())
        assert told["VIRTUAL_ENV"] == f"C:\\env{number}", name


def test_a_path_that_cmd_would_expand_is_refused() -> None:
    with pytest.raises(Inexpressible, match="cannot express `%`"):
        activator.source_line("C:\\100%\\Scripts\\activate.bat")
