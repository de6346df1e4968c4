"""Installation metadata in `build-details.json` (PEP 739, Python 3.14), which is read without starting a process.

It is used only to skip installations that cannot satisfy a request. Everything else comes from the probe.
"""

from __future__ import annotations

import json
import os

from cloche.discovery.serialization import RELEASE_LEVELS
from cloche.fs import read_at_most
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from cloche.model.aliases import Version

FILE_NAME = "build-details.json"
MAX_BYTES = 1 << 16
"""The maximum size of the file."""


class BuildDetails(Value):
    """The fields of a `build-details.json` that a request may depend on."""

    implementation: str
    version: Version
    free_threaded: bool
    debug: bool


def read_build_details(executable: str) -> BuildDetails | None:
    """Return the build details of an executable, None if there are none, or if they describe another executable."""
    real = os.path.realpath(executable)
    directory, name = os.path.split(real)
    prefix = os.path.dirname(directory)
    stdlibs = [os.path.join(prefix, lib, name) for lib in ("lib", "lib64")]
    if name.lower().endswith(".exe"):
        stdlibs = [os.path.join(directory, "Lib")]
    return next((details for stdlib in stdlibs if (details := _read_if_about(stdlib, real)) is not None), None)


def _read_if_about(stdlib: str, executable: str) -> BuildDetails | None:
    try:
        details = json.loads(read_at_most(os.path.join(stdlib, FILE_NAME), MAX_BYTES) or b"")
        if os.path.samefile(os.path.join(stdlib, details["base_interpreter"]), executable):
            return _parse(details)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        pass
    return None


def _parse(details: dict[str, dict[str, dict[str, int]]]) -> BuildDetails:
    """Return the build details in the parsed file.

    :raises ValueError, TypeError, LookupError, AttributeError: the content does not follow PEP 739.
    """
    implementation = details["implementation"]
    version = implementation["version"]
    level = str(version["releaselevel"])
    if level not in RELEASE_LEVELS:
        raise ValueError(f"unknown release level: {level}")
    flags = details.get("abi", {}).get("flags", {})
    numbers = (int(version["major"]), int(version["minor"]), int(version["micro"]))
    return BuildDetails(
        str(implementation["name"]), (*numbers, level, int(version["serial"])), "t" in flags, "d" in flags
    )
