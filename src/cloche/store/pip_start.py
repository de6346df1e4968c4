"""Start a pip before it is published: its metadata may claim to support a Python that it does not run on.

pip 21.3.1, for example, accepts every Python since 3.6, and uses a part of the standard library that 3.12 removed.
"""

from __future__ import annotations

import os
import subprocess
from importlib.util import MAGIC_NUMBER
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.programs import python_environ

if TYPE_CHECKING:
    from cloche.model.interpreter import Host, Interpreter
    from cloche.store.distributions import Distribution

TIMEOUT_SECONDS = 60.0
"""Seconds that pip may take to print its version."""

PROGRAM = """\
import runpy, sys
sys.path.insert(0, sys.argv[1])
sys.argv[:] = ["pip", "--version"]
runpy.run_module("pip", run_name="__main__")
"""


def is_known_to_start(distribution: Distribution, interpreter: Interpreter) -> bool:
    """Return whether a pip needs no test: it came with the interpreter, or is that of cloche on the same version."""
    beside = distribution.kind == "installed" and interpreter.magic == MAGIC_NUMBER.hex()
    return distribution.name != "pip" or beside or distribution.location.startswith(interpreter.stdlib)


def refuse_broken_pip(distribution: Distribution, interpreter: Interpreter, host: Host, directory: str) -> None:
    """Start the pip in a directory for packages.

    :raises SeedError: it does not start.
    """
    command = [interpreter.executable, "-I", "-S", "-B", "-W", "ignore", "-c", PROGRAM, directory]
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    environ = {name: text for name, text in python_environ(host.environ).items() if not name.startswith("PIP_")}
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env={**environ, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            stdin=nothing,
            stdout=pipe,
            stderr=pipe,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        problem = f"no answer after {TIMEOUT_SECONDS:.0f} s"
    except OSError as error:
        problem = reason_of(error)
    else:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        if done.returncode == 0 and done.stdout.startswith(b"pip "):
            return
        problem = lines[-1] if lines else f"exit code {done.returncode}"
    raise SeedError(
        f"pip {distribution.version} does not start with {interpreter.name}: {problem}",
        hint="choose another version with `--pip`",
    )
