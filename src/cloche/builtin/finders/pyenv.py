"""What pyenv has installed, read from disk: its shims on PATH work for the version that is active, and for no other."""

from __future__ import annotations

import os

from cloche.builtin.finders import installs
from cloche.model.interpreter import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Pyenv:
    """Gives `$PYENV_ROOT/versions/*/bin/python`, newest first; pyenv-win's `pyenv-win\\versions` on Windows."""

    name = "pyenv"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if root := location(host):
            for path in installs.installed(os.path.join(root, "versions"), spec, host):
                yield Candidate(path, self.name)


def location(host: Host) -> str:
    """Return the directory of pyenv, whether it exists or not; empty if it cannot be named."""
    if root := host.environ.get("PYENV_ROOT"):
        return root
    if host.os_name == "nt":
        profile = host.environ.get("USERPROFILE", "")
        return host.environ.get("PYENV") or (os.path.join(profile, ".pyenv", "pyenv-win") if profile else "")
    user_home = host.environ.get("HOME", "")
    return os.path.join(user_home, ".pyenv") if user_home else ""


finder = Pyenv()
