"""A shell that reads the scripts of an activator: how to run statements in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from cloche.model.value import Value
from cloche.testing.checks import missing_tool
from cloche.testing.fakes import fake_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cloche.model.environment import Environment, Script
    from cloche.plugins.hookspecs import Activator


class Shell(Value):
    """How to run statements in a shell; `{text}` and `{script}` are replaced by words that the activator quotes."""

    command: tuple[str, ...]
    """The program, which is searched for on PATH, and its options; the path of a script is appended."""
    echo: str
    """A statement that writes `{text}` to standard output, unchanged and without a newline: `printf %s {text}`."""
    activate: str = ". {script}"
    """A statement that sources the activation script."""
    deactivate: str = "deactivate"
    """A statement that deactivates the environment."""
    call: str = "{command}"
    """A statement that runs a program, for shells in which its name and arguments are not enough: `exec {command}`."""
    suffix: str = ""
    """The file name extension that a script must have."""
    leaves: tuple[str, ...] = ()
    """Variables that the shell itself changes between statements."""
    withheld: tuple[str, ...] = ()
    """Variables that must not be set when the shell starts, because it would fail."""


class ScriptRun(Value):
    """The result of running a script."""

    output: str
    errors: str
    code: int
    new_files: tuple[str, ...]
    """The names of files that the script created in its directory."""

    def details(self) -> str:
        """Return the exit code and the last part of the output, in parentheses, to append to a message."""
        text = self.errors.strip() or self.output.strip()
        return f" (exit code {self.code}" + (f": {text[-600:]})" if text else ")")


def program_of(shell: Shell) -> str:
    """Return the path of the shell, or skip the test if it is not installed."""
    found = shutil.which(shell.command[0])
    if not found:
        missing_tool(f"`{shell.command[0]}` is not on PATH")
    return os.path.abspath(found)


def run_script(
    shell: Shell, statements: Sequence[str], directory: Path, variables: Mapping[str, str] | None = None
) -> ScriptRun:
    """Run statements as a script in the subdirectory `cwd`, with `variables` and a few others."""
    for name in ("home", "cwd"):
        (directory / name).mkdir(exist_ok=True)
    script = directory / "cwd" / f"script{shell.suffix}"  # some shells look for files beside the script
    script.write_bytes("\n".join([*statements, ""]).encode("utf-8"))
    existing = os.listdir(directory / "cwd")
    inherited = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP") if name in os.environ}
    fixed = {"HOME": str(directory / "home"), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    ran = subprocess.run(
        [program_of(shell), *shell.command[1:], str(script)],
        cwd=directory / "cwd",
        env={**inherited, **fixed, **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return ScriptRun(
        ran.stdout.decode("utf-8", "replace"),
        ran.stderr.decode("utf-8", "replace"),
        ran.returncode,
        tuple(sorted({*os.listdir(directory / "cwd")} - {*existing})),
    )


def environment_with_scripts(activator: Activator, root: str | os.PathLike[str], prompt: str = "") -> Environment:
    """Create an environment that contains only the scripts of an activator, for a test that runs them in their shell.

    :param root: its directory, which must not exist.
    :param prompt: the text that the prompt shows; by default the name of the directory.
    """
    environment = fake_environment(root, prompt=prompt or os.path.basename(os.fspath(root)))
    write_scripts(list(activator.scripts(environment)), environment)
    return environment


def write_scripts(scripts: Sequence[Script], environment: Environment) -> None:
    """Write scripts into the `bin` directory of an environment, which must not exist."""
    environment.bin.mkdir(parents=True)
    for script in scripts:
        text = script.text.replace("\n", script.newline)
        encoding = "utf-8-sig" if script.byte_order_mark else "utf-8"
        (environment.bin / script.name).write_bytes(text.encode(encoding))
