"""Download wheels with pip, so that the user's settings for index, proxy and certificates apply."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.store.pip_settings import INDEX_OPTIONS, error_line, pip_environ, read_pip_settings
from cloche.store.tags import abi_tag, supported_tags

if TYPE_CHECKING:
    from cloche.model.interpreter import Host, Interpreter
    from cloche.store import Store
    from cloche.store.requirements import Requirement

TIMEOUT_SECONDS = 300.0
"""Seconds after which a download is stopped."""


def download_wheel(requirement: Requirement, interpreter: Interpreter, store: Store) -> str:
    """Download the newest wheel for an interpreter from the user's index into the store, and return its path.

    :raises SeedError: pip cannot be run, or fails; the message contains its error.
    """
    wheels = store.writable_directory("wheels")
    store.progress(f"downloading {requirement} for {interpreter.name}")
    environ = _environ(store.host)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=wheels) as directory:
        command = [
            store.host.executable or sys.executable,
            "-m",
            "pip",
            *_arguments(requirement, interpreter, directory),
        ]
        try:
            completed = subprocess.run(
                command,
                cwd=directory,  # `-m` imports pip from the current directory if it has one
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _download_error(requirement, f"timed out after {TIMEOUT_SECONDS:.0f} s") from None
        except OSError as error:
            raise _download_error(requirement, f"`{command[0]}` cannot be run ({reason_of(error)})") from error
        found = [name for name in os.listdir(directory) if name.endswith(".whl")]
        if completed.returncode != 0 or len(found) != 1:
            raise _download_error(requirement, error_line(completed.stdout))
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


def _environ(host: Host) -> dict[str, str]:
    """Return the environment variables for pip, with the user's settings for the index, and no others."""
    kept = {name: text for name, text in pip_environ(host.environ).items() if not name.startswith("PIP_")}
    settings = read_pip_settings(host).variables(INDEX_OPTIONS)
    return {**kept, **settings, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def _download_error(requirement: Requirement, reason: str) -> SeedError:
    return SeedError(
        f"pip could not download `{requirement}`: {reason}",
        hint=f"for details, run `python -m pip download {requirement}`; `--no-download` avoids the network",
    )
