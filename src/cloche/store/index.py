"""Download wheels with pip, so that the user's settings for index, proxy and certificates apply."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.programs.pip import run_pip
from cloche.store.tags import abi_tag, supported_tags

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.requirements import Requirement


def download_wheel(requirement: Requirement, interpreter: Interpreter, store: Store) -> str:
    """Download the newest wheel for an interpreter from the user's index into the store, and return its path.

    :raises SeedError: pip cannot be run, or fails; the message contains its error.
    """
    wheels = store.writable_directory("wheels")
    store.progress(f"downloading {requirement} for {interpreter.name}")
    with tempfile.TemporaryDirectory(prefix=".download-", dir=wheels) as directory:
        command = [store.host.executable or sys.executable, "-m", "pip"]
        ran = run_pip(command, _arguments(requirement, interpreter, directory), store.host, directory)
        if ran.problem:
            raise _download_error(requirement, ran.problem)
        found = [name for name in os.listdir(directory) if name.endswith(".whl")]
        if len(found) != 1:
            raise _download_error(requirement, f"pip reported success, but downloaded {len(found)} wheels")
        wheel = os.path.join(wheels, found[0])
        if os.path.isdir(wheel) and not os.path.islink(wheel):
            shutil.rmtree(wheel, ignore_errors=True)
        os.replace(os.path.join(directory, found[0]), wheel)  # an existing file may be damaged
    return wheel


def _arguments(requirement: Requirement, interpreter: Interpreter, directory: str) -> list[str]:
    """Return the arguments that make pip download for `interpreter`, not for the Python that runs pip."""
    platforms = {tag.rpartition("-")[2] for tag in supported_tags(interpreter)} - {"any"}
    arguments = ["download", "--no-deps", "--only-binary", ":all:", "--dest", directory, "--no-cache-dir"]
    arguments += ["--python-version", ".".join(map(str, interpreter.version[:3]))]
    arguments += ["--implementation", "pp" if interpreter.implementation == "pypy" else "cp"]
    for tag in filter(None, (abi_tag(interpreter), "abi3" if interpreter.implementation == "cpython" else "", "none")):
        arguments += ["--abi", tag]
    for platform in sorted(platforms) or ["any"]:
        arguments += ["--platform", platform]
    return [*arguments, "--", str(requirement)]


def _download_error(requirement: Requirement, reason: str) -> SeedError:
    return SeedError(
        f"pip could not download `{requirement}`: {reason}",
        hint=f"for details, run `python -m pip download {requirement}`; `--no-download` avoids the network",
    )
