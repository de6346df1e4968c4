"""Run what an activator gives in the shell it is for, and compare what child processes see before, while and after.

Many cases share one process of the shell where all goes well: some take a second to start.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cloche.errors import Inexpressible
from cloche.model.value import replace, value
from cloche.testing.checks import Check, broken, missing_tool, not_applicable
from cloche.testing.fakes import KINDS, fake_environment
from cloche.testing.hostile import HOSTILE, directory_name, supported_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.model.environment import Environment, Placement, Script
    from cloche.plugins.hookspecs import Activator


@value
class Shell:
    """How to run something in a shell; `{text}` and `{script}` stand for a word as the activator's quoter writes it."""

    command: tuple[str, ...]
    """The program and its options; the path of a script to run is added. The program is looked for on PATH."""
    echo: str
    """A statement that writes `{text}` on standard output as it is, without a newline: `printf %s {text}`."""
    activate: str = ". {script}"
    """A statement that runs the activation script."""
    deactivate: str = "deactivate"
    call: str = "{command}"
    """A statement that runs a program, where naming it with its arguments is not enough: `exec {command}`."""
    suffix: str = ""
    """What the name of a script to run has to end with."""
    leaves: tuple[str, ...] = ()
    """Variables that the shell itself changes from one statement to the next."""
    withheld: tuple[str, ...] = ()
    """Variables that must not be set before the shell starts, since it does not survive them."""


DUMP = """\
import json, os, sys
with open(sys.argv[1], "w") as file:
    json.dump(dict(os.environ), file)
"""

CHANGED = (
    "PATH",
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "PYTHONHOME",
    "PKG_CONFIG_PATH",
    "TCL_LIBRARY",
    "TK_LIBRARY",
)
"""The variables that an activated environment may change."""

START: Mapping[str, Mapping[str, str]] = {
    "unset": {},
    "blank": dict.fromkeys(CHANGED[1:], ""),
    "set": {
        "VIRTUAL_ENV": "/old/environment",
        "VIRTUAL_ENV_PROMPT": "old prompt",
        "PYTHONHOME": sys.base_prefix,
        "PKG_CONFIG_PATH": os.pathsep.join(["/old/pkgconfig", "/older/pkgconfig"]),
        "TCL_LIBRARY": "/old/tcl",
        "TK_LIBRARY": "/old/tk",
    },
}
"""What the variables may be before, by the name of the case."""

WHERE: Mapping[Placement, str] = {"fixed": "in", "relocatable": "copied to"}

RESTLESS = frozenset(("_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES"))
"""Variables that are the shell's own bookkeeping."""


@value
class Ran:
    """What came of running a script."""

    output: str
    errors: str
    code: int
    left: tuple[str, ...]
    """Files that appeared in the directory in which it ran."""

    def explained(self) -> str:
        said = self.errors.strip() or self.output.strip()
        return f" (exit code {self.code}" + (f": {said[-600:]})" if said else ")")


