"""Checks that run the scripts of an activator in its shell.

They compare the variables of child processes before activation, while the environment is active, and after deactivation.
Cases share a shell process as long as they pass, because some shells take a second to start.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cloche.errors import Inexpressible
from cloche.model.value import replace
from cloche.testing.checks import Check, broken, not_applicable
from cloche.testing.fakes import KINDS, fake_environment
from cloche.testing.hostile import HOSTILE, directory_name, supported_kinds
from cloche.testing.shells import program_of, run_script, write_scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloche.model.aliases import Placement
    from cloche.model.environment import Environment
    from cloche.plugins.hookspecs import Activator
    from cloche.testing.shells import ScriptRun, Shell


DUMP = """\
import json, os, sys
with open(sys.argv[1], "w") as file:
    json.dump(dict(os.environ), file)
"""

ACTIVATION_VARIABLES = (
    "PATH",
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "PYTHONHOME",
    "PKG_CONFIG_PATH",
    "TCL_LIBRARY",
    "TK_LIBRARY",
)
"""The variables that activation may change."""

INITIAL_VARIABLES: Mapping[str, Mapping[str, str]] = {
    "unset": {},
    "blank": dict.fromkeys(ACTIVATION_VARIABLES[1:], ""),
    "set": {
        "VIRTUAL_ENV": "/old/environment",
        "VIRTUAL_ENV_PROMPT": "old prompt",
        "PYTHONHOME": sys.base_prefix,
        "PKG_CONFIG_PATH": os.pathsep.join(["/old/pkgconfig", "/older/pkgconfig"]),
        "TCL_LIBRARY": "/old/tcl",
        "TK_LIBRARY": "/old/tk",
    },
}
"""The variables that are set before activation, by the name of the case."""

PREPOSITIONS: Mapping[Placement, str] = {"fixed": "in", "relocatable": "copied to"}

SHELL_VARIABLES = frozenset(("_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES"))
"""Variables that every shell may change."""


class Runner:
    """Runs the statements of many cases in one process of a shell."""

    def __init__(self, activator: Activator, shell: Shell) -> None:
        self.activator = activator
        self.shell = shell
        self._echoed: dict[str, str | None] | None = None
        self._activated: dict[str, tuple[dict[str, list[str]], ScriptRun]] = {}
        self._sourced: tuple[dict[str, list[str]], ScriptRun] | None = None

    # Quoting

    def echo(self, texts: Mapping[str, str]) -> tuple[dict[str, str | None], ScriptRun]:
        """Print quoted texts in the shell; return the output for each text, or None if it is missing."""
        statements = [
            self.shell.echo.replace("{text}", self.activator.quote(piece))
            for number, text in enumerate(texts.values())
            for piece in (f"begin{number}x", text, f"end{number}x")
        ]
        with tempfile.TemporaryDirectory() as directory:
            ran = run_script(self.shell, statements, Path(directory))
        printed: dict[str, str | None] = {}
        for number, name in enumerate(texts):
            _, begin, rest = ran.output.partition(f"begin{number}x")
            text, end, _ = rest.partition(f"end{number}x")
            printed[name] = text if begin and end else None
        return printed, ran

    def check_quoting(self, name: str, _: Path) -> None:
        """Check that the shell prints a quoted text unchanged, and runs no command in it."""
        program_of(self.shell)
        if not self.can_quote(HOSTILE[name]):
            not_applicable(f"the shell cannot express {HOSTILE[name]!r}")
        if self._echoed is None:
            texts = {name: text for name, text in HOSTILE.items() if self.can_quote(text)}
            printed, ran = self.echo(texts)
            self._echoed = {} if ran.new_files else printed
        if self._echoed.get(name) == HOSTILE[name]:
            return
        printed, ran = self.echo({name: HOSTILE[name]})
        quoted = self.activator.quote(HOSTILE[name])
        if ran.new_files:
            broken(f"the shell runs a command in {HOSTILE[name]!r}, quoted as {quoted}")
        if printed[name] != HOSTILE[name]:
            broken(f"the shell reads {HOSTILE[name]!r}, quoted as {quoted}, as {printed[name]!r}{ran.details()}")

    def can_quote(self, text: str) -> bool:
        """Return whether the activator can quote a text."""
        try:
            self.activator.quote(text)
        except Inexpressible:
            return False
        return True

    # Activation

    def create_environment(self, directory: Path, name: str, prompt: str, tcl: str = "") -> Environment | None:
        """Create an environment that contains only the scripts; return None if the activator cannot express it."""
        kind = supported_kinds(self.activator)[0]
        changes = {"tcl_library": tcl, "tk_library": tcl and f"{tcl} tk"}
        root = directory / name
        environment = fake_environment(root, replace(KINDS[kind], **changes), prompt=prompt)
        try:
            scripts = list(self.activator.scripts(environment))
        except Inexpressible:
            return None
        write_scripts(scripts, environment)
        return environment

    def copy_environment(self, directory: Path, name: str) -> Environment | None:
        """Create a relocatable environment and copy it; return the copy, or None if the activator does not support it.

        The original remains, so that a script which activates it by mistake succeeds, and the check notices.
        """
        kind = supported_kinds(self.activator)[0]
        root = directory / "original" / "env"
        original = fake_environment(root, KINDS[kind], placement="relocatable", naming="directory")
        scripts = list(self.activator.scripts(original))
        copy = replace(original, location=str(directory / name), prompt=name)
        if any(str(root) in script.text for script in scripts):
            return None  # scripts that contain the path need not work in a copy
        try:
            self.activator.scripts(replace(copy, placement="fixed"))
        except Inexpressible:
            return None
        for environment in (original, copy):
            if not environment.bin.exists():
                write_scripts(scripts, environment)
        return copy

    def activation(self, environment: Environment) -> str:
        """Return the statement that activates an environment with the activator's first script."""
        script = next(iter(self.activator.scripts(environment)))
        path = environment.path_to(f"{environment.layout.bin}/{script.name}")
        return self.shell.activate.replace("{script}", self.activator.quote(path))

    def dump(self, directory: Path, name: str) -> str:
        """Return a statement that writes the variables of a child process to the file `name`."""
        if not (directory / "dump.py").exists():
            (directory / "dump.py").write_text(DUMP)
        words = [sys.executable, "-I", "-S", str(directory / "dump.py"), str(directory / name)]
        quoted = [self.activator.quote(word) if " " in word else word for word in words]
        return self.shell.call.replace("{command}", " ".join(quoted))

    def run_cases(
        self, cases: Mapping[str, Sequence[Environment]], directory: Path, variables: Mapping[str, str]
    ) -> tuple[dict[str, list[str]], ScriptRun]:
        """Activate the environments of each case and deactivate the last one, in one shell.

        :return: the problems of each case, and the result of the script.
        """
        statements = [self.dump(directory, "before.json")]
        for number, environments in enumerate(cases.values()):
            statements += [self.activation(environment) for environment in environments]
            statements += [self.dump(directory, f"active{number}.json")]
            statements += [self.shell.deactivate, self.dump(directory, f"after{number}.json")]
        ran = run_script(self.shell, statements, directory, variables)
        before = read_variables(directory / "before.json")
        problems = {}
        for number, (name, environments) in enumerate(cases.items()):
            active = read_variables(directory / f"active{number}.json")
            after = read_variables(directory / f"after{number}.json")
            problems[name] = find_problems(environments[-1], before, active, after, self.shell.leaves)
        return problems, ran

    def check_activation(self, case: str, variables: Mapping[str, str], names: Sequence[str], _: Path) -> None:
        """Check that activation sets the right variables, and that deactivation restores them exactly.

        A program on PATH is called `deactivate`, as with pyenv-virtualenv.
        """
        program_of(self.shell)
        variables = {name: text for name, text in variables.items() if name not in self.shell.withheld}
        with tempfile.TemporaryDirectory() as directory:
            created = {
                name: self.create_environment(Path(directory), name, f"({name})", "/lib/tcl 8.6")
                for name in dict.fromkeys(names)
            }
            environments = [environment for name in names if (environment := created[name]) is not None]
            if len(environments) < len(names):
                broken("`scripts` refuses an environment with a plain name")
            path = os.pathsep.join([write_deactivate(Path(directory, "programs")), os.environ.get("PATH", os.defpath)])
            problems, ran = self.run_cases({case: environments}, Path(directory), {"PATH": path, **variables})
        if ran.new_files:
            broken("activation runs the program `deactivate` on PATH; run only a function of the shell")
        self.report(problems[case], ran)
        if ran.output:
            broken(f"activation prints {ran.output!r} to standard output")

    def check_hostile_activation(self, placement: Placement, name: str, _: Path) -> None:
        """Check that an environment with this name can be activated and deactivated, and that no command in it runs."""
        program_of(self.shell)
        if placement not in self._activated:
            self._activated[placement] = self.activate_hostile(placement, HOSTILE)
        problems, ran = self._activated[placement]
        if name not in problems:
            where = f"{PREPOSITIONS[placement]} {HOSTILE[name]!r}"
            not_applicable(f"the activator does not support an environment {where}")
        if problems[name] == [] and not ran.new_files:
            return
        problems, ran = self.activate_hostile(placement, {name: HOSTILE[name]})
        if ran.new_files:
            broken(f"activating an environment named {HOSTILE[name]!r} runs a command in the name")
        self.report(problems[name], ran)

    def activate_hostile(
        self, placement: Placement, texts: Mapping[str, str]
    ) -> tuple[dict[str, list[str]], ScriptRun]:
        """Run a case for each of these names that the activator supports; see `run_cases`."""
        with tempfile.TemporaryDirectory() as directory:
            environments = {
                name: self.create_environment(Path(directory), directory_name(text), text)
                if placement == "fixed"
                else self.copy_environment(Path(directory), directory_name(text))
                for name, text in texts.items()
            }
            cases = {name: [environment] for name, environment in environments.items() if environment is not None}
            return self.run_cases(cases, Path(directory), {})

    # The result of `source_line`

    def check_source_line(self, name: str, _: Path) -> None:
        """Check that the command activates an environment with this name, and that no command in the name runs."""
        program_of(self.shell)
        if self._sourced is None:
            self._sourced = self.run_source_lines(HOSTILE)
        problems, ran = self._sourced
        if name not in problems:
            not_applicable(f"`source_line` refuses a path with {HOSTILE[name]!r}")
        if problems[name] == [] and not ran.new_files:
            return
        problems, ran = self.run_source_lines({name: HOSTILE[name]})
        if ran.new_files:
            broken(f"the command that `source_line` returns for {HOSTILE[name]!r} runs a command in the name")
        self.report(problems[name], ran)

    def run_source_lines(self, texts: Mapping[str, str]) -> tuple[dict[str, list[str]], ScriptRun]:
        """Activate environments with these names by relative paths, in one shell.

        :return: the problems of each environment, and the result of the script.
        """
        with tempfile.TemporaryDirectory() as directory:
            statements, sourced = [], {}
            source_line: Callable[[str], str] = getattr(self.activator, "source_line")  # noqa: B009 (optional)
            for number, (name, text) in enumerate(texts.items()):
                environment = self.create_environment(Path(directory, "cwd"), directory_name(text), "prompt")
                if environment is None:
                    continue
                script = next(iter(self.activator.scripts(environment))).name
                try:
                    line = source_line(f"./{directory_name(text)}/{environment.layout.bin}/{script}")
                except Inexpressible:
                    continue
                sourced[name] = (environment, line, f"sourced{number}.json")
                statements += [line, self.dump(Path(directory), sourced[name][2])]
            ran = run_script(self.shell, statements, Path(directory))
            problems = {}
            for name, (environment, line, file) in sourced.items():
                root = (read_variables(Path(directory, file)) or {}).get("VIRTUAL_ENV")
                is_correct = root == environment.location
                problems[name] = [] if is_correct else [f"after {line}, `VIRTUAL_ENV` is {describe(root)}"]
        return problems, ran

    def report(self, problems: Sequence[str], ran: ScriptRun) -> None:
        """Report the problems of a case.

        :raises Broken: there is a problem.
        """
        if problems:
            stopped = problems[0] if problems[0].startswith("the script stopped") else ""
            broken("; ".join(problems) + ran.details(), cause=stopped)


