"""The base environments of conda, mamba and their like; a named environment stands for the base it was made from."""

from __future__ import annotations

import os

from cloche.builtin.finders import installs
from cloche.model.interpreter import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

USUAL = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba")
"""Names of installations in the user's home and beside it."""


class Conda:
    """Gives the Python of each base environment: of the active one first, then of where installers put them."""

    name = "conda"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        for root in dict.fromkeys(filter(None, roots(host))):
            if os.path.isdir(os.path.join(root, "conda-meta")) and (path := installs.executable(root, spec, host)):
                yield Candidate(path, self.name)


def roots(host: Host) -> Iterator[str]:
    """Yield where a base environment may be."""
    environ = host.environ
    yield environ.get("_CONDA_ROOT", "")
    for name in ("CONDA_EXE", "MAMBA_EXE"):  # .../bin/conda, ...\Scripts\conda.exe
        yield os.path.dirname(os.path.dirname(environ.get(name, "")))
    yield environ.get("MAMBA_ROOT_PREFIX", "")
    prefix = environ.get("CONDA_PREFIX", "")
    parent = os.path.dirname(prefix)
    yield os.path.dirname(parent) if os.path.basename(parent) == "envs" else prefix
    user_home = environ.get("HOME") or environ.get("USERPROFILE", "")
    for directory in (user_home, environ.get("LOCALAPPDATA", ""), environ.get("PROGRAMDATA", "")):
        if directory:
            yield from (os.path.join(directory, name) for name in USUAL)
    if host.os_name == "posix":
        yield from ("/opt/conda", *(f"/opt/{name}" for name in USUAL))
        yield from ("/opt/homebrew/Caskroom/miniconda/base", "/opt/homebrew/Caskroom/miniforge/base")


finder = Conda()
