"""The environment type `cloche`: like hatch's own type, but cloche creates the environments."""

from __future__ import annotations

import os

from hatch.env.virtual import VirtualEnvironment
from hatch.venv.core import TempVirtualEnv, VirtualEnv

import cloche


class ClocheVirtualEnv(VirtualEnv):
    """A hatch environment that cloche creates."""

    def create(self, python: str, *, allow_system_packages: bool = False) -> None:
        """Create the environment.

        :raises OSError: it cannot be created; the message contains the reason and a hint.
        """
        try:
            cloche.create(
                os.fspath(self.directory),
                python=python,
                network="never",
                site_packages="system" if allow_system_packages else "isolated",
            )
        except cloche.ClocheError as error:
            raise OSError(f"{error.message} ({error.hint})" if error.hint else error.message) from error


class TempClocheVirtualEnv(TempVirtualEnv, ClocheVirtualEnv):
    """A temporary environment for a build."""


class ClocheEnvironment(VirtualEnvironment):
    """The environment type for `type = "cloche"` in `[tool.hatch.envs.NAME]`."""

    PLUGIN_NAME = "cloche"

    @property
    def virtual_env_cls(self) -> type[ClocheVirtualEnv]:
        return ClocheVirtualEnv
