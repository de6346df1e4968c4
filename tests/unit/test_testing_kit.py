"""The contract kit lets a good plugin pass and says of a bad one which promise it breaks."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from cloche import Candidate, Copy, Inexpressible, Link, MakeDir, Run, Script, SeedError, Write, render
from cloche.model.distribution import Image
from cloche.shells import posix
from cloche.testing import KINDS, Broken, Shell, Terminal, Watch, fake_environment, fake_host, fake_interpreter
from cloche.testing.activators import activator_checks
from cloche.testing.creators import creator_checks
from cloche.testing.finders import finder_checks
from cloche.testing.plugins import plugin_checks
from cloche.testing.seeders import seeder_checks
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
if command -v deactivate >/dev/null; then deactivate; fi
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


class Good:
    """Activates in dash."""

    name = "good"
    template = TEMPLATE

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None if interpreter.os_name == "posix" else f"for POSIX systems, and {interpreter.name} is for Windows"

    def quote(self, text: str) -> str:
        return "'" + text.replace("'", "'\\''") + "'"

    def scripts(self, environment: Environment) -> list[Script]:
        return [Script("activate", render(self.template, environment.values, self.quote))]


def broken_promises(checks: Iterable[Check], directory: Path, *names: str) -> dict[str, str]:
    """Return the sentences about broken promises, by the name of the check; `names` are the only ones to look at."""
    found = {}
    for number, check in enumerate(check for check in checks if not names or check.name in names):
        own = directory / str(number)
        own.mkdir()
        try:
            check.run(own)
        except Broken as promise:
            found[check.name] = str(promise)
    return found


def without_a_shell(activator: Good, directory: Path, **more: list[str]) -> dict[str, str]:
    return broken_promises(activator_checks(activator, **more), directory)


def in_the_shell(activator: Good, directory: Path, *names: str) -> dict[str, str]:
    return broken_promises(activator_checks(activator, DASH, templates=[activator.template]), directory, *names)


def sentence(found: dict[str, str]) -> str:
    return "\n".join(f"{name}: {text}" for name, text in found.items())


# Activators


def test_a_good_activator_keeps_every_promise_in_its_real_shell(tmp_path: Path) -> None:
    require("dash")
    assert in_the_shell(Good(), tmp_path) == {}


def test_an_activator_that_writes_a_file_is_caught(tmp_path: Path) -> None:
    class Writes(Good):
        def scripts(self, environment: Environment) -> list[Script]:
            (tmp_path / "note").write_text(environment.location)
            return super().scripts(environment)

    found = without_a_shell(Writes(), tmp_path)
    assert f"`scripts` opens `{tmp_path / 'note'}` for writing" in found["scripts-cpython-3.12-linux"]


def test_an_activator_that_makes_the_environment_itself_is_caught(tmp_path: Path) -> None:
    class Makes(Good):
        def scripts(self, environment: Environment) -> list[Script]:
            os.makedirs(environment.location, exist_ok=True)
            return super().scripts(environment)

    assert "`scripts` makes the directory" in without_a_shell(Makes(), tmp_path)["scripts-cpython-3.12-linux"]


def test_an_activator_that_starts_a_program_is_caught(tmp_path: Path) -> None:
    class Asks(Good):
        def scripts(self, environment: Environment) -> list[Script]:
            subprocess.run([sys.executable, "-c", ""], check=True)
            return super().scripts(environment)

    found = without_a_shell(Asks(), tmp_path)["scripts-cpython-3.12-linux"]
    assert f"starts the program `{sys.executable}`" in found


def test_an_activator_that_changes_variables_or_directory_is_caught_and_undone(tmp_path: Path) -> None:
    class Moves(Good):
        def quote(self, text: str) -> str:
            os.environ["KIT_WAS_HERE"] = text
            os.chdir(tmp_path)
            return super().quote(text)

    before = os.getcwd()
    found = without_a_shell(Moves(), tmp_path)["plain-texts"]
    assert "sets the variable `KIT_WAS_HERE`" in found
    assert "leaves the current directory changed" in found
    assert "KIT_WAS_HERE" not in os.environ
    assert os.getcwd() == before


def test_an_activator_whose_output_depends_on_chance_is_caught(tmp_path: Path) -> None:
    class Varies(Good):
        def scripts(self, environment: Environment) -> list[Script]:
            [script] = super().scripts(environment)
            return [Script(script.name, f"{script.text}: {random.random()}\n")]

    assert "another time for the same input" in without_a_shell(Varies(), tmp_path)["scripts-cpython-3.12-linux"]


def test_an_activator_whose_output_depends_on_the_users_variables_is_caught(tmp_path: Path) -> None:
    class Looks(Good):
        def scripts(self, environment: Environment) -> list[Script]:
            [script] = super().scripts(environment)
            return [Script(script.name, f"{script.text}: {os.environ.get('HOME')}\n")]

    assert "another time for the same input" in without_a_shell(Looks(), tmp_path)["scripts-cpython-3.12-linux"]


@pytest.mark.parametrize("line", ['echo "__CLOCHE_ROOT__"', "echo 'at __CLOCHE_ROOT__'", 'a="it\\"s __CLOCHE_ROOT__"'])
def test_a_slot_inside_quotes_is_found_with_its_line(tmp_path: Path, line: str) -> None:
    found = without_a_shell(Good(), tmp_path, templates=[f"true\n{line}\n"])
    assert list(found) == ["slots-stand-bare"]
    assert found["slots-stand-bare"].startswith("`template 1`, line 2: `__CLOCHE_ROOT__` stands inside")


@pytest.mark.parametrize(
    "line",
    [
        '"$ROOT/"__CLOCHE_BIN_NAME__/activate',
        "a='x'__CLOCHE_ROOT__'y'",
        "set A=(__CLOCHE_ROOT__)",
        '"it\'s" __CLOCHE_ROOT__',
    ],
)
def test_a_slot_beside_quotes_stands_bare(tmp_path: Path, line: str) -> None:
    assert without_a_shell(Good(), tmp_path, templates=[f"{line}\n"]) == {}


def test_a_slot_in_a_comment_and_one_that_is_not_closed_are_found(tmp_path: Path) -> None:
    assert "stands in a comment" in sentence(without_a_shell(Good(), tmp_path, templates=["  # __CLOCHE_ROOT__\n"]))
    (tmp_path / "again").mkdir()
    assert "is no slot" in sentence(without_a_shell(Good(), tmp_path / "again", templates=["a=__CLOCHE_ROOT\n"]))


def test_slots_are_looked_for_in_the_files_beside_the_activators_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "activator_with_a_bad_template"
    package.mkdir()
    (package / "__init__.py").write_text("class Activator:\n    def refusal(self, interpreter): return None\n")
    (package / "activate.sh").write_text('cd "__CLOCHE_ROOT__"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__(package.name)
    checks = {check.name: check for check in activator_checks(module.Activator())}
    with pytest.raises(Broken, match=r"`activate\.sh`, line 1"):
        checks["slots-stand-bare"].run(tmp_path)


def test_a_slot_that_was_not_filled_is_found(tmp_path: Path) -> None:
    class Forgets(Good):
        def scripts(self, environment: Environment) -> list[Script]:
            return [Script("activate", self.template)]

    assert (
        "has the slot `__CLOCHE_ROOT__` left in it" in without_a_shell(Forgets(), tmp_path)["scripts-pypy-3.10-linux"]
    )


def test_values_that_are_looked_through_for_slots_again_are_found(tmp_path: Path) -> None:
    class Replaces(Good):
        def scripts(self, environment: Environment) -> list[Script]:
            text = self.template
            for name, value in environment.values.items():
                text = text.replace(f"__CLOCHE_{name}__", self.quote(value))
            return [Script("activate", text)]

    assert "a value is taken for a template" in without_a_shell(Replaces(), tmp_path)["slot-like-names"]


def test_a_quoter_that_forgets_the_quote_is_caught_in_the_shell(tmp_path: Path) -> None:
    require("dash")

    class Forgets(Good):
        def quote(self, text: str) -> str:
            return f"'{text}'"

    found = in_the_shell(Forgets(), tmp_path, "quoting-single-quote", "quoting-space", "activation-single-quote")
    assert "quoting-single-quote" in found
    assert "activation-single-quote" in found
    assert "quoting-space" not in found


def test_a_quoter_that_lets_the_shell_run_what_is_in_a_name_is_caught(tmp_path: Path) -> None:
    require("dash")

    class Expands(Good):
        def quote(self, text: str) -> str:
            return '"' + text.replace('"', '\\"') + '"'

    found = in_the_shell(Expands(), tmp_path, "quoting-command", "activation-backtick")
    assert "the shell runs what stands in 'a$(touch PWNED)b'" in found["quoting-command"]
    assert "runs what stands in the name" in found["activation-backtick"]


def test_a_quoter_that_refuses_ordinary_names_is_caught(tmp_path: Path) -> None:
    class Refuses(Good):
        def quote(self, text: str) -> str:
            if " " in text:
                raise Inexpressible("dash cannot hold a blank")
            return text

    assert "`quote` cannot even write 'two words'" in without_a_shell(Refuses(), tmp_path)["plain-texts"]


def test_refusing_what_cannot_be_written_is_no_broken_promise(tmp_path: Path) -> None:
    require("dash")

    class OneLine(Good):
        def quote(self, text: str) -> str:
            if "\n" in text:
                raise Inexpressible("this shell cannot hold a line break")
            return super().quote(text)

    assert in_the_shell(OneLine(), tmp_path) == {}


def test_any_other_error_about_a_name_is_a_broken_promise(tmp_path: Path) -> None:
    class Stumbles(Good):
        def quote(self, text: str) -> str:
            return "'" + text.encode("ascii").decode() + "'"

    with pytest.raises(UnicodeEncodeError):
        without_a_shell(Stumbles(), tmp_path)

    class Raises(Good):
        def quote(self, text: str) -> str:
            if "\t" in text:
                raise ValueError("no tabs")
            return super().quote(text)

    (tmp_path / "again").mkdir()
    assert "ValueError('no tabs')" in without_a_shell(Raises(), tmp_path / "again")["writes-or-refuses-tab"]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("Needs CPython", "begins with a capital"),
        ("needs CPython.", "ends with a full stop"),
        ("", "is empty"),
        ("no", "is one word"),
        (" needs CPython", "begins or ends with blanks"),
        ("needs\nCPython", "has several lines"),
        (False, "has to be None or a sentence"),
    ],
)
def test_a_refusal_that_helps_nobody_is_caught(tmp_path: Path, given: object, complaint: str) -> None:
    class Refuses(Good):
        def refusal(self, interpreter: Interpreter) -> str | None:
            return None if interpreter.os_name == "posix" else given  # type: ignore[return-value]

    found = without_a_shell(Refuses(), tmp_path)
    assert list(found) == ["refusal-cpython-3.12-windows"]
    assert complaint in found["refusal-cpython-3.12-windows"]


@pytest.mark.parametrize("given", ["CPython 3.12.1 has no `venv`", "`clink` is needed", "Windows is not served"])
def test_a_refusal_may_begin_with_a_name(tmp_path: Path, given: str) -> None:
    class Refuses(Good):
        def refusal(self, interpreter: Interpreter) -> str | None:
            return None if interpreter.os_name == "posix" else given

    assert without_a_shell(Refuses(), tmp_path) == {}


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (Script("bin/activate", "true\n"), "has to be a file name"),
        (Script("", "true\n"), "has to be a file name"),
        (Script("activate", "true"), "does not end with a line end"),
        (Script("activate", " "), "is empty"),
        (Script("activate", "true\r\n"), "holds carriage returns"),
        (Script("activate", "true\n", newline="\r"), "for a line end"),
        ("true\n", "is no `cloche.Script`"),
    ],
)
def test_a_script_that_is_no_whole_text_file_is_caught(tmp_path: Path, script: Script, complaint: str) -> None:
    class Gives(Good):
        def scripts(self, environment: Environment) -> list[Script]:
            return [script]

    assert complaint in without_a_shell(Gives(), tmp_path)["scripts-cpython-3.12-linux"]


def test_two_scripts_of_one_name_and_no_script_at_all_are_caught(tmp_path: Path) -> None:
    class Gives(Good):
        def scripts(self, environment: Environment) -> list[Script]:
            return [] if environment.layout.purelib.startswith("lib/pypy") else super().scripts(environment) * 2

    found = without_a_shell(Gives(), tmp_path)
    assert "two scripts of the name `activate`" in found["scripts-cpython-3.12-linux"]
    assert "`scripts` gives nothing" in found["scripts-pypy-3.10-linux"]


@pytest.mark.parametrize("name", ["Dash", "two words", "", "none", "a,b", None])
def test_a_name_that_cannot_be_typed_is_caught(tmp_path: Path, name: str) -> None:
    class Named(Good):
        pass

    Named.name = name
    assert "name" in without_a_shell(Named(), tmp_path)


def test_an_activator_that_leaves_a_trace_is_caught(tmp_path: Path) -> None:
    require("dash")

    class Leaves(Good):
        template = TEMPLATE + "export ACTIVATED_BY=me\n"

    found = in_the_shell(Leaves(), tmp_path, "variables-unset")
    assert "after deactivation `ACTIVATED_BY` is 'me', and was unset" in found["variables-unset"]


def test_an_activator_that_confuses_unset_and_empty_is_caught(tmp_path: Path) -> None:
    require("dash")

    class Confuses(Good):
        template = TEMPLATE.replace(
            '    eval "$_OLD_VARIABLES"\n', '    eval "$_OLD_VARIABLES"\n    export PYTHONHOME=\n'
        )

    assert (
        "`PYTHONHOME` is '', and was unset" in in_the_shell(Confuses(), tmp_path, "variables-unset")["variables-unset"]
    )


def test_an_activator_that_forgets_a_variable_or_talks_is_caught(tmp_path: Path) -> None:
    require("dash")

    class Forgets(Good):
        template = TEMPLATE.replace("unset PYTHONHOME\n", "")

    class Talks(Good):
        template = TEMPLATE + "echo welcome\n"

    assert "while active `PYTHONHOME` is" in in_the_shell(Forgets(), tmp_path, "variables-set")["variables-set"]
    (tmp_path / "again").mkdir()
    assert "says 'welcome\\n'" in in_the_shell(Talks(), tmp_path / "again", "variables-set")["variables-set"]


def test_activation_twice_that_needs_two_deactivations_is_caught(tmp_path: Path) -> None:
    require("dash")

    class Stacks(Good):
        template = TEMPLATE.partition("\n")[2]

    found = in_the_shell(Stacks(), tmp_path, "activated-twice", "nested")
    assert "activated-twice" in found
    assert "nested" in found


def test_a_script_that_the_shell_cannot_read_is_told_with_what_the_shell_says(tmp_path: Path) -> None:
    require("dash")

    class Garbled(Good):
        template = TEMPLATE + "if\n"

    found = in_the_shell(Garbled(), tmp_path, "variables-set")["variables-set"]
    assert "the script stopped" in found
    assert "yntax error" in found


def test_a_shell_in_which_programs_have_to_be_called_says_how(tmp_path: Path) -> None:
    class Program(Good):
        """Activates in a running Python, which takes the name of a program for a variable."""

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
    assert broken_promises(checks, tmp_path, "variables-unset", "activation-double-quote", "quoting-newline") == {}


def test_the_kit_works_where_the_path_of_its_own_python_has_a_blank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("dash")
    (tmp_path / "two words").mkdir()
    python = tmp_path / "two words" / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))

    assert in_the_shell(Good(), tmp_path, "variables-unset") == {}


def test_the_contract_is_one_line_in_the_authors_test_module(tmp_path: Path) -> None:
    """The cases are named for what they are about, and the shell's are skipped, loudly, where it is missing."""
    (tmp_path / "test_mine.py").write_text(
        textwrap.dedent(
            """
            from cloche.testing import Shell, activator_contract

            class Mine:
                '''Activates in a shell that nobody has.'''
                name = "mine"
                def refusal(self, interpreter): return None
                def quote(self, text): return repr(text)
                def scripts(self, environment): return []

            test_contract = activator_contract(Mine(), Shell(("no-such-shell",), echo="say {text}"))
            """
        )
    )
    chosen = "documentation or scripts-cpython-3.12-linux or quoting-newline"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-rs",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-k",
        chosen,
        str(tmp_path),
    ]
    variables = {
        name: text for name, text in os.environ.items() if name not in ("CLOCHE_REQUIRE_ALL", "PYTEST_ADDOPTS")
    }
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, cwd=tmp_path)
    assert "test_contract[documentation] PASSED" in ran.stdout
    assert "test_contract[scripts-cpython-3.12-linux] FAILED" in ran.stdout
    assert ran.stdout.count("`scripts` gives nothing") == 1  # and no traceback of the kit's own
    assert "test_contract[quoting-newline] SKIPPED" in ran.stdout
    assert "`no-such-shell` is not on PATH" in ran.stdout
    strict = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**variables, "CLOCHE_REQUIRE_ALL": "1"}, cwd=tmp_path
    )
    assert "test_contract[quoting-newline] FAILED" in strict.stdout


