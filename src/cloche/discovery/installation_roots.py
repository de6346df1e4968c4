"""Installation roots: the directories in which pyenv, mise and asdf install versions of Python."""

from __future__ import annotations

import os

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLES = ("PYENV_ROOT", "MISE_DATA_DIR", "ASDF_DATA_DIR", "XDG_DATA_HOME", "HOME")
"""The variables that the roots depend on."""


def installation_roots(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the roots, which need not exist."""
    home = environ.get("HOME", "")
    for data, hidden, below in (
        (environ.get("PYENV_ROOT"), ".pyenv", ("versions",)),
        (mise_data_directory(environ), "", ("installs", "python")),
        (environ.get("ASDF_DATA_DIR"), ".asdf", ("installs", "python")),
    ):
        root = data or (os.path.join(home, hidden) if home and hidden else "")
        if os.path.isabs(root):
            yield os.path.join(root, *below)


def mise_data_directory(environ: Mapping[str, str]) -> str:
    """Return the directory of mise's installations and shims, which need not exist; empty if it is unknown."""
    home = environ.get("HOME", "")
    data = environ.get("XDG_DATA_HOME") or (os.path.join(home, ".local", "share") if home else "")
    return environ.get("MISE_DATA_DIR") or (os.path.join(data, "mise") if data else "")
