"""Test that correct plugins pass the contract kit, and that others fail with a message that names the problem."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from cloche import Candidate, Copy, Inexpressible, Link, MakeDir, Run, Script, SeedError, Write, render
from cloche.fs.records import digest_of, parse_rows
from cloche.model.distribution import Image
from cloche.shells import posix
from cloche.testing import (
    KINDS,
    Broken,
    NotApplicable,
    Shell,
    Terminal,
    Watch,
    fake_environment,
    fake_host,
    fake_interpreter,
)
from cloche.testing.activators import activator_checks
from cloche.testing.creators import creator_checks
from cloche.testing.finders import finder_checks
from cloche.testing.plugins import plugin_checks
from cloche.testing.seeders import sample_wheel, seeder_checks
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cloche import Environment, Host, Interpreter, Layout, Wanted
    from cloche.model.operations import Operation
    from cloche.model.spec import InterpreterSpec
    from cloche.store import Store
    from cloche.testing import Check

TEMPLATE = """\
if [ "$(command -v deactivate)" = deactivate ]; then deactivate; fi
_OLD_VARIABLES=$(export -p)
deactivate () {
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONHOME PKG_CONFIG_PATH TCL_LIBRARY TK_LIBRARY
    eval "$_OLD_VARIABLES"
    unset _OLD_VARIABLES
    unset -f deactivate
}
export VIRTUAL_ENV=__CLOCHE_ROOT__ VIRTUAL_ENV_PROMPT=__CLOCHE_PROMPT__
export PATH=__CLOCHE_BIN__${PATH:+:$PATH} PKG_CONFIG_PATH=__CLOCHE_PKG_CONFIG__${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
unset PYTHONHOME
if test -n __CLOCHE_TCL_LIBRARY__; then export TCL_LIBRARY=__CLOCHE_TCL_LIBRARY__; fi
if test -n __CLOCHE_TK_LIBRARY__; then export TK_LIBRARY=__CLOCHE_TK_LIBRARY__; fi
"""

DASH = Shell(("dash",), echo="printf %s {text}")


class DashActivator:
    """An activator for dash."""

    name = "good"
    template = TEMPLATE

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None if interpreter.os_name == "posix" else f"for POSIX systems, but {interpreter.name} is for Windows"

    def quote(self, text: str) -> str:
        return "'" + text.replace("'", "'\\''") + "'"

    def scripts(self, environment: Environment) -> list[Script]:
        return [Script("activate", render(self.template, environment.values, self.quote))]


def failures(checks: Iterable[Check], directory: Path, *names: str) -> dict[str, str]:
    """Return the messages of the failed checks by the name of the check; with `names`, run only these checks."""
    return outcomes(checks, directory, *names)[0]


def outcomes(checks: Iterable[Check], directory: Path, *names: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the messages of failed checks, and the reasons of those that do not apply, by the name of the check."""
    messages: dict[type[Exception], dict[str, str]] = {Broken: {}, NotApplicable: {}}
    for number, check in enumerate(check for check in checks if not names or check.name in names):
        own = directory / str(number)
        own.mkdir()
        try:
            check.run(own)
        except (Broken, NotApplicable) as outcome:
            messages[type(outcome)][check.name] = str(outcome)
    return messages[Broken], messages[NotApplicable]


def static_failures(activator: DashActivator, directory: Path, **more: list[str]) -> dict[str, str]:
    return failures(activator_checks(activator, **more), directory)


def shell_failures(activator: DashActivator, directory: Path, *names: str) -> dict[str, str]:
    return failures(activator_checks(activator, DASH, templates=[activator.template]), directory, *names)


def joined(messages: dict[str, str]) -> str:
    """Return all messages as one text."""
    return "\n".join(f"{name}: {text}" for name, text in messages.items())


# Activators


def test_a_correct_activator_passes_every_check_in_its_shell(tmp_path: Path) -> None:
    require("dash")
    assert shell_failures(DashActivator(), tmp_path) == {}


def test_an_activator_that_writes_a_file_fails(tmp_path: Path) -> None:
    class Writes(DashActivator):
        def scripts(self, environment: Environment) -> list[Script]:
            (tmp_path / "note").write_text(environment.location)
            return super().scripts(environment)

    messages = static_failures(Writes(), tmp_path)
    assert f"`scripts` opens `{tmp_path / 'note'}` for writing" in messages["scripts-cpython-3.12-linux"]


def test_an_activator_that_creates_the_environment_fails(tmp_path: Path) -> None:
    class Makes(DashActivator):
        def scripts(self, environment: Environment) -> list[Script]:
            os.makedirs(environment.location, exist_ok=True)
            return super().scripts(environment)

    assert "`scripts` creates the directory" in static_failures(Makes(), tmp_path)["scripts-cpython-3.12-linux"]


def test_an_activator_that_starts_a_program_fails(tmp_path: Path) -> None:
    class Asks(DashActivator):
        def scripts(self, environment: Environment) -> list[Script]:
            subprocess.run([sys.executable, "-c", ""], check=True)
            return super().scripts(environment)

    messages = static_failures(Asks(), tmp_path)["scripts-cpython-3.12-linux"]
    assert f"starts the program `{sys.executable}`" in messages


def test_an_activator_that_changes_variables_or_the_current_directory_fails(tmp_path: Path) -> None:
    class Moves(DashActivator):
        def quote(self, text: str) -> str:
            os.environ["KIT_WAS_HERE"] = text
            os.chdir(tmp_path)
            return super().quote(text)

    before = os.getcwd()
    messages = static_failures(Moves(), tmp_path)["plain-texts"]
    assert "sets the variable `KIT_WAS_HERE`" in messages
    assert "leaves the current directory changed" in messages
    assert "KIT_WAS_HERE" not in os.environ
    assert os.getcwd() == before


def test_an_activator_with_random_output_fails(tmp_path: Path) -> None:
    class Varies(DashActivator):
        def scripts(self, environment: Environment) -> list[Script]:
            [script] = super().scripts(environment)
            return [Script(script.name, f"{script.text}: {random.random()}\n")]

    assert "different results for the same input" in static_failures(Varies(), tmp_path)["scripts-cpython-3.12-linux"]


def test_an_activator_whose_output_depends_on_variables_fails(tmp_path: Path) -> None:
    class Looks(DashActivator):
        def scripts(self, environment: Environment) -> list[Script]:
            [script] = super().scripts(environment)
            return [Script(script.name, f"{script.text}: {os.environ.get('HOME')}\n")]

    assert "different results for the same input" in static_failures(Looks(), tmp_path)["scripts-cpython-3.12-linux"]


@pytest.mark.parametrize("line", ['echo "__CLOCHE_ROOT__"', "echo 'at __CLOCHE_ROOT__'", 'a="it\\"s __CLOCHE_ROOT__"'])
def test_a_slot_inside_quotes_fails_with_its_line(tmp_path: Path, line: str) -> None:
    messages = static_failures(DashActivator(), tmp_path, templates=[f"true\n{line}\n"])
    assert list(messages) == ["slots-outside-quotes"]
    assert messages["slots-outside-quotes"].startswith("`template 1`, line 2: `__CLOCHE_ROOT__` is inside")


@pytest.mark.parametrize(
    "line",
    [
        '"$ROOT/"__CLOCHE_BIN_NAME__/activate',
        "a='x'__CLOCHE_ROOT__'y'",
        "set A=(__CLOCHE_ROOT__)",
        '"it\'s" __CLOCHE_ROOT__',
    ],
)
def test_a_slot_next_to_quotes_passes(tmp_path: Path, line: str) -> None:
    assert static_failures(DashActivator(), tmp_path, templates=[f"{line}\n"]) == {}


def test_a_slot_in_a_comment_and_an_unclosed_slot_fail(tmp_path: Path) -> None:
    assert "is in a comment" in joined(static_failures(DashActivator(), tmp_path, templates=["  # __CLOCHE_ROOT__\n"]))
    (tmp_path / "again").mkdir()
    assert "is not a valid slot" in joined(
        static_failures(DashActivator(), tmp_path / "again", templates=["a=__CLOCHE_ROOT\n"])
    )


def test_templates_are_the_files_beside_the_activators_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "activator_with_a_bad_template"
    package.mkdir()
    (package / "__init__.py").write_text("class Activator:\n    def refusal(self, interpreter): return None\n")
    (package / "activate.sh").write_text('cd "__CLOCHE_ROOT__"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__(package.name)
    checks = {check.name: check for check in activator_checks(module.Activator())}
    with pytest.raises(Broken, match=r"`activate\.sh`, line 1"):
        checks["slots-outside-quotes"].run(tmp_path)


def test_an_unfilled_slot_fails(tmp_path: Path) -> None:
    class Forgets(DashActivator):
        def scripts(self, environment: Environment) -> list[Script]:
            return [Script("activate", self.template)]

    assert "contains the slot `__CLOCHE_ROOT__`" in static_failures(Forgets(), tmp_path)["scripts-pypy-3.10-linux"]


def test_slots_in_inserted_values_must_not_be_filled(tmp_path: Path) -> None:
    class Replaces(DashActivator):
        def scripts(self, environment: Environment) -> list[Script]:
            text = self.template
            for name, value in environment.values.items():
                text = text.replace(f"__CLOCHE_{name}__", self.quote(value))
            return [Script("activate", text)]

    assert "do not search values for slots" in static_failures(Replaces(), tmp_path)["slot-like-names"]


def test_a_quoter_that_does_not_escape_quotes_fails(tmp_path: Path) -> None:
    require("dash")

    class Forgets(DashActivator):
        def quote(self, text: str) -> str:
            return f"'{text}'"

    messages = shell_failures(Forgets(), tmp_path, "quoting-single-quote", "quoting-space", "activation-single-quote")
    assert "quoting-single-quote" in messages
    assert "activation-single-quote" in messages
    assert "quoting-space" not in messages


def test_quote_that_allows_command_substitution_fails(tmp_path: Path) -> None:
    require("dash")

    class Expands(DashActivator):
        def quote(self, text: str) -> str:
            return '"' + text.replace('"', '\\"') + '"'

    messages = shell_failures(Expands(), tmp_path, "quoting-command", "activation-backtick")
    assert "the shell runs a command in 'a$(touch PWNED)b'" in messages["quoting-command"]
    assert "runs a command in the name" in messages["activation-backtick"]


def test_quote_that_refuses_ordinary_names_fails(tmp_path: Path) -> None:
    class Refuses(DashActivator):
        def quote(self, text: str) -> str:
            if " " in text:
                raise Inexpressible("dash cannot express a blank")
            return text

    assert (
        "`quote` refuses 'two words', which every shell can express"
        in static_failures(Refuses(), tmp_path)["plain-texts"]
    )


def test_quote_may_refuse_text_that_the_shell_cannot_express(tmp_path: Path) -> None:
    require("dash")

    class OneLine(DashActivator):
        def quote(self, text: str) -> str:
            if "\n" in text:
                raise Inexpressible("this shell cannot express a line break")
            return super().quote(text)

    names = [f"{kind}-newline" for kind in ("writes-or-refuses", "quoting", "activation", "copied")]
    assert shell_failures(OneLine(), tmp_path, "plain-texts", *names) == {}


def test_checks_of_text_that_the_activator_refuses_are_not_applicable(tmp_path: Path) -> None:
    require("dash")

    class OneLine(DashActivator):
        def quote(self, text: str) -> str:
            if "\n" in text or text.startswith("/work/__CLOCHE_"):
                raise Inexpressible("this shell cannot express it")
            return super().quote(text)

    passed = ("quoting-space", "activation-space", "scripts-cpython-3.12-linux", "writes-or-refuses-newline")
    exempt = {
        "scripts-cpython-3.12-windows": "the activator refuses CPython 3.12.1: for POSIX systems, but",
        "slot-like-names": "this shell cannot express it",
        "slots-outside-quotes": "contains no file with slots",
        "quoting-newline": r"cannot express 'first\ntouch PWNED\nlast'",
        "activation-newline": r"does not support an environment in 'first\n",
        "copied-newline": r"does not support an environment copied to 'first\n",
    }
    messages, reasons = outcomes(activator_checks(OneLine(), DASH, templates=()), tmp_path, *passed, *exempt)

    assert messages == {}
    assert reasons.keys() == exempt.keys()
    assert [name for name, text in exempt.items() if text not in reasons[name]] == []


def test_any_other_exception_for_a_name_fails(tmp_path: Path) -> None:
    class Stumbles(DashActivator):
        def quote(self, text: str) -> str:
            return "'" + text.encode("ascii").decode() + "'"

    with pytest.raises(UnicodeEncodeError):
        static_failures(Stumbles(), tmp_path)

    class Raises(DashActivator):
        def quote(self, text: str) -> str:
            if "\t" in text:
                raise ValueError("no tabs")
            return super().quote(text)

    (tmp_path / "again").mkdir()
    assert "ValueError('no tabs')" in static_failures(Raises(), tmp_path / "again")["writes-or-refuses-tab"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Needs CPython", "begins with a capital letter"),
        ("needs CPython.", "ends with a full stop"),
        ("", "is empty"),
        ("no", "is a single word"),
        (" needs CPython", "begins or ends with white space"),
        ("needs\nCPython", "has several lines"),
        (False, "must be None or a sentence"),
    ],
)
def test_an_unhelpful_refusal_fails(tmp_path: Path, text: object, message: str) -> None:
    class Refuses(DashActivator):
        def refusal(self, interpreter: Interpreter) -> str | None:
            return None if interpreter.os_name == "posix" else text  # type: ignore[return-value]

    messages = static_failures(Refuses(), tmp_path)
    assert list(messages) == ["refusal-cpython-3.12-windows"]
    assert message in messages["refusal-cpython-3.12-windows"]


@pytest.mark.parametrize("text", ["CPython 3.12.1 has no `venv`", "`clink` is needed", "Windows is not served"])
def test_a_refusal_may_begin_with_a_capitalized_name(tmp_path: Path, text: str) -> None:
    class Refuses(DashActivator):
        def refusal(self, interpreter: Interpreter) -> str | None:
            return None if interpreter.os_name == "posix" else text

    assert static_failures(Refuses(), tmp_path) == {}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (Script("bin/activate", "true\n"), "must be a file name"),
        (Script("", "true\n"), "must be a file name"),
        (Script("activate", "true"), "the last line of `activate` does not end with"),
        (Script("activate", " "), "is empty"),
        (Script("activate", "true\r\n"), "contains carriage returns"),
        (Script("activate", "true\n", newline="\r"), "has the `newline`"),
        ("true\n", "is not a `cloche.Script`"),
    ],
)
def test_an_invalid_script_fails(tmp_path: Path, script: Script, message: str) -> None:
    class Gives(DashActivator):
        def scripts(self, environment: Environment) -> list[Script]:
            return [script]

    assert message in static_failures(Gives(), tmp_path)["scripts-cpython-3.12-linux"]


