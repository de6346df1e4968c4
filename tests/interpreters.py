"""The real interpreters of this machine, for tests that start them."""

from __future__ import annotations

import os
import shutil

from tests.tools import skip_missing

MINORS = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
DEBIAN = "/usr/bin/python3"


def pyenv(minor: str) -> str:
    """Return the executable of a version that pyenv has installed, or skip."""
    root = os.path.join(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"), "versions")
    found = [name for name in (os.listdir(root) if os.path.isdir(root) else []) if name.startswith(f"{minor}.")]
    if not found:
        skip_missing(f"pyenv has no Python {minor}")
    return os.path.join(root, min(found), "bin", "python")


def debian() -> str:
    """Return the executable that the distribution provides, or skip."""
    if not os.path.isfile("/etc/debian_version") or not os.path.isfile(DEBIAN):
        skip_missing("there is no Debian with a python3")
    return DEBIAN


def pypy() -> str:
    """Return the executable of a PyPy on PATH, or skip."""
    if not (found := shutil.which("pypy3")):
        skip_missing("`pypy3` is not on PATH")
    return os.path.realpath(found)