# What an activator says about its shell


class Telling(Good):
    """Activates in dash, and tells how."""

    shells = ("dash", "sh")
    script_names = ("activate", "activate.sh")
    read_words = staticmethod(posix.read_words)

    def source_line(self, path: str) -> str:
        return f". {self.quote(path)}"


def test_an_activator_that_tells_the_truth_about_its_shell_keeps_every_promise(tmp_path: Path) -> None:
    require("dash")
    assert in_the_shell(Telling(), tmp_path) == {}


def test_a_command_that_does_not_activate_is_caught_in_the_shell(tmp_path: Path) -> None:
    require("dash")

    class Forgets(Telling):
        def source_line(self, path: str) -> str:
            return f": {self.quote(path)}"

    found = in_the_shell(Forgets(), tmp_path, "source-line-space")
    assert "after : './two words/bin/activate' `VIRTUAL_ENV` is unset" in found["source-line-space"]


def test_a_command_that_runs_what_stands_in_a_name_is_caught_in_the_shell(tmp_path: Path) -> None:
    require("dash")

    class Doubles(Telling):
        def source_line(self, path: str) -> str:
            return f'. "{path}"'

    found = in_the_shell(Doubles(), tmp_path, "source-line-command")
    assert "runs what stands in the name" in found["source-line-command"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (lambda path: f". {path}\ntrue", "gives several lines"),
        (lambda path: "", "has to give a command"),
        (lambda path: None, "has to give a command"),
    ],
)
def test_a_command_that_cannot_be_typed_is_caught(line: Callable[[str], str], complaint: str, tmp_path: Path) -> None:
    activator = Telling()
    vars(activator)["source_line"] = line
    assert complaint in without_a_shell(activator, tmp_path)["source-line"]