def test_scripts_with_the_same_name_and_missing_scripts_fail(tmp_path: Path) -> None:
    class Gives(DashActivator):
        def scripts(self, environment: Environment) -> list[Script]:
            return [] if environment.layout.purelib.startswith("lib/pypy") else super().scripts(environment) * 2

    messages = static_failures(Gives(), tmp_path)
    assert "two scripts with the name `activate`" in messages["scripts-cpython-3.12-linux"]
    assert "`scripts` returns no script" in messages["scripts-pypy-3.10-linux"]


@pytest.mark.parametrize("name", ["Dash", "two words", "", "none", "a,b", None])
def test_an_invalid_name_fails(tmp_path: Path, name: str) -> None:
    class Named(DashActivator):
        pass

    Named.name = name
    assert "name" in static_failures(Named(), tmp_path)


def test_an_activator_that_leaves_a_variable_after_deactivation_fails(tmp_path: Path) -> None:
    require("dash")

    class Leaves(DashActivator):
        template = TEMPLATE + "export ACTIVATED_BY=me\n"

    messages = shell_failures(Leaves(), tmp_path, "variables-unset")
    assert "after deactivation, `ACTIVATED_BY` is 'me', but was unset" in messages["variables-unset"]


def test_an_activator_that_confuses_unset_with_empty_fails(tmp_path: Path) -> None:
    require("dash")

    class Confuses(DashActivator):
        template = TEMPLATE.replace(
            '    eval "$_OLD_VARIABLES"\n', '    eval "$_OLD_VARIABLES"\n    export PYTHONHOME=\n'
        )

    assert (
        "`PYTHONHOME` is '', but was unset"
        in shell_failures(Confuses(), tmp_path, "variables-unset")["variables-unset"]
    )


