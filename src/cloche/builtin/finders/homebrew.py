"""The finder `homebrew`: Homebrew's Pythons, by their `opt` links, which stay valid after an upgrade."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

PREFIXES = {"darwin": ("/opt/homebrew", "/usr/local"), "linux": ("/home/linuxbrew/.linuxbrew",)}


class Homebrew:
    """Yields `opt/python@3.N/bin/python3.N`, newest first, then PyPy."""

    name = "homebrew"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        own = host.environ.get("HOMEBREW_PREFIX", "")
        for prefix in dict.fromkeys([*[own] * bool(own), *PREFIXES.get(host.platform, ())]):
            opt = os.path.join(prefix, "opt")
            formulas = [
                name for name in _list_directory(opt) if name.startswith(("python@3.", "pypy3", "python-freethreading"))
            ]
            for formula in installations.newest_first(
                [name for name in formulas if installations.may_satisfy(name, spec)]
            ):
                if path := installations.find_executable(os.path.join(opt, formula), spec, host):
                    yield Candidate(path, self.name)


def _list_directory(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


finder = Homebrew()
