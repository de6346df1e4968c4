"""The finder `conda`: the base environments of conda, mamba and similar tools."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

INSTALLER_DIRECTORIES = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba")
"""The directory names that installers use, in the home directory and in the system's directories."""


class Conda:
    """Yields the Python of each base environment: the active one first, then those in the default locations.

    A named environment counts as its base environment; an active environment elsewhere counts as itself.
    """

    name = "conda"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        for root in dict.fromkeys(filter(None, base_directories(host))):
            if is_environment(root) and (path := installations.find_executable(root, spec, host)):
                yield Candidate(path, self.name)


def is_environment(directory: str) -> bool:
    """Return whether a directory is an environment of conda, a base environment or another."""
    return os.path.isdir(os.path.join(directory, "conda-meta"))


def base_directories(host: Host) -> Iterator[str]:
    """Yield the directories that may be base environments; some may be empty strings."""
    environ = host.environ
    yield environ.get("_CONDA_ROOT", "")
    for name in ("CONDA_EXE", "MAMBA_EXE"):  # .../bin/conda, ...\Scripts\conda.exe
        yield os.path.dirname(os.path.dirname(environ.get(name, "")))
    yield environ.get("MAMBA_ROOT_PREFIX", "")
    prefix = environ.get("CONDA_PREFIX", "")
    base = os.path.dirname(os.path.dirname(prefix))
    yield base if is_environment(base) else prefix
    user_home = environ.get("HOME") or environ.get("USERPROFILE", "")
    in_opt = os.path.join(user_home, "opt") if user_home else ""  # where the graphical installer for macOS puts it
    for directory in (user_home, in_opt, environ.get("LOCALAPPDATA", ""), environ.get("PROGRAMDATA", "")):
        if directory:
            yield from (os.path.join(directory, name) for name in INSTALLER_DIRECTORIES)
    if host.os_name == "posix":
        yield from ("/opt/conda", *(f"/opt/{name}" for name in INSTALLER_DIRECTORIES))
        yield from ("/opt/homebrew/Caskroom/miniconda/base", "/opt/homebrew/Caskroom/miniforge/base")


finder = Conda()
