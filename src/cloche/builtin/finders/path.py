"""The finder `path`: the directories on PATH, except empty and relative entries, which depend on the current directory."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.interpreter import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

MAX_SCRIPT_BYTES = 4096
"""The maximum size of a shim in bytes; a larger file is not examined."""

DEVELOPER_TOOLS = "/Library/Developer/CommandLineTools/usr/bin"
"""The directory with the developer tools of macOS: the executables in `/usr/bin` start those in it."""


class Path:
    """Yields the executables for a request, directory by directory, the most specific name first."""

    name = "path"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        separator = ";" if host.platform == "win32" else ":"
        for directory in dict.fromkeys(host.environ.get("PATH", "").split(separator)):
            if os.path.isabs(directory):
                for path in _executables(directory, spec, host):
                    yield from self._candidates_for(path, host)

    def _candidates_for(self, path: str, host: Host) -> Iterator[Candidate]:
        """Yield the executable; if it is a shim, with the command that prints what it starts."""
        if host.platform == "darwin" and os.path.dirname(path) == "/usr/bin":
            executable = os.path.join(DEVELOPER_TOOLS, os.path.basename(path))
            if os.path.isfile(executable):
                yield Candidate(executable, self.name)
            else:
                yield Candidate(path, self.name, "only offers to install the developer tools")
        elif host.platform == "win32" and _file_size(path) == 0:
            yield Candidate(path, self.name, "is a Microsoft Store alias")
        elif os.path.islink(path) or _file_size(path) <= MAX_SCRIPT_BYTES:
            from cloche.builtin.finders import shims

            if (shim := shims.find_shim(path, host)) is None:
                yield Candidate(path, self.name)
            elif not shim.command:
                yield Candidate(path, self.name, f"is a shim of {shim.manager}, which is not installed")
            else:
                yield Candidate(path, self.name, command=shim.command, of_version=shim.of_version)
        else:
            yield Candidate(path, self.name)


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