@pytest.mark.parametrize(
    ("attribute", "given", "check", "complaint"),
    [
        ("shells", "dash", "shells", "has to be a tuple of names"),
        ("script_names", (), "script-names", "has to be a tuple of names"),
        ("script_names", ("activate.sh",), "script-names", "gives `activate`, which is not one of"),
        ("script_names", ("activate.sh", "activate"), "script-names", "the script to activate with is `activate`"),
        ("read_words", lambda line: iter(()), "read-words", "does not find 'plain'"),
    ],
)
def test_an_untrue_attribute_is_caught(
    attribute: str, given: object, check: str, complaint: str, tmp_path: Path
) -> None:
    activator = Telling()
    vars(activator)[attribute] = given
    assert complaint in without_a_shell(activator, tmp_path)[check]


# Creators


class Planner:
    """Makes what it is told to make."""

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


def test_a_good_creator_keeps_every_promise(tmp_path: Path) -> None:
    more = (
        MakeDir("share"),
        Write("share/note", b"text"),
        Copy("share/copy", "C:\\Python\\x.dll"),
        Link("lib64", "lib"),
        Link("share/lib", ".././/lib"),
    )
    assert broken_promises(creator_checks(Planner(*more)), tmp_path) == {}


@pytest.mark.parametrize(
    ("operation", "complaint"),
    [
        (Write("share/note", b""), "before its directory `share`"),
        (Write("/etc/note", b""), "is an absolute path"),
        (Write("C:/note", b""), "is an absolute path"),
        (Write("../note", b""), "is no plain path"),
        (Write("bin//note", b""), "is no plain path"),
        (Write("bin/no\0te", b""), "is no plain path"),
        (Write("bin\\note", b""), "with backslashes"),
        (Write("bin/python", b""), "is made twice"),
        (Write("lib", b""), "is made twice"),
        (Write("pyvenv.cfg", b""), "is written by the core"),
        (Link("bin/note", "../../note"), "points out of the environment"),
        (Link("bin/note", ".././/../note"), "points out of the environment"),
        (Link("bin/note", ""), "has no target"),
        (Copy("bin/note", "note"), "is not an absolute path"),
        ("bin/note", "is no operation"),
    ],
)
def test_an_operation_that_could_not_be_performed_is_caught(
    tmp_path: Path, operation: Operation, complaint: str
) -> None:
    found = broken_promises(creator_checks(Planner(operation)), tmp_path)
    assert complaint in found["operations-cpython-3.12-linux"]
    assert "operations-cpython-3.12-windows" not in found