def test_an_activator_that_forgets_a_variable_or_prints_text_fails(tmp_path: Path) -> None:
    require("dash")

    class Forgets(DashActivator):
        template = TEMPLATE.replace("unset PYTHONHOME\n", "")

    class Talks(DashActivator):
        template = TEMPLATE + "echo welcome\n"

    assert "while active, `PYTHONHOME` is" in shell_failures(Forgets(), tmp_path, "variables-set")["variables-set"]
    (tmp_path / "again").mkdir()
    assert "prints 'welcome\\n'" in shell_failures(Talks(), tmp_path / "again", "variables-set")["variables-set"]


def test_an_activator_that_runs_another_program_called_deactivate_fails(tmp_path: Path) -> None:
    """pyenv-virtualenv has such a program."""
    require("dash")

    class Calls(DashActivator):
        template = "if command -v deactivate >/dev/null; then deactivate; fi\n" + TEMPLATE.partition("\n")[2]

    messages = shell_failures(Calls(), tmp_path, "variables-unset")
    assert "runs the program `deactivate` on PATH" in messages["variables-unset"]


def test_an_activator_that_needs_two_deactivations_fails(tmp_path: Path) -> None:
    require("dash")

    class Stacks(DashActivator):
        template = TEMPLATE.partition("\n")[2]

    messages = shell_failures(Stacks(), tmp_path, "activated-twice", "nested")
    assert "activated-twice" in messages
    assert "nested" in messages


