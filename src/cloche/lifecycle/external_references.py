"""What lies around an environment and names it: to be told to the user, who alone may change it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.fs.files import read_at_most
from cloche.lifecycle.reader import listed
from cloche.lifecycle.relocation import Relocation, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host

BESIDE = (".envrc", ".vscode/settings.json", ".git/hooks/pre-commit", ".venv", "pyrightconfig.json", "Makefile")
"""Files of a project that name its environment."""

AT_HOME = (".local/bin", ".local/share/jupyter/kernels", "Library/Jupyter/kernels", ".config/systemd/user")
"""Directories of a user's home in which links and files name environments."""


def mentions(location: str, host: Host) -> list[str]:
    """Return what outside of an environment names it, for people."""
    found = [f"`{path}`" for path in candidates(location, host) if names(path, location)]
    if within(os.path.normpath(host.environ.get("VIRTUAL_ENV", "")), location):
        found.append("this shell, in which it is active")
    return found


def candidates(location: str, host: Host) -> Iterator[str]:
    project = os.path.dirname(location)
    yield from (os.path.join(project, name) for name in BESIDE)
    if home := host.environ.get("HOME") or host.environ.get("USERPROFILE"):
        for directory in AT_HOME:
            for name in listed(os.path.join(home, directory)):
                path = os.path.join(home, directory, name)
                yield os.path.join(path, "kernel.json") if os.path.isdir(path) else path


def names(path: str, location: str) -> bool:
    """Return whether a link leads into a directory, or a file has its path in it."""
    try:
        if os.path.islink(path):
            return within(os.path.join(os.path.dirname(path), os.readlink(path)), location)
        return Relocation(((location, ""),)).names_old(
            (read_at_most(path, 1 << 16) or b"").decode("utf-8", "surrogateescape")
        )
    except OSError:
        return False