def test_a_creator_that_leaves_out_a_name_of_the_python_is_caught(tmp_path: Path) -> None:
    found = broken_promises(creator_checks(Planner(without="python3")), tmp_path)
    assert "`bin/python3`, which the layout promises, is not made" in found["operations-pypy-3.10-linux"]


def test_a_creator_that_hands_over_to_a_program_need_not_name_what_that_makes(tmp_path: Path) -> None:
    more = (Run(("/bin/true",), "do nothing"), Write("share/note", b""))
    assert broken_promises(creator_checks(Planner(*more, without="python3")), tmp_path) == {}


def test_a_creator_that_makes_directories_while_it_plans_is_caught(tmp_path: Path) -> None:
    class Makes(Planner):
        def operations(self, interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
            os.makedirs(tmp_path / "planned", exist_ok=True)
            return super().operations(interpreter, layout)

    assert "makes the directory" in broken_promises(creator_checks(Makes()), tmp_path)["operations-cpython-3.12-linux"]


# Finders


class Shelf:
    """Gives what stands on one shelf."""

    name = "shelf"

    def __init__(self, *found: Candidate) -> None:
        self.found = found

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        yield from self.found


def test_a_good_finder_keeps_every_promise(tmp_path: Path) -> None:
    assert broken_promises(finder_checks(Shelf(Candidate("/opt/python", "shelf"))), tmp_path) == {}


@pytest.mark.parametrize(
    ("candidate", "complaint"),
    [
        (Candidate("python3", "shelf"), "is not an absolute path"),
        (Candidate("/opt/python", "board"), "is found by `board`"),
        (Candidate("/opt/python", "shelf", "Is broken."), "ends with a full stop"),
        ("/opt/python", "is no `cloche.Candidate`"),
    ],
)
def test_a_candidate_that_misleads_is_caught(tmp_path: Path, candidate: Candidate, complaint: str) -> None:
    assert complaint in broken_promises(finder_checks(Shelf(candidate)), tmp_path)["candidates-empty-machine"]


def test_a_finder_that_asks_the_interpreter_itself_is_caught(tmp_path: Path) -> None:
    class Asks(Shelf):
        def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
            subprocess.run([sys.executable, "-c", ""], check=True)
            return super().candidates(spec, host)

    found = broken_promises(finder_checks(Asks()), tmp_path)
    assert f"starts the program `{sys.executable}`" in found["candidates-this-machine"]


def test_a_finder_is_tried_on_the_machines_that_its_author_describes(tmp_path: Path) -> None:
    class Trusts(Shelf):
        def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
            yield Candidate(host.environ.get("SHELF", "/opt/python"), self.name)

    checks = finder_checks(Trusts(), {"relative-shelf": fake_host(environ={"SHELF": "python"})})
    assert list(broken_promises(checks, tmp_path)) == ["candidates-relative-shelf"]


# Seeders


class Drawer:
    """Gives what lies in the drawer: a tree that it makes in the store."""

    name = "drawer"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def images(self, interpreter: Interpreter, wanted: Wanted, store: Store) -> list[Image]:
        if not wanted.find_links:
            raise SeedError(f"nothing in the drawer serves `{wanted.requirements[0]}`")
        return [self.image(os.path.join(os.path.dirname(wanted.find_links[0]), "store", "images", "sample"))]

    def image(self, root: str) -> Image:
        os.makedirs(root, exist_ok=True)
        return Image("cloche-sample", "1.0", root, (), "cloche_sample-1.0.dist-info", 0, 0)


def test_a_good_seeder_keeps_every_promise(tmp_path: Path) -> None:
    assert broken_promises(seeder_checks(Drawer(), fake_interpreter()), tmp_path) == {}


def test_a_seeder_that_writes_beside_the_store_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    class Spills(Drawer):
        def image(self, root: str) -> Image:
            (tmp_path / "spilled").write_text(root)
            return super().image(root)

    found = broken_promises(seeder_checks(Spills(), fake_interpreter()), tmp_path)
    assert f"opens `{tmp_path / 'spilled'}` for writing" in found["images"]


def test_a_seeder_whose_image_lies_elsewhere_is_caught(tmp_path: Path) -> None:
    class Strays(Drawer):
        def image(self, root: str) -> Image:
            return super().image(str(tmp_path / "elsewhere"))

    assert "is not in the store" in broken_promises(seeder_checks(Strays(), fake_interpreter()), tmp_path)["images"]


def test_a_seeder_that_gives_too_much_or_never_refuses_is_caught(tmp_path: Path) -> None:
    class Generous(Drawer):
        def images(self, interpreter: Interpreter, wanted: Wanted, store: Store) -> list[Image]:
            beside = os.path.dirname(wanted.find_links[0]) if wanted.find_links else os.sep
            return [self.image(os.path.join(beside, "store", "images", "sample"))] * 2

    found = broken_promises(seeder_checks(Generous(), fake_interpreter()), tmp_path)
    assert "where one distribution, `cloche-sample`, is wanted" in found["images"]
    assert "has to raise `SeedError`" in found["what-nobody-has"]


# Plugins as a whole


def install(directory: Path, name: str, module: str) -> None:
    """Put a distribution with a plugin of that name into a directory as an installer would."""
    (directory / f"{name}.py").write_text(textwrap.dedent(module))
    metadata = directory / f"acme_{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text(f"[cloche]\n{name} = {name}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the path of this process and of those that it starts."""
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    monkeypatch.setenv("PYTHONPATH", str(directory))
    return directory


def test_a_good_plugin_is_found_and_loads(tmp_path: Path, site: Path) -> None:
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
    assert broken_promises(plugin_checks("kit_good"), tmp_path) == {}
    (tmp_path / "again").mkdir()
    assert broken_promises(plugin_checks("acme-kit-good"), tmp_path / "again") == {}


def test_a_plugin_that_is_not_installed_is_told_apart_from_a_broken_one(tmp_path: Path) -> None:
    assert "no plugin `nowhere` is installed here" in broken_promises(plugin_checks("nowhere"), tmp_path)["installed"]


def test_a_plugin_that_names_what_is_not_there_is_caught(tmp_path: Path, site: Path) -> None:
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
        broken_promises(plugin_checks("kit_names"), tmp_path)


def test_a_plugin_that_writes_when_it_is_imported_is_caught(tmp_path: Path, site: Path) -> None:
    install(site, "kit_writes", "open('written', 'w').close()\n")
    found = broken_promises(plugin_checks("kit_writes"), tmp_path, "importing-does-nothing")
    told = "importing plugin `kit_writes` of acme-kit-writes 1.0 opens `written` for writing"
    assert told in found["importing-does-nothing"]


def test_a_plugin_that_implements_no_hook_is_caught(tmp_path: Path, site: Path) -> None:
    install(site, "kit_forgets", "def cloche_creators(): return []\n")
    assert "implements no hook" in broken_promises(plugin_checks("kit_forgets"), tmp_path)["loads"]


def test_a_command_that_no_entry_point_leads_to_is_caught(tmp_path: Path, site: Path) -> None:
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
    assert "the command `kit_lost` needs an entry point" in broken_promises(plugin_checks("kit_two"), tmp_path)["loads"]


# At a terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal([require("dash"), "-i"], tmp_path, {"PS1": "$ ", "PATH": os.environ["PATH"]}) as shell:
        yield shell


def test_a_terminal_waits_for_the_prompt_that_is_drawn(terminal: Terminal) -> None:
    terminal.expect("$ ")
    terminal.enter("PS1='later> '")
    terminal.expect("later> ")
    terminal.enter("echo said; sleep 0.5; PS1='now> '")
    terminal.expect("now> ")
    assert "said" in terminal.shown.splitlines()


def test_a_terminal_shows_what_is_there_instead_of_the_prompt(terminal: Terminal) -> None:
    terminal.expect("$ ")
    with pytest.raises(Broken, match=r"the prompt is not drawn as 'other> '; the screen is\n\$"):
        terminal.expect("other> ", seconds=0.5)


def test_a_terminal_can_be_waited_for_without_knowing_its_prompt(terminal: Terminal) -> None:
    terminal.rest()
    assert terminal.line == "$"
    terminal.enter("sleep 0.4; PS1='rested> '")
    terminal.rest()
    assert terminal.line == "rested>"


def test_a_terminal_survives_the_end_of_its_program(terminal: Terminal) -> None:
    terminal.expect("$ ")
    terminal.enter("exit")
    with pytest.raises(Broken, match="the prompt is not drawn"):
        terminal.expect("$ ", seconds=1)


# The pieces


def test_a_fake_interpreter_is_of_a_known_kind_and_takes_changes() -> None:
    assert fake_interpreter().name == "CPython 3.12.1"
    assert fake_interpreter("cpython-3.13t-linux").name == "CPython 3.13.0 free-threaded"
    assert fake_interpreter("pypy-3.10-linux", bits=32).bits == 32
    with pytest.raises(TypeError, match="has no field `colour`"):
        fake_interpreter(colour="red")


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


def test_a_watch_hears_nothing_of_reading_and_of_allowed_places(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    with Watch([str(tmp_path / "allowed")]) as watch:
        (tmp_path / "allowed" / "file").write_text("text")
        (tmp_path / "allowed" / "file").read_text()
        os.listdir(tmp_path)
        os.stat(tmp_path)
        open(os.devnull, "w").close()
    assert watch.deeds == []
    with Watch([str(tmp_path / "allowed")]) as watch:
        (tmp_path / "allowed-not").mkdir()
    assert watch.deeds == [f"makes the directory `{tmp_path / 'allowed-not'}`"]


def test_a_watch_ends_when_it_is_left(tmp_path: Path) -> None:
    with Watch() as watch:
        pass
    (tmp_path / "later").mkdir()
    assert watch.deeds == []


def test_watches_hear_independently_of_each_other(tmp_path: Path) -> None:
    with Watch() as outer:
        with Watch([str(tmp_path)]) as inner:
            (tmp_path / "file").write_text("text")
        os.remove(tmp_path / "file")
    assert inner.deeds == []
    assert outer.deeds == [f"opens `{tmp_path / 'file'}` for writing", f"removes `{tmp_path / 'file'}`"]