def test_a_script_with_a_syntax_error_fails_with_the_message_of_the_shell(tmp_path: Path) -> None:
    require("dash")

    class Garbled(DashActivator):
        template = TEMPLATE + "if\n"

    messages = shell_failures(Garbled(), tmp_path, "variables-set")["variables-set"]
    assert "the script stopped" in messages
    assert "yntax error" in messages


def test_a_shell_may_need_its_own_syntax_to_call_a_program(tmp_path: Path) -> None:
    class Program(DashActivator):
        """An activator for a running Python, where the bare name of a program does not call it."""

        template = """\
import os
before = dict(os.environ)
def deactivate():
    os.environ.clear()
    os.environ.update(before)
os.environ.update(VIRTUAL_ENV=__CLOCHE_ROOT__, VIRTUAL_ENV_PROMPT=__CLOCHE_PROMPT__)
os.environ["PATH"] = __CLOCHE_BIN__ + ":" + os.environ["PATH"]
os.environ["PKG_CONFIG_PATH"] = __CLOCHE_PKG_CONFIG__
for name, text in (("TCL_LIBRARY", __CLOCHE_TCL_LIBRARY__), ("TK_LIBRARY", __CLOCHE_TK_LIBRARY__)):
    if text:
        os.environ[name] = text
"""

        def quote(self, text: str) -> str:
            return ascii(text)

    python = Shell(
        (sys.executable, "-B"),
        echo="print({text}, end='')",
        activate="exec(open({script}).read())",
        deactivate="deactivate()",
        call="__import__('os').system('{command}')",
    )
    checks = activator_checks(Program(), python, templates=[Program.template])
    assert failures(checks, tmp_path, "variables-unset", "activation-double-quote", "quoting-newline") == {}


def test_the_path_of_the_python_that_runs_the_kit_may_contain_a_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("dash")
    (tmp_path / "two words").mkdir()
    python = tmp_path / "two words" / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))

    assert shell_failures(DashActivator(), tmp_path, "variables-unset") == {}


def test_a_contract_test_has_one_case_per_check(tmp_path: Path) -> None:
    """Each check is a test case with its own name, and the cases that need a missing shell are skipped with a reason."""
    (tmp_path / "test_mine.py").write_text(
        textwrap.dedent(
            """
            from cloche.testing import Shell, activator_contract

            class Mine:
                '''An activator for a shell that does not exist.'''
                name = "mine"
                def refusal(self, interpreter): return None
                def quote(self, text): return repr(text)
                def scripts(self, environment): return []

            test_contract = activator_contract(Mine(), Shell(("no-such-shell",), echo="say {text}"))
            """
        )
    )
    chosen = "documentation or scripts-cpython-3.12-linux or quoting-newline or slots-outside-quotes"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-rs",
        "-p",
        "no:cacheprovider",
        "-k",
        chosen,
        str(tmp_path),
    ]
    variables = {
        name: text for name, text in os.environ.items() if name not in ("CLOCHE_REQUIRE_ALL", "PYTEST_ADDOPTS")
    }
    variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # loading them takes a second
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, cwd=tmp_path)
    assert "test_contract[documentation] PASSED" in ran.stdout
    assert "test_contract[scripts-cpython-3.12-linux] FAILED" in ran.stdout
    assert ran.stdout.count("`scripts` returns no script") == 1  # and the kit shows no traceback
    assert "test_contract[quoting-newline] SKIPPED" in ran.stdout
    assert "`no-such-shell` is not on PATH" in ran.stdout
    strict = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**variables, "CLOCHE_REQUIRE_ALL": "1"}, cwd=tmp_path
    )
    assert "test_contract[quoting-newline] FAILED" in strict.stdout
    for run in (ran, strict):  # no tool is missing
        assert "test_contract[slots-outside-quotes] SKIPPED" in run.stdout
        assert "not applicable: the directory of the activator's module contains no file with slots" in run.stdout