def shell_checks(activator: Activator, shell: Shell) -> list[Check]:
    """Return the checks that run an activator's scripts in its shell."""
    runner = Runner(activator, shell)
    sourced = HOSTILE if hasattr(activator, "source_line") else ()
    return [
        *(Check(f"source-line-{name}", partial(runner.check_source_line, name)) for name in sourced),
        *(Check(f"quoting-{name}", partial(runner.check_quoting, name)) for name in HOSTILE),
        *(Check(f"activation-{name}", partial(runner.check_hostile_activation, "fixed", name)) for name in HOSTILE),
        *(Check(f"copied-{name}", partial(runner.check_hostile_activation, "relocatable", name)) for name in HOSTILE),
        *(
            Check(f"variables-{case}", partial(runner.check_activation, case, variables, ["one"]))
            for case, variables in INITIAL_VARIABLES.items()
        ),
        *(
            Check(case, partial(runner.check_activation, case, INITIAL_VARIABLES[variables], names))
            for case, variables, names in (
                ("activated-twice", "set", ["one", "one"]),
                ("nested", "unset", ["one", "other"]),
                ("back-and-forth", "set", ["one", "other", "one"]),
            )
        ),
    ]


def write_deactivate(directory: Path) -> str:
    """Create a directory with a program called `deactivate`, which creates a file in the current directory; return it."""
    directory.mkdir()
    program = directory / "deactivate"
    program.write_text("#!/bin/sh\n: > deactivate-ran\n")
    program.chmod(0o755)
    return str(directory)


