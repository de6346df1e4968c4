"""The finder `windows-store`: the Pythons from the Microsoft Store, by their aliases, which stay valid."""

from __future__ import annotations

import os

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

PACKAGE = "PythonSoftwareFoundation.Python."


class WindowsStore:
    """Yields `WindowsApps\\PythonSoftwareFoundation.Python.3.N_...\\python.exe`, newest first.

    The `python.exe` directly in `WindowsApps` may be an alias that opens the Store instead.
    """

    name = "windows-store"
    platform = "win32"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        local = host.environ.get("LOCALAPPDATA", "")
        if host.platform != self.platform or not local:
            return
        apps = os.path.join(local, "Microsoft", "WindowsApps")
        try:
            names = [name[len(PACKAGE) :] for name in os.listdir(apps) if name.startswith(PACKAGE)]
        except OSError:
            return
        for name in installations.newest_first([name for name in names if installations.may_satisfy(name, spec)]):
            path = os.path.join(apps, PACKAGE + name, "python.exe")
            if os.path.lexists(path):  # an alias is not a regular file
                yield Candidate(path, self.name)


finder = WindowsStore()
