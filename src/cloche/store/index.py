"""Downloads of wheels, made by running pip itself, so that the user's index, proxy and certificates are respected."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.store.tags import abi, supported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.requirements import Requirement

PATIENCE = 300.0
"""Seconds after which a download is given up."""


def download(requirement: Requirement, interpreter: Interpreter, store: Store) -> str:
    """Return the path of the newest wheel that the user's index has for an interpreter, now in the store.

    :raises SeedError: pip cannot be run or found none; the message has its last words.
    """
    room = store.writable_directory("wheels")
    store.progress(f"downloading {requirement} for {interpreter.name}")
    with tempfile.TemporaryDirectory(prefix=".download-", dir=room) as place:
        command = [store.host.executable or sys.executable, "-m", "pip", *_arguments(requirement, interpreter, place)]
        try:
            ran = subprocess.run(
                command,
                cwd=place,  # `-m` looks for pip in the current directory first
                env=_environ(store.host.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _failure(requirement, f"took more than {PATIENCE:.0f} s") from None
        except OSError as error:
            raise _failure(requirement, f"cannot be run ({reason_of(error)})") from error
        found = [name for name in os.listdir(place) if name.endswith(".whl")]
        if ran.returncode != 0 or len(found) != 1:
            raise _failure(requirement, f"said: {_last_words(ran.stdout)}")
        kept = os.path.join(room, found[0])
        if os.path.isdir(kept) and not os.path.islink(kept):
            shutil.rmtree(kept, ignore_errors=True)
        os.replace(os.path.join(place, found[0]), kept)  # what is there may be damaged
    return kept


def _arguments(requirement: Requirement, interpreter: Interpreter, place: str) -> list[str]:
    """Return the arguments of pip that choose for another Python than the one that runs it."""
    platforms = {tag.rpartition("-")[2] for tag in supported(interpreter)} - {"any"}
    arguments = ["download", "--no-deps", "--only-binary", ":all:", "--dest", place, "--no-cache-dir"]
    arguments += ["--python-version", ".".join(map(str, interpreter.version[:3]))]
    arguments += ["--implementation", "pp" if interpreter.implementation == "pypy" else "cp"]
    for tag in filter(None, (abi(interpreter), "abi3" if interpreter.implementation == "cpython" else "", "none")):
        arguments += ["--abi", tag]
    for platform in sorted(platforms) or ["any"]:
        arguments += ["--platform", platform]
    return [*arguments, "--", str(requirement)]


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables, in which the user's own settings of pip stay."""
    kept = {name: text for name, text in environ.items() if name not in ("__PYVENV_LAUNCHER__", "PYTHONHOME")}
    return {
        **kept,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",  # nothing is installed
    }


def _last_words(output: bytes) -> str:
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["nothing"]
    return errors[-1].removeprefix("ERROR:").strip()


def _failure(requirement: Requirement, reason: str) -> SeedError:
    return SeedError(
        f"pip was to download `{requirement}` and {reason}",
        hint="see what `python -m pip download` says, or do without the network",
    )