def test_the_record_of_a_sample_wheel_lists_every_file_with_its_hash_and_size(tmp_path: Path) -> None:
    path = sample_wheel(tmp_path, {"one, two.txt": "é"})
    with ZipFile(path) as wheel:
        contents = {name: wheel.read(name) for name in wheel.namelist()}
    rows = list(parse_rows(contents["cloche_sample-1.0.dist-info/RECORD"].decode(), strict=True))
    assert {row[0] for row in rows} == contents.keys()
    assert ["one, two.txt", digest_of(b"\xc3\xa9"), "2"] in rows


# Optional attributes of activators


class CompleteActivator(DashActivator):
    """An activator for dash with all optional attributes."""

    shells = ("dash", "sh")
    script_names = ("activate", "activate.sh")
    read_words = staticmethod(posix.read_words)
    joins_quoted = True

    def source_line(self, path: str) -> str:
        return f". {self.quote(path)}"


def test_an_activator_with_correct_optional_attributes_passes_every_check(tmp_path: Path) -> None:
    require("dash")
    assert shell_failures(CompleteActivator(), tmp_path) == {}


def test_a_source_line_that_does_not_activate_fails(tmp_path: Path) -> None:
    require("dash")

    class Forgets(CompleteActivator):
        def source_line(self, path: str) -> str:
            return f": {self.quote(path)}"

    messages = shell_failures(Forgets(), tmp_path, "source-line-space")
    assert "after : './two words/bin/activate', `VIRTUAL_ENV` is unset" in messages["source-line-space"]


def test_a_source_line_that_runs_a_command_in_a_name_fails(tmp_path: Path) -> None:
    require("dash")

    class Doubles(CompleteActivator):
        def source_line(self, path: str) -> str:
            return f'. "{path}"'

    messages = shell_failures(Doubles(), tmp_path, "source-line-command")
    assert "runs a command in the name" in messages["source-line-command"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (lambda path: f". {path}\ntrue", "returns several lines"),
        (lambda path: "", "must return a command"),
        (lambda path: None, "must return a command"),
    ],
)
def test_an_invalid_source_line_fails(line: Callable[[str], str], message: str, tmp_path: Path) -> None:
    activator = CompleteActivator()
    vars(activator)["source_line"] = line
    assert message in static_failures(activator, tmp_path)["source-line"]


@pytest.mark.parametrize(
    ("attribute", "value", "check", "message"),
    [
        ("shells", "dash", "shells", "must be a tuple of names"),
        ("script_names", (), "script-names", "must be a tuple of names"),
        ("script_names", ("activate.sh",), "script-names", "returns `activate`, which is not in"),
        ("script_names", ("activate.sh", "activate"), "script-names", "but the first script is `activate`"),
        ("read_words", lambda line: iter(()), "read-words", "does not find 'plain'"),
        ("joins_quoted", "yes", "joins-quoted", "must be True or False"),
        ("joins_quoted", False, "joins-quoted", "but `read_words` returns [Word("),
    ],
)
def test_a_wrong_optional_attribute_fails(
    attribute: str, value: object, check: str, message: str, tmp_path: Path
) -> None:
    activator = CompleteActivator()
    vars(activator)[attribute] = value
    assert message in static_failures(activator, tmp_path)[check]


# Creators


class SampleCreator:
    """A creator with additional operations, and without one of the names of the executable."""

    name = "planner"

    def __init__(self, *more: Operation, without: str = "") -> None:
        self.more = more
        self.without = without

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None if interpreter.os_name == "posix" else "needs symbolic links"

    def operations(self, interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
        site = layout.purelib.split("/")
        for path in (layout.bin, *("/".join(site[:count]) for count in range(1, len(site) + 1))):
            yield MakeDir(path)
        for name in layout.names:
            if name != self.without:
                yield Link(f"{layout.bin}/{name}", interpreter.executable)
        yield from self.more


def test_a_correct_creator_passes_every_check(tmp_path: Path) -> None:
    more = (
        MakeDir("share"),
        Write("share/note", b"text"),
        Copy("share/copy", "C:\\Python\\x.dll"),
        Link("lib64", "lib"),
        Link("share/lib", ".././/lib"),
    )
    assert failures(creator_checks(SampleCreator(*more)), tmp_path) == {}


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Write("share/note", b""), "before its directory `share`"),
        (Write("/etc/note", b""), "is an absolute path"),
        (Write("C:/note", b""), "is an absolute path"),
        (Write("../note", b""), "is not a plain path"),
        (Write("bin//note", b""), "is not a plain path"),
        (Write("bin/no\0te", b""), "is not a plain path"),
        (Write("bin\\note", b""), "contains a backslash"),
        (Write("bin/python", b""), "is created twice"),
        (Write("lib", b""), "is created twice"),
        (Write("pyvenv.cfg", b""), "is reserved for cloche itself"),
        (Link("bin/note", "../../note"), "points outside the environment"),
        (Link("bin/note", ".././/../note"), "points outside the environment"),
        (Link("bin/note", ""), "has no target"),
        (Copy("bin/note", "note"), "expected an absolute path"),
        (Copy("bin/note", "/note", "link"), "expected one of auto, clone, hardlink, copy, symlink"),
        ("bin/note", "is not an operation"),
    ],
)
def test_an_impossible_operation_fails(tmp_path: Path, operation: Operation, message: str) -> None:
    messages = failures(creator_checks(SampleCreator(operation)), tmp_path)
    assert message in messages["operations-cpython-3.12-linux"]
    assert "operations-cpython-3.12-windows" not in messages


