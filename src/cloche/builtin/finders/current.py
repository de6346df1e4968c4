"""The finder `current`: the Python that runs cloche. Discovery resolves an environment to its base interpreter."""

from __future__ import annotations

from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Current:
    """Yields `sys.executable`."""

    name = "current"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if host.executable:
            yield Candidate(host.executable, self.name)


finder = Current()
