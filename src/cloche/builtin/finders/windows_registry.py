"""The finder `windows-registry`: the Pythons in the Windows registry (PEP 514), in the order of the `py` launcher."""

from __future__ import annotations

import os
import sys

from cloche.builtin.finders import installations
from cloche.model.candidate import Candidate
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

    class Registry(Protocol):
        """Read access to the registry; a key is written `HKEY_CURRENT_USER\\Software\\...`."""

        def keys(self, key: str) -> list[str]:
            """Return the names of the subkeys of a key; an empty list if the key does not exist."""

        def values(self, key: str) -> dict[str, str]:
            """Return the string values of a key by name, the default value as ""; empty if the key does not exist."""


ROOTS = (
    "HKEY_CURRENT_USER\\Software\\Python",
    "HKEY_LOCAL_MACHINE\\Software\\Python",
    "HKEY_LOCAL_MACHINE\\Software\\WOW6432Node\\Python",
)
LAUNCHER_KEY = "PyLauncher"


class RegisteredPython(Value):
    """One registered Python."""

    company: str
    tag: str
    path: str
    arguments: str
    """The arguments that the executable needs to be this interpreter."""


class WindowsRegistry:
    """Yields the Pythons of PythonCore, then those of other companies by name; in each, the user's first, newest first.

    As with `py`, the version in `PY_PYTHON` comes before all others.
    """

    name = "windows-registry"
    platform = "win32"

    def __init__(self, registry: Registry | None = None) -> None:
        self._registry = registry

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        registry = self._registry or (_system_registry() if host.platform == self.platform else None)
        if registry is None:
            return
        entries = list(registered_pythons(registry))
        preferred = host.environ.get("PY_PYTHON3") or host.environ.get("PY_PYTHON", "")
        entries.sort(key=lambda entry: not (preferred and entry.company == "PythonCore" and entry.tag == preferred))
        for entry in entries:
            if entry.company == "PythonCore" and not installations.may_satisfy(entry.tag, spec):
                continue
            if entry.arguments:
                note = f"is {entry.company}\\{entry.tag} only when started with `{entry.arguments}`"
                yield Candidate(entry.path, self.name, note)
            else:
                yield Candidate(entry.path, self.name)


def registered_pythons(registry: Registry) -> Iterator[RegisteredPython]:
    """Yield every registered Python that has an executable."""
    found = [
        (company != "PythonCore", company, root, tag)
        for root in ROOTS
        for company in registry.keys(root)
        if company != LAUNCHER_KEY
        for tag in installations.newest_first(registry.keys(f"{root}\\{company}"))
    ]
    found.sort(key=lambda entry: entry[:2])  # stable: roots and versions keep their order
    for _, company, root, tag in found:
        install = registry.values(f"{root}\\{company}\\{tag}\\InstallPath")
        directory = install.get("", "")
        path = install.get("ExecutablePath") or (directory and os.path.join(directory, "python.exe"))
        if path:
            yield RegisteredPython(company, tag, path, install.get("ExecutableArguments", ""))


if sys.platform == "win32":
    import winreg

    class Winreg:
        """The registry of this machine, seen as a 64-bit program sees it: 32-bit entries are in `WOW6432Node`."""

        def _open(self, key: str) -> winreg.HKEYType:
            root, _, path = key.partition("\\")
            return winreg.OpenKey(getattr(winreg, root), path, 0, winreg.KEY_READ | winreg.KEY_WOW64_64KEY)

        def keys(self, key: str) -> list[str]:
            try:
                with self._open(key) as opened:
                    return [winreg.EnumKey(opened, at) for at in range(winreg.QueryInfoKey(opened)[0])]
            except OSError:
                return []

        def values(self, key: str) -> dict[str, str]:
            try:
                with self._open(key) as opened:
                    entries = [winreg.EnumValue(opened, at) for at in range(winreg.QueryInfoKey(opened)[1])]
            except OSError:
                return {}
            return {name: text for name, text, _ in entries if isinstance(text, str)}

    def _system_registry() -> Registry | None:
        return Winreg()

else:

    def _system_registry() -> Registry | None:
        return None


finder = WindowsRegistry()
