"""Start a seed before an environment gets it: its metadata may claim to support a Python that it does not run on.

pip 21.3.1, for example, accepts every Python since 3.6, and uses a part of the standard library that 3.12 removed. So do
setuptools 65 and wheel 0.30. Other packages are not started: only these three need nothing else, and are known to be safe
to start.
"""

from __future__ import annotations

import os
import subprocess
from importlib.util import MAGIC_NUMBER
from typing import TYPE_CHECKING

from cloche.apply.processes import run_program
from cloche.errors import SeedError, reason_of
from cloche.programs import python_environ

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.model.distribution import Image
    from cloche.model.interpreter import Host, Interpreter
    from cloche.store.distributions import Distribution

TIMEOUT_SECONDS = 60.0
"""Seconds that a seed may take to start."""

SEARCH = "import sys; sys.path[:0] = sys.argv[1:]\n"

PROGRAMS = {
    "pip": f"{SEARCH}import runpy; sys.argv[:] = ['pip', '--version']; runpy.run_module('pip', run_name='__main__')",
    "setuptools": f"{SEARCH}import setuptools",
    "wheel": f"{SEARCH}import runpy; sys.argv[:] = ['wheel', 'version']; runpy.run_module('wheel', run_name='__main__')",
}
"""A program for each seed that is started; its arguments are directories for packages."""


def is_known_to_start(distribution: Distribution, interpreter: Interpreter) -> bool:
    """Return whether the image of a distribution is built without a test: any but pip, and a pip that is known to run.

    The pip of the interpreter itself is known to run, and so is the pip beside cloche if both Pythons have the same version.
    """
    beside = distribution.kind == "installed" and interpreter.magic == MAGIC_NUMBER.hex()
    return distribution.name != "pip" or beside or distribution.location.startswith(interpreter.stdlib)


def refuse_broken_builders(images: Iterable[Image], interpreter: Interpreter, host: Host) -> None:
    """Start setuptools and wheel, if they are among these images, with the packages of the others.

    :raises SeedError: one of them does not start.
    """
    images = [*images]
    trees = [f"{image.root}/{tree}" for image in images for tree in ("purelib", "platlib")]
    for image in images:
        if image.distribution in ("setuptools", "wheel"):
            refuse_broken_seed(image.distribution, image.version, interpreter, host, trees)


def refuse_broken_seed(
    name: str, version: str, interpreter: Interpreter, host: Host, directories: Iterable[str]
) -> None:
    """Start a seed.

    :param directories: those that have its packages.
    :raises SeedError: it does not start.
    """
    command = [interpreter.executable, "-I", "-S", "-B", "-W", "ignore", "-c", PROGRAMS[name], *directories]
    environ = {name: text for name, text in python_environ(host.environ).items() if not name.startswith("PIP_")}
    try:
        environ = {**environ, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = run_program(command, environ, interpreter.prefix, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        problem = f"no answer after {TIMEOUT_SECONDS:.0f} s"
    except OSError as error:
        problem = reason_of(error)
    else:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        if done.returncode == 0 and (name != "pip" or done.stdout.startswith(b"pip ")):
            return
        problem = lines[-1] if lines else f"exit code {done.returncode}"
    raise SeedError(
        f"{name} {version} does not start with {interpreter.name}: {problem}",
        hint="request another version",
    )
