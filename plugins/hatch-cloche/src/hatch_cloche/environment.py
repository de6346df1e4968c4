"""The environment type `cloche`: like hatch's own type, but cloche creates the environments."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from hatch.env.virtual import VirtualEnvironment
from hatch.venv.core import TempVirtualEnv, VirtualEnv

import cloche

if TYPE_CHECKING:
    from collections.abc import Sequence


class ClocheVirtualEnv(VirtualEnv):
    """A hatch environment that cloche creates."""

    lock = ""
    """Absolute path of the lock file whose packages it is created with; empty for none."""
    startup_code: Sequence[str] = ("list",)
    """What happens to packages whose code runs whenever Python starts: a policy, or the names of those that may have it."""

    def create(self, python: str, *, allow_system_packages: bool = False) -> None:
        """Create the environment.

        :raises OSError: it cannot be created; the message contains the reason and a hint.
        """
        locked: dict[str, Any] = {}
        if self.lock:  # hatch installs the project and its dependencies beside the packages of the lock file
            locked = {"lock": self.lock, "seeds": ["pip"], "network": "last-resort", "extra_packages": "kept"}
        try:
            cloche.create(
                os.fspath(self.directory),
                python=python,
                site_packages="system" if allow_system_packages else "isolated",
                startup_code=self.startup_code,
                **{"network": "never", **locked},
            )
        except cloche.ClocheError as error:
            raise OSError(f"{error.message} ({error.hint})" if error.hint else error.message) from error


class TempClocheVirtualEnv(TempVirtualEnv, ClocheVirtualEnv):
    """A temporary environment for a build."""


class ClocheEnvironment(VirtualEnvironment):
    """The environment type for `type = "cloche"` in `[tool.hatch.envs.NAME]`."""

    PLUGIN_NAME = "cloche"

    @staticmethod
    def get_option_types() -> dict[str, Any]:
        return {**VirtualEnvironment.get_option_types(), "lock": str, "startup-code": list}

    def _find_existing_interpreter(self, python_version: str = "") -> str | None:
        """Return the path of an installed Python: the one that hatch finds, otherwise the one that cloche finds, or None.

        :param python_version: the `python` of the environment, which may be empty.
        """
        found: str | None = super()._find_existing_interpreter(python_version)
        request = python_version or str(self._python_constraint)
        if found is not None or not request:
            return found
        try:
            interpreter = cloche.find(request)
        except cloche.ClocheError:
            return None
        suits_project = self.skip_install or self._python_constraint.contains(interpreter.version_text)
        return interpreter.executable if suits_project else None

    @property
    def lock(self) -> str:
        """The absolute path of the lock file; empty for none."""
        lock = self.config.get("lock", "")
        return os.path.join(os.fspath(self.root), lock) if lock else ""

    @property
    def virtual_env_cls(self) -> type[ClocheVirtualEnv]:
        chosen = {"lock": self.lock, "startup_code": self.config.get("startup-code", ("list",))}
        return type("ChosenVirtualEnv", (ClocheVirtualEnv,), chosen)

    def dependency_hash(self) -> str:
        """Return a hash that changes with the dependencies and with the lock file; hatch compares it before each command."""
        hatch: Any = super()  # its methods have no types
        dependencies = str(hatch.dependency_hash())
        if not self.lock:
            return dependencies
        digest = hashlib.sha256(dependencies.encode())
        if os.path.isfile(self.lock):
            with open(self.lock, "rb") as file:
                digest.update(file.read())
        return digest.hexdigest()

    def dependencies_in_sync(self) -> bool:
        """Return whether nothing has to be installed; hatch asks only if the hash has changed."""
        hatch: Any = super()
        return not self.lock and bool(hatch.dependencies_in_sync())

    def sync_dependencies(self) -> None:
        """Install what is missing: first the packages of the lock file, then what hatch itself installs."""
        hatch: Any = super()
        if self.lock:
            hatch.create()
        hatch.sync_dependencies()