def test_a_creator_has_no_operations_for_an_interpreter_that_it_refuses(tmp_path: Path) -> None:
    _, reasons = outcomes(creator_checks(SampleCreator()), tmp_path)
    assert reasons == {"operations-cpython-3.12-windows": "the creator refuses CPython 3.12.1: needs symbolic links"}


def test_a_creator_that_omits_a_name_of_the_executable_fails(tmp_path: Path) -> None:
    messages = failures(creator_checks(SampleCreator(without="python3")), tmp_path)
    assert (
        "`operations` does not create `bin/python3`, which is part of the layout"
        in messages["operations-pypy-3.10-linux"]
    )


def test_a_creator_that_runs_a_program_may_leave_files_to_it(tmp_path: Path) -> None:
    more = (Run(("/bin/true",), "do nothing"), Write("share/note", b""))
    assert failures(creator_checks(SampleCreator(*more, without="python3")), tmp_path) == {}


def test_a_creator_that_creates_directories_while_planning_fails(tmp_path: Path) -> None:
    class Makes(SampleCreator):
        def operations(self, interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
            os.makedirs(tmp_path / "planned", exist_ok=True)
            return super().operations(interpreter, layout)

    assert "creates the directory" in failures(creator_checks(Makes()), tmp_path)["operations-cpython-3.12-linux"]


# Finders


class SampleFinder:
    """A finder that yields fixed candidates."""

    name = "sample"

    def __init__(self, *candidates: Candidate) -> None:
        self._candidates = candidates

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        yield from self._candidates


def test_a_correct_finder_passes_every_check(tmp_path: Path) -> None:
    assert failures(finder_checks(SampleFinder(Candidate("/opt/python", "sample"))), tmp_path) == {}


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (Candidate("python3", "sample"), "is not an absolute path"),
        (Candidate("/opt/python", "other"), "has the `found_by` 'other'"),
        (Candidate("/opt/python", "sample", "Is broken."), "ends with a full stop"),
        ("/opt/python", "is not a `cloche.Candidate`"),
    ],
)
def test_an_invalid_candidate_fails(tmp_path: Path, candidate: Candidate, message: str) -> None:
    assert message in failures(finder_checks(SampleFinder(candidate)), tmp_path)["candidates-empty-machine"]


def test_a_finder_that_starts_an_interpreter_fails(tmp_path: Path) -> None:
    class Asks(SampleFinder):
        def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
            subprocess.run([sys.executable, "-c", ""], check=True)
            return super().candidates(spec, host)

    messages = failures(finder_checks(Asks()), tmp_path)
    assert f"starts the program `{sys.executable}`" in messages["candidates-this-machine"]


def test_a_finder_is_also_tested_on_additional_hosts(tmp_path: Path) -> None:
    class Trusts(SampleFinder):
        def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
            yield Candidate(host.environ.get("SAMPLE", "/opt/python"), self.name)

    checks = finder_checks(Trusts(), {"relative-path": fake_host(environ={"SAMPLE": "python"})})
    assert list(failures(checks, tmp_path)) == ["candidates-relative-path"]


# Seeders


class SampleSeeder:
    """A seeder that returns one image, which it creates in the store."""

    name = "sample"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def images(self, interpreter: Interpreter, wanted: Wanted, store: Store) -> list[Image]:
        if not wanted.find_links:
            raise SeedError(f"no sample satisfies `{wanted.requirements[0]}`")
        return [self.image(os.path.join(os.path.dirname(wanted.find_links[0]), "store", "images", "sample"))]

    def image(self, root: str) -> Image:
        os.makedirs(root, exist_ok=True)
        return Image("cloche-sample", "1.0", root, (), "cloche_sample-1.0.dist-info", 0, 0)


def test_a_correct_seeder_passes_every_check(tmp_path: Path) -> None:
    assert failures(seeder_checks(SampleSeeder(), fake_interpreter()), tmp_path) == {}


def test_a_seeder_that_writes_outside_the_store_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    class Spills(SampleSeeder):
        def image(self, root: str) -> Image:
            (tmp_path / "spilled").write_text(root)
            return super().image(root)

    messages = failures(seeder_checks(Spills(), fake_interpreter()), tmp_path)
    assert f"opens `{tmp_path / 'spilled'}` for writing" in messages["images"]


def test_a_seeder_with_an_image_outside_the_store_fails(tmp_path: Path) -> None:
    class Strays(SampleSeeder):
        def image(self, root: str) -> Image:
            return super().image(str(tmp_path / "elsewhere"))

    assert "is not in the store" in failures(seeder_checks(Strays(), fake_interpreter()), tmp_path)["images"]


