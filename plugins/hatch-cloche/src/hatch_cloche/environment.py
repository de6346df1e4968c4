"""The environment type `cloche`: like hatch's own type, but cloche creates the environments."""

from __future__ import annotations

import os
from typing import Any

from hatch.env.virtual import VirtualEnvironment
from hatch.venv.core import TempVirtualEnv, VirtualEnv

import cloche


class ClocheVirtualEnv(VirtualEnv):
    """A hatch environment that cloche creates."""

    lock = ""
    """Absolute path of the lock file whose packages it is created with; empty for none."""

    def create(self, python: str, *, allow_system_packages: bool = False) -> None:
        """Create the environment.

        :raises OSError: it cannot be created; the message contains the reason and a hint.
        """
        locked: dict[str, Any] = {"lock": self.lock, "seeds": ["pip"], "network": "last-resort"} if self.lock else {}
        try:
            cloche.create(
                os.fspath(self.directory),
                python=python,
                site_packages="system" if allow_system_packages else "isolated",
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
        return {**VirtualEnvironment.get_option_types(), "lock": str}

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
    def virtual_env_cls(self) -> type[ClocheVirtualEnv]:
        lock = self.config.get("lock", "")
        if not lock:
            return ClocheVirtualEnv
        return type("LockedVirtualEnv", (ClocheVirtualEnv,), {"lock": os.path.join(os.fspath(self.root), lock)})
