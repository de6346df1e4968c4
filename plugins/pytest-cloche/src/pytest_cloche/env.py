"""The environment that tests get: its paths, and functions to run programs and install packages."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cloche import Environment, Interpreter

EXCLUDED_VARIABLES = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV_PROMPT", "__PYVENV_LAUNCHER__")
"""Variables that are meant for the Python that runs the tests, and would affect another Python."""

REDIRECTIONS = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_DRY_RUN", "PIP_REQUIREMENT", "PIP_PYTHON")
"""Variables that make pip install something else, or somewhere else."""

LIST_PACKAGES = """
import json
from importlib.metadata import distributions
print(json.dumps({one.metadata["Name"]: one.version for one in distributions()}))
"""


@dataclass(frozen=True)
class Env:
    """A Python environment for a test."""

    environment: Environment

    @property
    def root(self) -> Path:
        return self.environment.root

    @property
    def python(self) -> Path:
        """The environment's Python executable."""
        return self.environment.executable

    @property
    def bin(self) -> Path:
        """The directory of executables and console scripts."""
        return self.environment.bin

    @property
    def site_packages(self) -> Path:
        return self.environment.purelib

    @property
    def interpreter(self) -> Interpreter:
        """The base interpreter."""
        assert self.environment.interpreter is not None
        return self.environment.interpreter

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that programs get when the environment is active."""
        inherited = {name: text for name, text in os.environ.items() if name not in EXCLUDED_VARIABLES + REDIRECTIONS}
        return {**inherited, **self._activation}

    @property
    def _activation(self) -> dict[str, str]:
        """The variables that activation sets."""
        path = os.pathsep.join(filter(None, [str(self.bin), os.environ.get("PATH")]))
        return {"VIRTUAL_ENV": str(self.root), "PATH": path}

    def run(self, program: str | Path, *arguments: str | Path, check: bool = True, **variables: str) -> str:
        """Run a program as if the environment were active, and return its standard output.

        :param program: a path, or the name of a program; the environment's programs come first.
        :param check: whether a nonzero exit code is an error.
        :param variables: environment variables in addition to `environ`.
        :raises AssertionError: the exit code is not 0; the message contains all output.
        :raises OSError: the program cannot be started.
        """
        __tracebackhide__ = True
        return self._run([program, *arguments], {**self.environ, **variables}, check=check)

    def _run(self, command: Sequence[str | Path], environ: Mapping[str, str], *, check: bool = True) -> str:
        """Run a program with these environment variables, and return its standard output."""
        __tracebackhide__ = True
        program, *arguments = command
        try:
            result = subprocess.run(
                [self._program_path(program), *map(str, arguments)],
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise error.with_traceback(None) from None  # without the lines of `subprocess`
        if check and result.returncode != 0:
            raise AssertionError(f"{program} exited with {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def _program_path(self, program: str | Path) -> str:
        """Return the path of a program; on Windows, `subprocess` does not search the PATH of the child process."""
        from shutil import which

        return which(str(program), path=self.environ["PATH"]) or str(program)

    def install(self, *requirements: str | Path, index: bool = False) -> None:
        """Install packages with the environment's pip.

        :param index: whether to install from the package index.
        :raises AssertionError: pip fails; the message contains all output.
        """
        __tracebackhide__ = True
        offline = [] if index else ["--no-index", "--no-build-isolation"]
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        arguments = [self.python, "-m", "pip", "install", *quiet, *offline, *requirements]
        try:
            self._run(arguments, {**self._pip_environ(index=index), **self._activation})
        except AssertionError as error:
            if index:
                raise
            raise AssertionError(f"{error}\nthe package index was not used; `index=True` allows it") from None

    def _pip_environ(self, *, index: bool) -> dict[str, str]:
        """Return the variables for pip, without settings that change what it installs, or where."""
        import cloche

        if index:
            return cloche.pip_environ(self.environment)
        kept = {
            name: text
            for name, text in self.environ.items()
            if not name.upper().startswith("PIP_") or name == "PIP_FIND_LINKS"
        }
        return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_ISOLATED": "1"}

    def packages(self) -> dict[str, str]:
        """Return the versions of the installed packages, by name."""
        __tracebackhide__ = True
        found: dict[str, str] = json.loads(self.run(self.python, "-c", LIST_PACKAGES))
        return found
