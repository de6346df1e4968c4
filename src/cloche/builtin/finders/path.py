"""The directories of PATH, as they are: empty and relative entries are skipped, the current directory is never one."""

from __future__ import annotations

import os

from cloche.builtin.finders import installs
from cloche.model.interpreter import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

LARGEST_SCRIPT = 4096
"""Bytes; an executable that is larger is no shim."""
DEVELOPER_TOOLS = "/Library/Developer/CommandLineTools/usr/bin"
"""What stands behind the executables in `/usr/bin` of macOS, if it is installed."""


class Path:
    """Gives, directory by directory, the names that a request may have, most specific first."""

    name = "path"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        separator = ";" if host.platform == "win32" else ":"
        for directory in dict.fromkeys(host.environ.get("PATH", "").split(separator)):
            if os.path.isabs(directory):
                for path in _executables(directory, spec, host):
                    yield from self._seen_through(path, host)

    def _seen_through(self, path: str, host: Host) -> Iterator[Candidate]:
        """Yield what an executable stands for: itself, if it is not one of those that start another."""
        if host.platform == "darwin" and os.path.dirname(path) == "/usr/bin":
            behind = os.path.join(DEVELOPER_TOOLS, os.path.basename(path))
            note = "" if os.path.isfile(behind) else "asks to install the developer tools when it is started"
            yield Candidate(path if note else behind, self.name, note)
        elif host.platform == "win32" and _size(path) == 0:
            yield Candidate(path, self.name, "is an alias of the Microsoft Store")
        elif os.path.basename(os.path.dirname(path)) == "shims" or _size(path) <= LARGEST_SCRIPT:
            from cloche.builtin.finders import shims

            if not (manager := shims.manager(path, host)):
                yield Candidate(path, self.name)
                return
            behind_it = list(shims.behind(path, manager, host))
            for executable in behind_it:
                yield Candidate(executable, self.name)
            if not behind_it:
                yield Candidate(path, self.name, f"is a shim of {manager}, and no version that has it is active")
        else:
            yield Candidate(path, self.name)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _executables(directory: str, spec: InterpreterSpec, host: Host) -> Iterator[str]:
    names = installs.commands(spec, host)
    if not spec.name and len(spec.release) < 2:  # any minor version will do
        names += installs.numbered(directory, spec)
    for name in dict.fromkeys(names):
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            yield path


finder = Path()