def test_a_seeder_that_returns_too_many_images_or_raises_no_error_fails(tmp_path: Path) -> None:
    class Generous(SampleSeeder):
        def images(self, interpreter: Interpreter, wanted: Wanted, store: Store) -> list[Image]:
            beside = os.path.dirname(wanted.find_links[0]) if wanted.find_links else os.sep
            return [self.image(os.path.join(beside, "store", "images", "sample"))] * 2

    messages = failures(seeder_checks(Generous(), fake_interpreter()), tmp_path)
    assert "expected one image, of the distribution `cloche-sample`" in messages["images"]
    assert "must raise `SeedError`" in messages["unavailable-distribution"]


def test_a_seeder_is_not_called_for_an_interpreter_that_it_refuses(tmp_path: Path) -> None:
    class Particular(SampleSeeder):
        def refusal(self, interpreter: Interpreter) -> str | None:
            return None if interpreter.implementation == "pypy" else "needs PyPy"

    messages, reasons = outcomes(seeder_checks(Particular(), fake_interpreter()), tmp_path)
    expected = "the seeder refuses CPython 3.12.1: needs PyPy"
    assert messages == {}
    assert reasons == dict.fromkeys(("images", "unavailable-distribution"), expected)


def test_a_seeder_that_refuses_everything_fails(tmp_path: Path) -> None:
    class Never(SampleSeeder):
        def refusal(self, interpreter: Interpreter) -> str | None:
            return "needs another day"

    assert list(failures(seeder_checks(Never(), fake_interpreter()), tmp_path)) == ["supports-an-interpreter"]


# Plugins as a whole


