"""The executable that a user means by a path: the file itself, or the Python in the directory."""

from __future__ import annotations

import os

from cloche.discovery.base_interpreter import without_dots
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host

RELATIVE_EXECUTABLES = (
    *("bin/python3", "bin/python", "bin/pypy3", "bin/pypy", "bin/graalpy"),
    *("Scripts/python.exe", "python.exe", "pypy3.exe", "pypy.exe", "bin/graalpy.exe"),
)
"""Paths of the executable, relative to the directory of an environment or an installation."""


def executable_at(path: str, host: Host) -> str:
    """Return the executable for a path from the command line: the file itself, or the Python in the directory."""
    if not os.path.lexists(path):
        path = path.strip()  # `set VARIABLE=value & …` in cmd sets a value with a space at its end
    if path.startswith("~"):
        user_home = host.environ.get("HOME") or host.environ.get("USERPROFILE", "")
        path = user_home + path[1:] if path[1:2] in ("", "/", "\\") and user_home else os.path.expanduser(path)
    if not os.path.isabs(path) and host.cwd:
        path = without_dots(os.path.join(host.cwd, path))
    if os.path.isdir(path):
        for name in possible_executables(path):
            if os.path.isfile(executable := os.path.join(path, *name.split("/"))):
                return executable
    if host.os_name == "nt" and not os.path.isfile(path) and os.path.isfile(f"{path}.exe"):
        return f"{path}.exe"
    return path


def possible_executables(directory: str) -> Iterator[str]:
    """Yield the relative paths that an executable may have in an environment, an installation, or the `bin` of one."""
    yield from RELATIVE_EXECUTABLES
    yield from (f"bin/{name}" for name in versioned_names(os.path.join(directory, "bin")))
    if os.path.basename(os.path.normpath(directory)) == "bin":
        yield from (name.removeprefix("bin/") for name in RELATIVE_EXECUTABLES if name.startswith("bin/"))
        yield from versioned_names(directory)


def versioned_names(directory: str) -> list[str]:
    """Return the names `python3.N` in a directory, newest first: `make altinstall` installs no other name."""
    try:
        names = [name for name in os.listdir(directory) if name.startswith(("python3.", "pypy3."))]
    except OSError:
        return []
    numbers = {name: name.partition(".")[2].rstrip("td") for name in names}
    return sorted((name for name, number in numbers.items() if number.isdigit()), key=lambda name: -int(numbers[name]))
