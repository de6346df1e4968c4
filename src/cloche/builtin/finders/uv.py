"""What uv has installed (its managed Pythons), read from disk."""

from __future__ import annotations

import os

from cloche.builtin.finders import installs
from cloche.model.interpreter import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Uv:
    """Gives `$UV_PYTHON_INSTALL_DIR/cpython-3.12-*/bin/python`, newest first, by the link for the minor version."""

    name = "uv"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if root := location(host):
            for path in installs.installed(root, spec, host):
                yield Candidate(path, self.name)


def location(host: Host) -> str:
    """Return the directory of uv's managed Pythons, whether it exists or not; empty if it cannot be named."""
    if root := host.environ.get("UV_PYTHON_INSTALL_DIR"):
        return root
    if host.os_name == "nt":
        roaming = host.environ.get("APPDATA", "")
        return os.path.join(roaming, "uv", "python") if roaming else ""
    user_home = host.environ.get("HOME", "")
    data = host.environ.get("XDG_DATA_HOME") or (os.path.join(user_home, ".local", "share") if user_home else "")
    return os.path.join(data, "uv", "python") if data else ""


finder = Uv()
