"""What an installation says of itself in `build-details.json` (PEP 739, Python 3.14); nothing is started for it.

It only serves to pass over what cannot satisfy a request: all facts of what is chosen come from the probe.
"""

from __future__ import annotations

import json
import os

from cloche.discovery.record import LEVELS
from cloche.fs.files import read_regular
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from cloche.model.interpreter import Version

NAME = "build-details.json"
LARGEST = 1 << 16
"""Bytes that are read."""


@value
class Declared:
    implementation: str
    version: Version
    free_threaded: bool
    debug: bool


def declared(executable: str) -> Declared | None:
    """Return what stands beside the standard library of an executable, None if nothing, or nothing about it."""
    real = os.path.realpath(executable)
    directory, name = os.path.split(real)
    prefix = os.path.dirname(directory)
    places = [os.path.join(prefix, lib, name) for lib in ("lib", "lib64")]
    if name.lower().endswith(".exe"):
        places = [os.path.join(directory, "Lib")]
    return next((told for place in places if (told := _told(place, real)) is not None), None)


def _told(place: str, executable: str) -> Declared | None:
    try:
        details = json.loads(read_regular(os.path.join(place, NAME), LARGEST) or b"")
        if os.path.samefile(os.path.join(place, details["base_interpreter"]), executable):
            return _read(details)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        pass
    return None


def _read(details: dict[str, dict[str, dict[str, int]]]) -> Declared:
    """:raises ValueError, TypeError, LookupError, AttributeError: it is not what PEP 739 says."""
    implementation = details["implementation"]
    version = implementation["version"]
    level = str(version["releaselevel"])
    if level not in LEVELS:
        raise ValueError(f"no such release level: {level}")
    flags = details.get("abi", {}).get("flags", {})
    numbers = (int(version["major"]), int(version["minor"]), int(version["micro"]))
    return Declared(str(implementation["name"]), (*numbers, level, int(version["serial"])), "t" in flags, "d" in flags)
