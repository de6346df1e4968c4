"""The finder `asdf`: the Python versions that asdf has installed."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Asdf:
    """Yields `$ASDF_DATA_DIR/installs/python/*/bin/python`, newest first."""

    name = "asdf"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if root := data_directory(host):
            for path in installations.installed_executables(os.path.join(root, "installs", "python"), spec, host):
                yield Candidate(path, self.name)


def data_directory(host: Host) -> str:
    """Return asdf's data directory, which need not exist; empty if it is unknown."""
    if root := host.environ.get("ASDF_DATA_DIR"):
        return root
    user_home = host.environ.get("HOME", "")
    return os.path.join(user_home, ".asdf") if user_home else ""


finder = Asdf()