class Runner:
    """Runs statements in the shell, many in one process where it can: some shells take a second to start."""

    def __init__(self, activator: Activator, shell: Shell) -> None:
        self.activator = activator
        self.shell = shell
        self._echoed: dict[str, str | None] | None = None
        self._activated: dict[str, tuple[dict[str, list[str]], Ran]] = {}
        self._typed: tuple[dict[str, list[str]], Ran] | None = None

    def program(self) -> str:
        """Return the shell's path, or skip."""
        found = shutil.which(self.shell.command[0])
        if not found:
            missing_tool(f"`{self.shell.command[0]}` is not on PATH")
        return os.path.abspath(found)

    def run(self, statements: Sequence[str], directory: Path, variables: Mapping[str, str] | None = None) -> Ran:
        """Run statements as a script in its own directory, with few variables beside `variables`."""
        for name in ("home", "cwd"):
            (directory / name).mkdir(exist_ok=True)
        script = directory / "cwd" / f"script{self.shell.suffix}"  # some shells look for files beside the script
        script.write_bytes("\n".join([*statements, ""]).encode("utf-8"))
        there = os.listdir(directory / "cwd")
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP") if name in os.environ}
        own = {"HOME": str(directory / "home"), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        ran = subprocess.run(
            [self.program(), *self.shell.command[1:], str(script)],
            cwd=directory / "cwd",
            env={**kept, **own, **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Ran(
            ran.stdout.decode("utf-8", "replace"),
            ran.stderr.decode("utf-8", "replace"),
            ran.returncode,
            tuple(sorted({*os.listdir(directory / "cwd")} - {*there})),
        )

    # Quoting

    def echo(self, texts: Mapping[str, str]) -> tuple[dict[str, str | None], Ran]:
        """Return what the shell says when it is told to say each of the texts; None where it says nothing."""
        statements = [
            self.shell.echo.replace("{text}", self.activator.quote(said))
            for number, text in enumerate(texts.values())
            for said in (f"begin{number}x", text, f"end{number}x")
        ]
        with tempfile.TemporaryDirectory() as directory:
            ran = self.run(statements, Path(directory))
        found: dict[str, str | None] = {}
        for number, name in enumerate(texts):
            _, begun, rest = ran.output.partition(f"begin{number}x")
            said, ended, _ = rest.partition(f"end{number}x")
            found[name] = said if begun and ended else None
        return found, ran

    def check_quoting(self, name: str, _: Path) -> None:
        """A text that is quoted comes out of the shell as it is, and nothing in it is run."""
        self.program()
        if not self.expresses(HOSTILE[name]):
            not_applicable(f"the shell cannot express {HOSTILE[name]!r}")
        if self._echoed is None:
            texts = {name: text for name, text in HOSTILE.items() if self.expresses(text)}
            together, ran = self.echo(texts)
            self._echoed = {} if ran.left else together
        if self._echoed.get(name) == HOSTILE[name]:
            return
        alone, ran = self.echo({name: HOSTILE[name]})
        quoted = self.activator.quote(HOSTILE[name])
        if ran.left:
            broken(f"the shell runs what stands in {HOSTILE[name]!r}, quoted as {quoted}")
        if alone[name] != HOSTILE[name]:
            broken(f"{HOSTILE[name]!r}, quoted as {quoted}, is {alone[name]!r} to the shell{ran.explained()}")

    def expresses(self, text: str) -> bool:
        try:
            self.activator.quote(text)
        except Inexpressible:
            return False
        return True

    # Activation

    def prepared(self, directory: Path, name: str, prompt: str, tcl: str = "") -> Environment | None:
        """Return an environment of which nothing but the scripts exists; None if the activator cannot express it."""
        kind = supported_kinds(self.activator)[0]
        changes = {"tcl_library": tcl, "tk_library": tcl and f"{tcl} tk"}
        root = directory / name
        environment = fake_environment(root, replace(KINDS[kind], **changes), prompt=prompt)
        try:
            scripts = list(self.activator.scripts(environment))
        except Inexpressible:
            return None
        write(scripts, environment)
        return environment

    def copied(self, directory: Path, name: str) -> Environment | None:
        """Return a relocatable environment that is a copy of another; None if the activator cannot serve one there.

        The other one is still where it was made, so that a script which leads there by mistake succeeds.
        """
        kind = supported_kinds(self.activator)[0]
        root = directory / "where it was made" / "env"
        original = fake_environment(root, KINDS[kind], placement="relocatable", naming="directory")
        scripts = list(self.activator.scripts(original))
        copy = replace(original, location=str(directory / name), prompt=name)
        if any(str(root) in script.text for script in scripts):
            return None  # what names its place makes no promise of finding it
        try:
            self.activator.scripts(replace(copy, placement="fixed"))
        except Inexpressible:
            return None
        for environment in (original, copy):
            if not environment.bin.exists():
                write(scripts, environment)
        return copy

    def activation(self, environment: Environment) -> str:
        """Return the statement that activates; its script is the first one that the activator gives."""
        script = next(iter(self.activator.scripts(environment)))
        path = environment.path_to(f"{environment.layout.bin}/{script.name}")
        return self.shell.activate.replace("{script}", self.activator.quote(path))

    def dump(self, directory: Path, name: str) -> str:
        """Return a statement that writes down the variables which a child process gets."""
        if not (directory / "dump.py").exists():
            (directory / "dump.py").write_text(DUMP)
        words = [sys.executable, "-I", "-S", str(directory / "dump.py"), str(directory / name)]
        quoted = [self.activator.quote(word) if " " in word else word for word in words]
        return self.shell.call.replace("{command}", " ".join(quoted))

    def go_through(
        self, environments: Mapping[str, Sequence[Environment]], directory: Path, variables: Mapping[str, str]
    ) -> tuple[dict[str, list[str]], Ran]:
        """Activate, look, deactivate, look; for each case in turn, in one shell. Return what is wrong, by case."""
        statements = [self.dump(directory, "before.json")]
        for number, several in enumerate(environments.values()):
            statements += [self.activation(environment) for environment in several]
            statements += [self.dump(directory, f"active{number}.json")]
            statements += [self.shell.deactivate, self.dump(directory, f"after{number}.json")]
        ran = self.run(statements, directory, variables)
        before = read(directory / "before.json")
        found = {}
        for number, (name, several) in enumerate(environments.items()):
            active, after = read(directory / f"active{number}.json"), read(directory / f"after{number}.json")
            found[name] = differences(several[-1], before, active, after, self.shell.leaves)
        return found, ran

    def check_activation(self, case: str, variables: Mapping[str, str], names: Sequence[str], _: Path) -> None:
        """Activation sets what it should, and deactivation puts back what was there, down to unset and empty."""
        self.program()
        variables = {name: text for name, text in variables.items() if name not in self.shell.withheld}
        with tempfile.TemporaryDirectory() as directory:
            made = [self.prepared(Path(directory), name, f"({name})", "/lib/tcl 8.6") for name in dict.fromkeys(names)]
            known = {os.path.basename(one.location): one for one in made if one is not None}
            several = [known[name] for name in names if name in known]
            if len(several) < len(names):
                broken("the scripts cannot be written for an environment with a plain name")
            found, ran = self.go_through({case: several}, Path(directory), variables)
        self.complain(found[case], ran)
        if ran.output:
            broken(f"activation says {ran.output!r} on standard output")

    def check_hostile_activation(self, placement: Placement, name: str, _: Path) -> None:
        """An environment of that name, made there or copied there, is activated and left; nothing in the name is run."""
        self.program()
        if placement not in self._activated:
            self._activated[placement] = self.activate_hostile(placement, HOSTILE)
        together, ran = self._activated[placement]
        if name not in together:
            not_applicable(f"the activator cannot serve an environment {WHERE[placement]} {HOSTILE[name]!r}")
        if together[name] == [] and not ran.left:
            return
        found, ran = self.activate_hostile(placement, {name: HOSTILE[name]})
        if ran.left:
            broken(f"activating an environment named {HOSTILE[name]!r} runs what stands in the name")
        self.complain(found[name], ran)

    def activate_hostile(self, placement: Placement, texts: Mapping[str, str]) -> tuple[dict[str, list[str]], Ran]:
        with tempfile.TemporaryDirectory() as directory:
            prepared = {
                name: self.prepared(Path(directory), directory_name(text), text)
                if placement == "fixed"
                else self.copied(Path(directory), directory_name(text))
                for name, text in texts.items()
            }
            possible = {name: [one] for name, one in prepared.items() if one is not None}
            return self.go_through(possible, Path(directory), {})

    # The command that users type

    def check_source_line(self, name: str, _: Path) -> None:
        """The command of `source_line` activates an environment of that name; nothing in the name is run."""
        self.program()
        if self._typed is None:
            self._typed = self.type_commands(HOSTILE)
        together, ran = self._typed
        if name not in together:
            not_applicable(f"`source_line` refuses a path with {HOSTILE[name]!r}")
        if together[name] == [] and not ran.left:
            return
        found, ran = self.type_commands({name: HOSTILE[name]})
        if ran.left:
            broken(f"the command that `source_line` returns for {HOSTILE[name]!r} runs what stands in the name")
        self.complain(found[name], ran)

    def type_commands(self, texts: Mapping[str, str]) -> tuple[dict[str, list[str]], Ran]:
        """Activate environments of these names by relative paths, in one shell. Return what is wrong, by case."""
        with tempfile.TemporaryDirectory() as directory:
            statements, made = [], {}
            for number, (name, text) in enumerate(texts.items()):
                environment = self.prepared(Path(directory, "cwd"), directory_name(text), "prompt")
                if environment is None:
                    continue
                script = next(iter(self.activator.scripts(environment))).name
                try:
                    line = self.activator.source_line(f"./{directory_name(text)}/{environment.layout.bin}/{script}")
                except Inexpressible:
                    continue
                made[name] = (environment, line, f"typed{number}.json")
                statements += [line, self.dump(Path(directory), made[name][2])]
            ran = self.run(statements, Path(directory))
            found = {}
            for name, (environment, line, file) in made.items():
                variables = read(Path(directory, file)) or {}
                told = variables.get("VIRTUAL_ENV")
                found[name] = [] if told == environment.location else [f"after {line} `VIRTUAL_ENV` is {shown(told)}"]
        return found, ran

    def complain(self, found: Sequence[str], ran: Ran) -> None:
        if found:
            broken("; ".join(found) + ran.explained())


def shell_checks(activator: Activator, shell: Shell) -> list[Check]:
    """Return the checks that run an activator's scripts in its shell."""
    runner = Runner(activator, shell)
    typed = HOSTILE if hasattr(activator, "source_line") else ()
    return [
        *(Check(f"source-line-{name}", partial(runner.check_source_line, name)) for name in typed),
        *(Check(f"quoting-{name}", partial(runner.check_quoting, name)) for name in HOSTILE),
        *(Check(f"activation-{name}", partial(runner.check_hostile_activation, "fixed", name)) for name in HOSTILE),
        *(Check(f"copied-{name}", partial(runner.check_hostile_activation, "relocatable", name)) for name in HOSTILE),
        *(
            Check(f"variables-{case}", partial(runner.check_activation, case, variables, ["one"]))
            for case, variables in START.items()
        ),
        Check("activated-twice", partial(runner.check_activation, "twice", START["set"], ["one", "one"])),
        Check("nested", partial(runner.check_activation, "nested", START["unset"], ["one", "other"])),
        Check("back-and-forth", partial(runner.check_activation, "thrice", START["set"], ["one", "other", "one"])),
    ]


def write(scripts: Sequence[Script], environment: Environment) -> None:
    """Put scripts where an environment has them."""
    environment.bin.mkdir(parents=True)
    for script in scripts:
        text = script.text.replace("\n", script.newline)
        encoding = "utf-8-sig" if script.byte_order_mark else "utf-8"
        (environment.bin / script.name).write_bytes(text.encode(encoding))


def read(path: Path) -> dict[str, str] | None:
    """Return the variables that were written down; None if the shell did not get so far."""
    try:
        found: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found


def differences(
    environment: Environment,
    before: Mapping[str, str] | None,
    active: Mapping[str, str] | None,
    after: Mapping[str, str] | None,
    restless: Sequence[str],
) -> list[str]:
    """Return what is wrong with the variables at three moments, as phrases."""
    if before is None or active is None or after is None:
        moment = "before activation" if before is None else "while active" if active is None else "after deactivation"
        return [f"the script stopped: nothing was written down {moment}"]
    values = environment.values
    wanted = {
        "VIRTUAL_ENV": values["ROOT"],
        "VIRTUAL_ENV_PROMPT": values["PROMPT"],
        "PATH": prefixed(values["BIN"], before.get("PATH")),
        "PKG_CONFIG_PATH": prefixed(values["PKG_CONFIG"], before.get("PKG_CONFIG_PATH")),
        "TCL_LIBRARY": values["TCL_LIBRARY"] or before.get("TCL_LIBRARY"),
        "TK_LIBRARY": values["TK_LIBRARY"] or before.get("TK_LIBRARY"),
        "PYTHONHOME": None,
    }
    wrong = [
        f"while active `{name}` is {shown(active.get(name))}, not {shown(text)}"
        for name, text in wanted.items()
        if active.get(name) != text
    ]
    ignored = RESTLESS | set(restless)
    wrong += [
        f"after deactivation `{name}` is {shown(after.get(name))}, and was {shown(before.get(name))}"
        for name in sorted((before.keys() | after.keys()) - ignored)
        if before.get(name) != after.get(name)
    ]
    return wrong


def prefixed(entry: str, rest: str | None) -> str:
    return f"{entry}{os.pathsep}{rest}" if rest else entry


def shown(text: str | None) -> str:
    return "unset" if text is None else repr(text)