def read_variables(path: Path) -> dict[str, str] | None:
    """Return the variables that a child process wrote to a file; None if the shell did not start it."""
    try:
        variables: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return variables


def find_problems(
    environment: Environment,
    before: Mapping[str, str] | None,
    active: Mapping[str, str] | None,
    after: Mapping[str, str] | None,
    ignored: Sequence[str],
) -> list[str]:
    """Return the problems with the variables before activation, while active and after deactivation, as phrases.

    :param ignored: variables that deactivation need not restore.
    """
    if before is None or active is None or after is None:
        moment = "before activation" if before is None else "while active" if active is None else "after deactivation"
        return [f"the script stopped {moment}"]
    values = environment.values
    expected = {
        "VIRTUAL_ENV": values["ROOT"],
        "VIRTUAL_ENV_PROMPT": values["PROMPT"],
        "PATH": prepend(values["BIN"], before.get("PATH")),
        "PKG_CONFIG_PATH": prepend(values["PKG_CONFIG"], before.get("PKG_CONFIG_PATH")),
        "TCL_LIBRARY": values["TCL_LIBRARY"] or before.get("TCL_LIBRARY"),
        "TK_LIBRARY": values["TK_LIBRARY"] or before.get("TK_LIBRARY"),
        "PYTHONHOME": None,
    }
    problems = [
        f"while active, `{name}` is {describe(active.get(name))}, not {describe(text)}"
        for name, text in expected.items()
        if active.get(name) != text
    ]
    problems += [
        f"after deactivation, `{name}` is {describe(after.get(name))}, but was {describe(before.get(name))}"
        for name in sorted((before.keys() | after.keys()) - SHELL_VARIABLES - set(ignored))
        if before.get(name) != after.get(name)
    ]
    return problems


def prepend(entry: str, rest: str | None) -> str:
    return f"{entry}{os.pathsep}{rest}" if rest else entry


def describe(text: str | None) -> str:
    return "unset" if text is None else repr(text)
