"""The environment type `cloche`: all that hatch's own type does, in environments that cloche makes."""

from __future__ import annotations

import os

from hatch.env.virtual import VirtualEnvironment
from hatch.venv.core import TempVirtualEnv, VirtualEnv

import cloche


class ClocheVirtualEnv(VirtualEnv):
    """An environment of hatch's."""

    def create(self, python: str, *, allow_system_packages: bool = False) -> None:
        """Make the environment.

        :raises OSError: it cannot be made; the message says why and what helps.
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
    """One that lasts no longer than a build."""


class ClocheEnvironment(VirtualEnvironment):
    """`type = "cloche"` in `[tool.hatch.envs.NAME]`."""

    PLUGIN_NAME = "cloche"

    @property
    def virtual_env_cls(self) -> type[ClocheVirtualEnv]:
        return ClocheVirtualEnv
