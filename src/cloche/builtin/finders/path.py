"""The directories of PATH, as they are: empty and relative entries are skipped, the current directory is never one."""

from __future__ import annotations

import os

from cloche.builtin.finders import installs
from cloche.model import Candidate
from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model import Host
    from cloche.spec import InterpreterSpec


class Path:
    """Gives, directory by directory, the names that a request may have, most specific first."""

    name = "path"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        separator = ";" if host.platform == "win32" else ":"
        for directory in dict.fromkeys(host.environ.get("PATH", "").split(separator)):
            if os.path.isabs(directory):
                for path in _executables(directory, spec, host):
                    yield Candidate(path, self.name)


def _executables(directory: str, spec: InterpreterSpec, host: Host) -> Iterator[str]:
    names = installs.commands(spec, host)
    if not spec.name and len(spec.release) < 2:  # any minor version will do
        names += _numbered(directory)
    for name in dict.fromkeys(names):
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            yield path


def _numbered(directory: str) -> list[str]:
    """Return the `python3.N` in a directory, newest first."""
    try:
        names = [(minor, name) for name in os.listdir(directory) if (minor := installs.minor_of(name)) is not None]
    except OSError:
        return []
    return [name for _, name in sorted(names, key=lambda one: (-one[0], one[1]))]


finder = Path()
