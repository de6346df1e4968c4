"""What asdf has installed, read from disk."""

from __future__ import annotations

import os

from cloche.builtin.finders import installs
from cloche.model.interpreter import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Asdf:
    """Gives `$ASDF_DATA_DIR/installs/python/*/bin/python`, newest first."""

    name = "asdf"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if root := location(host):
            for path in installs.installed(os.path.join(root, "installs", "python"), spec, host):
                yield Candidate(path, self.name)


def location(host: Host) -> str:
    """Return asdf's data directory, whether it exists or not; empty if it cannot be named."""
    if root := host.environ.get("ASDF_DATA_DIR"):
        return root
    user_home = host.environ.get("HOME", "")
    return os.path.join(user_home, ".asdf") if user_home else ""


finder = Asdf()
