"""The finder `pyenv`: the versions that pyenv has installed; its shims on PATH start only the active one."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Pyenv:
    """Yields `$PYENV_ROOT/versions/*/bin/python`, newest first; pyenv-win's `pyenv-win\\versions` on Windows."""

    name = "pyenv"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if root := data_directory(host):
            for path in installations.installed_executables(os.path.join(root, "versions"), spec, host):
                yield Candidate(path, self.name)


def data_directory(host: Host) -> str:
    """Return pyenv's root directory, which need not exist; empty if it is unknown."""
    if root := host.environ.get("PYENV_ROOT"):
        return root
    if host.os_name == "nt":
        profile = host.environ.get("USERPROFILE", "")
        return host.environ.get("PYENV") or (os.path.join(profile, ".pyenv", "pyenv-win") if profile else "")
    user_home = host.environ.get("HOME", "")
    return os.path.join(user_home, ".pyenv") if user_home else ""


finder = Pyenv()
