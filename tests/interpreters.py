"""Find the real interpreters on this machine. If one is missing, the test is skipped with the reason."""

from __future__ import annotations

import os
import shutil

from tests.tools import skip_missing

MINORS = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
DEBIAN = "/usr/bin/python3"


def pyenv(minor: str) -> str:
    """Return the executable of a Python that pyenv installed, by its minor version (`3.12`), or skip the test."""
    root = os.path.join(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"), "versions")
    found = [name for name in (os.listdir(root) if os.path.isdir(root) else []) if name.startswith(f"{minor}.")]
    if not found:
        skip_missing(f"pyenv has no Python {minor}")
    return os.path.join(root, min(found), "bin", "python")


def debian() -> str:
    """Return the executable of Debian's own Python, or skip the test."""
    if not os.path.isfile("/etc/debian_version") or not os.path.isfile(DEBIAN):
        skip_missing("this system is not Debian, or has no python3")
    return DEBIAN


def pypy() -> str:
    """Return the executable of the PyPy on PATH, or skip the test."""
    if not (found := shutil.which("pypy3")):
        skip_missing("`pypy3` is not on PATH")
    return os.path.realpath(found)
