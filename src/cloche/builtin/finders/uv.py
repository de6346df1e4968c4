"""The finder `uv`: the Pythons that uv has installed."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Uv:
    """Yields `$UV_PYTHON_INSTALL_DIR/cpython-3.12-*/bin/python`, newest first, by the link for the minor version."""

    name = "uv"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if root := data_directory(host):
            for path in installations.installed_executables(root, spec, host):
                yield Candidate(path, self.name)


def data_directory(host: Host) -> str:
    """Return the directory of uv's managed Pythons, which need not exist; empty if it is unknown."""
    if root := host.environ.get("UV_PYTHON_INSTALL_DIR"):
        return root
    if host.os_name == "nt":
        roaming = host.environ.get("APPDATA", "")
        return os.path.join(roaming, "uv", "python") if roaming else ""
    user_home = host.environ.get("HOME", "")
    data = host.environ.get("XDG_DATA_HOME") or (os.path.join(user_home, ".local", "share") if user_home else "")
    return os.path.join(data, "uv", "python") if data else ""


finder = Uv()
