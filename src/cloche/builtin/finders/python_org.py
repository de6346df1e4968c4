"""The finder `python.org`: the framework builds for macOS from python.org."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class PythonOrg:
    """Yields `Python.framework/Versions/3.N/bin/python3.N`, newest first; free-threaded: `PythonT.framework`."""

    name = "python.org"
    platform = "darwin"

    def __init__(self, library: str = "/Library") -> None:
        self._library = library

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if host.platform != self.platform:
            return
        user_home = host.environ.get("HOME", "")
        frameworks = ["Python.framework"] * (not spec.free_threaded) + ["PythonT.framework"] * (
            spec.free_threaded is not False
        )
        for library in (self._library, *[os.path.join(user_home, "Library")] * bool(user_home)):
            for framework in frameworks:
                for path in installations.installed_executables(
                    os.path.join(library, "Frameworks", framework, "Versions"), spec, host
                ):
                    yield Candidate(path, self.name)


finder = PythonOrg()
