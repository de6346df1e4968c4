"""The finder `mise`: the Python versions that mise has installed."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Mise:
    """Yields `$MISE_DATA_DIR/installs/python/*/bin/python`, newest first."""

    name = "mise"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if root := data_directory(host):
            for path in installations.installed_executables(os.path.join(root, "installs", "python"), spec, host):
                yield Candidate(path, self.name)


def data_directory(host: Host) -> str:
    """Return mise's data directory, which need not exist; empty if it is unknown."""
    if root := host.environ.get("MISE_DATA_DIR"):
        return root
    if host.os_name == "nt":
        local = host.environ.get("LOCALAPPDATA", "")
        return os.path.join(local, "mise") if local else ""
    user_home = host.environ.get("HOME", "")
    data = host.environ.get("XDG_DATA_HOME") or (os.path.join(user_home, ".local", "share") if user_home else "")
    return os.path.join(data, "mise") if data else ""


finder = Mise()
