"""The Pythons that the Microsoft Store has installed, by the aliases that it keeps for upgrades."""

from __future__ import annotations

import os

from cloche.builtin.finders import installs
from cloche.model.interpreter import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

PACKAGE = "PythonSoftwareFoundation.Python."


class WindowsStore:
    """Gives `WindowsApps\\\\PythonSoftwareFoundation.Python.3.N_...\\\\python.exe`, newest first.

    The `python.exe` above those may be an alias that opens the Store instead.
    """

    name = "windows-store"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        local = host.environ.get("LOCALAPPDATA", "")
        if host.platform != "win32" or not local:
            return
        apps = os.path.join(local, "Microsoft", "WindowsApps")
        try:
            names = [name[len(PACKAGE) :] for name in os.listdir(apps) if name.startswith(PACKAGE)]
        except OSError:
            return
        for name in installs.newest_first([name for name in names if installs.may_satisfy(name, spec)]):
            path = os.path.join(apps, PACKAGE + name, "python.exe")
            if os.path.lexists(path):  # an alias is no file that could be opened
                yield Candidate(path, self.name)


finder = WindowsStore()
