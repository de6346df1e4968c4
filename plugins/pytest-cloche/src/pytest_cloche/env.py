"""An environment as a test wants it: where things are, and a way to run what is in it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cloche import Environment, Interpreter

OUTSIDE = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV_PROMPT", "__PYVENV_LAUNCHER__")
"""Variables by which the Python that runs the tests would have a part in another one."""


LIST = """
import json
from importlib.metadata import distributions
print(json.dumps({one.metadata["Name"]: one.version for one in distributions()}))
"""


@dataclass(frozen=True)
class Env:
    """An environment that belongs to a test."""

    environment: Environment

    @property
    def root(self) -> Path:
        return self.environment.root

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.environment.executable

    @property
    def bin(self) -> Path:
        """Where its console scripts stand."""
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
        """The environment variables as they are when it is active."""
        kept = {name: text for name, text in os.environ.items() if name not in OUTSIDE}
        path = os.pathsep.join(filter(None, [str(self.bin), kept.get("PATH")]))
        return {**kept, "VIRTUAL_ENV": str(self.root), "PATH": path}

    def run(self, program: str | Path, *arguments: str | Path, check: bool = True, **variables: str) -> str:
        """Run a program as if the environment were active, and return what it writes on standard output.

        :param program: a path, or the name of a program; that of the environment comes first.
        :param check: whether another exit code than 0 is an error.
        :param variables: environment variables besides `environ`.
        :raises AssertionError: it ended with another exit code than 0; the message has all its output.
        """
        done = subprocess.run(
            [self._found(program), *map(str, arguments)],
            env={**self.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{program} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _found(self, program: str | Path) -> str:
        """Return the path of a program: on Windows PATH of the child is not searched."""
        from shutil import which

        return which(str(program), path=self.environ["PATH"]) or str(program)

    def install(self, *requirements: str | Path, index: bool = False) -> None:
        """Install with the environment's pip; from the index only if that is asked.

        :raises AssertionError: pip failed; the message has all its output.
        """
        offline = [] if index else ["--no-index", "--no-build-isolation"]
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        self.run(self.python, "-m", "pip", "install", *quiet, *offline, *requirements)

    def packages(self) -> dict[str, str]:
        """Return what is installed: version by name."""
        found: dict[str, str] = json.loads(self.run(self.python, "-c", LIST))
        return found