def install(directory: Path, name: str, module: str) -> None:
    """Install a distribution with a plugin into a directory."""
    (directory / f"{name}.py").write_text(textwrap.dedent(module))
    metadata = directory / f"acme_{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text(f"[cloche]\n{name} = {name}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory on the import path of this process and of its child processes."""
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    monkeypatch.setenv("PYTHONPATH", str(directory))
    return directory


def test_a_correct_plugin_passes_every_check(tmp_path: Path, site: Path) -> None:
    install(
        site,
        "kit_good",
        """
        import cloche
        @cloche.hookimpl
        def cloche_commands():
            return [cloche.Command("kit_good", "print a line", "kit_good:main")]
        def main(argv, host): return 0
        """,
    )
    assert failures(plugin_checks("kit_good"), tmp_path) == {}
    (tmp_path / "again").mkdir()
    assert failures(plugin_checks("acme-kit-good"), tmp_path / "again") == {}


def test_a_plugin_without_components_has_no_references_to_check(tmp_path: Path, site: Path) -> None:
    install(
        site,
        "kit_listens",
        """
        import cloche
        @cloche.hookimpl
        def cloche_created(result): pass
        """,
    )
    messages, reasons = outcomes(plugin_checks("kit_listens"), tmp_path)
    assert messages == {}
    assert list(reasons) == ["references"]


def test_a_plugin_that_is_not_installed_fails(tmp_path: Path) -> None:
    assert "plugin `nowhere` is not installed" in failures(plugin_checks("nowhere"), tmp_path)["installed"]


def test_a_plugin_with_a_dead_reference_is_an_error(tmp_path: Path, site: Path) -> None:
    install(
        site,
        "kit_names",
        """
        import cloche
        @cloche.hookimpl
        def cloche_creators():
            return [cloche.Descriptor("kit", "kit_names:missing")]
        """,
    )
    with pytest.raises(Exception, match=r"creator `kit` of plugin `kit_names` of acme-kit-names 1\.0 cannot be loaded"):
        failures(plugin_checks("kit_names"), tmp_path)


def test_a_plugin_that_writes_a_file_on_import_fails(tmp_path: Path, site: Path) -> None:
    install(site, "kit_writes", "open('written', 'w').close()\n")
    messages = failures(plugin_checks("kit_writes"), tmp_path, "import-without-side-effects")
    message = "importing plugin `kit_writes` of acme-kit-writes 1.0 opens `written` for writing"
    assert message in messages["import-without-side-effects"]


def test_a_plugin_without_hooks_fails(tmp_path: Path, site: Path) -> None:
    install(site, "kit_forgets", "def cloche_creators(): return []\n")
    assert (
        "`cloche_creators` is not marked with `@cloche.hookimpl`"
        in failures(plugin_checks("kit_forgets"), tmp_path)["loads"]
    )
    install(site, "kit_empty", "x = 1\n")
    (tmp_path / "again").mkdir()
    assert "implements no hook" in failures(plugin_checks("kit_empty"), tmp_path / "again")["loads"]


def test_a_command_that_cloche_does_not_find_fails(tmp_path: Path, site: Path) -> None:
    """It is found by the name of an entry point, or because the module of its plugin mentions the hook."""
    (site / "kit_hidden.py").write_text(
        textwrap.dedent("""
        import cloche
        @cloche.hookimpl
        def cloche_commands():
            return [cloche.Command(name, "print a line", "kit_hidden:main") for name in ("kit_star", "kit_lost")]
        def main(argv, host): return 0
        """)
    )
    install(site, "kit_star", "from kit_hidden import *\n")
    message = failures(plugin_checks("kit_star"), tmp_path)["loads"]
    assert "the command `kit_lost` is not found: its plugin needs an entry point of that name" in message
    install(
        site,
        "kit_two",
        """
        import cloche
        @cloche.hookimpl
        def cloche_commands():
            return [cloche.Command(name, "print a line", "kit_two:main") for name in ("kit_two", "kit_lost")]
        def main(argv, host): return 0
        """,
    )
    (tmp_path / "again").mkdir()
    assert failures(plugin_checks("kit_two"), tmp_path / "again") == {}


def run_kit(directory: Path, text: str) -> str:
    """Run a file with contract tests in a new process, in order; return its output."""
    (directory / "test_acme.py").write_text(textwrap.dedent(text))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "-q",
        "-rs",
        "test_acme.py",
    ]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False).stdout


def test_each_cause_is_reported_once(tmp_path: Path) -> None:
    text = """
    from cloche import Script
    from cloche.testing import activator_contract
    class Acme:
        summary = "a shell"
        name = "acme"
        def refusal(self, interpreter): return None
        BODY
        def scripts(self, environment): return [Script("a", self.quote(environment.location) + "\\n")]
    test_acme = activator_contract(Acme())
    """
    missing = run_kit(tmp_path, text.replace("BODY", ""))
    assert missing.count("the activator has no method `quote`") >= 1
    assert "\n1 failed, " in missing
    raising = run_kit(tmp_path, text.replace("BODY", "def quote(self, text): raise ValueError('out of order')"))
    assert "\n1 failed, " in raising
    assert "failed for the same reason: " in raising
    broken = run_kit(tmp_path, text.replace("BODY", "def quote(self, text): return 'x'").replace("'x'", "'x\\r'"))
    assert broken.count("contains carriage returns") >= 2
    assert "\n1 failed, " in broken


# At a terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal([require("dash"), "-i"], tmp_path, {"PS1": "$ ", "PATH": os.environ["PATH"]}) as shell:
        yield shell


def test_a_terminal_waits_for_the_prompt(terminal: Terminal) -> None:
    terminal.expect("$ ")
    terminal.enter("PS1='later> '")
    terminal.expect("later> ")
    terminal.enter("echo said; sleep 0.5; PS1='now> '")
    terminal.expect("now> ")
    assert "said" in terminal.shown.splitlines()


def test_the_error_for_a_missing_prompt_contains_the_screen(terminal: Terminal) -> None:
    terminal.expect("$ ")
    with pytest.raises(Broken, match=r"the prompt 'other> ' does not appear; the screen is\n\$"):
        terminal.expect("other> ", seconds=0.5)


def test_a_terminal_can_wait_for_any_prompt(terminal: Terminal) -> None:
    terminal.rest()
    assert terminal.line == "$"
    terminal.enter("sleep 0.4; PS1='rested> '")
    terminal.rest()
    assert terminal.line == "rested>"


def test_a_terminal_handles_the_exit_of_its_program(terminal: Terminal) -> None:
    terminal.expect("$ ")
    terminal.enter("exit")
    with pytest.raises(Broken, match=r"the prompt .* does not appear"):
        terminal.expect("$ ", seconds=1)


# Fakes and watches


def test_a_fake_interpreter_has_a_kind_and_changed_fields() -> None:
    assert fake_interpreter().name == "CPython 3.12.1"
    assert fake_interpreter("cpython-3.13t-linux").name == "CPython 3.13.0 free-threaded"
    assert fake_interpreter("pypy-3.10-linux", bits=32).bits == 32
    with pytest.raises(TypeError, match="has no field `color`"):
        fake_interpreter(color="red")


@pytest.mark.parametrize("kind", KINDS)
def test_a_fake_environment_has_the_layout_of_its_interpreter(kind: str) -> None:
    root = "C:\\env" if KINDS[kind].os_name == "nt" else "/env"
    environment = fake_environment(root, KINDS[kind])
    assert environment.prompt == "env"
    assert environment.interpreter == KINDS[kind]
    assert environment.values["BIN"] == ("C:\\env\\Scripts" if KINDS[kind].os_name == "nt" else "/env/bin")
    assert fake_environment(root, prompt="other").prompt == "other"


def test_a_fake_host_has_no_variables() -> None:
    assert fake_host().environ == {}
    assert fake_host(platform="win32").platform == "win32"


def test_reading_and_writing_in_allowed_directories_are_not_side_effects(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    with Watch([str(tmp_path / "allowed")]) as watch:
        (tmp_path / "allowed" / "file").write_text("text")
        (tmp_path / "allowed" / "file").read_text()
        os.listdir(tmp_path)
        os.stat(tmp_path)
        open(os.devnull, "w").close()
    assert watch.side_effects == []
    with Watch([str(tmp_path / "allowed")]) as watch:
        (tmp_path / "allowed-not").mkdir()
    assert watch.side_effects == [f"creates the directory `{tmp_path / 'allowed-not'}`"]


def test_a_watch_ends_with_its_context(tmp_path: Path) -> None:
    with Watch() as watch:
        pass
    (tmp_path / "later").mkdir()
    assert watch.side_effects == []


def test_nested_watches_are_independent(tmp_path: Path) -> None:
    with Watch() as outer:
        with Watch([str(tmp_path)]) as inner:
            (tmp_path / "file").write_text("text")
        os.remove(tmp_path / "file")
    assert inner.side_effects == []
    assert outer.side_effects == [f"opens `{tmp_path / 'file'}` for writing", f"removes `{tmp_path / 'file'}`"]
