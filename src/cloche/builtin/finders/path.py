"""The finder `path`: the directories on PATH, except empty and relative entries, which depend on the current directory."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.interpreter import path_module
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

DEVELOPER_TOOLS = "/Library/Developer/CommandLineTools/usr/bin"
"""The directory with the developer tools of macOS: the executables in `/usr/bin` start those in it."""


class Path:
    """Yields the executables for a request, directory by directory, the most specific name first."""

    name = "path"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        separator = path_module(host.os_name).pathsep
        for directory in dict.fromkeys(host.environ.get("PATH", "").split(separator)):
            if os.path.isabs(directory):
                for path in _executables(directory, spec, host):
                    yield self._candidate(path, host)

    def _candidate(self, path: str, host: Host) -> Candidate:
        """Return the candidate for an executable, with a note if it is known to start no Python."""
        if host.platform == "darwin" and os.path.dirname(path) == "/usr/bin":
            executable = os.path.join(DEVELOPER_TOOLS, os.path.basename(path))
            if os.path.isfile(executable):
                return Candidate(executable, self.name)
            return Candidate(path, self.name, "only offers to install the developer tools")
        if host.platform == "win32" and _file_size(path) == 0:
            return Candidate(path, self.name, "is a Microsoft Store alias")
        return Candidate(path, self.name)


def _file_size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _executables(directory: str, spec: InterpreterSpec, host: Host) -> Iterator[str]:
    names = installations.command_names(spec, host)
    if not spec.name and len(spec.release) < 2:  # any minor version will do
        names += installations.versioned_names(directory, spec)
    for name in dict.fromkeys(names):
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            yield path


finder = Path()
