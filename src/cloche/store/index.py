"""Download wheels with pip, so that the user's settings for index, proxy and certificates apply."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.store.tags import abi_tag, supported_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.interpreter import Interpreter
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
                env=_environ(store.host.environ),
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
            raise _download_error(requirement, _error_line(completed.stdout))
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


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for pip; the user's own `PIP_*` settings are kept."""
    kept = {name: text for name, text in environ.items() if name not in ("__PYVENV_LAUNCHER__", "PYTHONHOME")}
    return {
        **kept,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",  # it forbids installing outside environments, but nothing is installed
    }


def _error_line(output: bytes) -> str:
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["no error message"]
    return errors[-1].removeprefix("ERROR:").strip()


def _download_error(requirement: Requirement, reason: str) -> SeedError:
    return SeedError(
        f"pip could not download `{requirement}`: {reason}",
        hint=f"for details, run `python -m pip download {requirement}`; `--no-download` avoids the network",
    )
