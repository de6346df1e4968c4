"""Find external references: files outside an environment that name it. They are reported, never changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.fs import list_names, read_at_most
from cloche.lifecycle.relocation import Relocation, is_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host

PROJECT_FILES = (".envrc", ".vscode/settings.json", ".git/hooks/pre-commit", ".venv", "pyrightconfig.json", "Makefile")
"""Files beside an environment, relative to its parent directory, that often name it."""

HOME_DIRECTORIES = (".local/bin", ".local/share/jupyter/kernels", "Library/Jupyter/kernels", ".config/systemd/user")
"""Directories, relative to the home directory, whose links and files often name environments."""


def find_external_references(location: str, host: Host) -> list[str]:
    """Return descriptions of everything outside an environment that names it."""
    found = [f"`{path}`" for path in candidate_files(location, host) if refers_to(path, location)]
    if is_within(os.path.normpath(host.environ.get("VIRTUAL_ENV", "")), location):
        found.append("`VIRTUAL_ENV` in this shell")
    return found


def candidate_files(location: str, host: Host) -> Iterator[str]:
    """Yield the paths of files, existing or not, that may name an environment."""
    project = os.path.dirname(location)
    yield from (os.path.join(project, name) for name in PROJECT_FILES)
    if home := host.environ.get("HOME") or host.environ.get("USERPROFILE"):
        for directory in HOME_DIRECTORIES:
            for name in list_names(os.path.join(home, directory)):
                path = os.path.join(home, directory, name)
                yield os.path.join(path, "kernel.json") if os.path.isdir(path) else path


def refers_to(path: str, location: str) -> bool:
    """Return whether a symbolic link points into a directory, or the first 64 KiB of a file contain its path."""
    try:
        if os.path.islink(path):
            return is_within(os.path.join(os.path.dirname(path), os.readlink(path)), location)
        return Relocation(((location, ""),)).mentions_old_root(
            (read_at_most(path, 1 << 16) or b"").decode("utf-8", "surrogateescape")
        )
    except OSError:
        return False
