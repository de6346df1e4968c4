"""The nox environments that cloche makes. nox has no place for plugins, so a noxfile asks for it::

import nox
import nox_cloche
nox_cloche.register(default=True)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nox
import nox.command
import nox.logger
import nox.virtualenv

if TYPE_CHECKING:
    from collections.abc import Sequence


class ClocheEnv(nox.virtualenv.VirtualEnv):
    """An environment of a session; `venv_params` are options of cloche's command line."""

    def __init__(
        self,
        location: str,
        interpreter: str | None = None,
        *,
        reuse_existing: bool = False,
        venv_params: Sequence[str] = (),
        **others: Any,
    ) -> None:
        # nox knows the names of its own backends alone; `venv` is the one that ours is equal to.
        super().__init__(
            location,
            interpreter,
            **{**others, "reuse_existing": reuse_existing, "venv_backend": "venv", "venv_params": venv_params},
        )

    @property
    def venv_backend(self) -> str:
        return "cloche"

    def _check_reused_environment_type(self) -> bool:
        """Return whether what stands there may be used again: an environment with pip in it, and not one of conda's."""
        settings = self._read_pyvenv_cfg()
        return (
            settings is not None
            and "uv" not in settings
            and not os.path.isdir(os.path.join(self.location, "conda-meta"))
        )

    def create(self) -> bool:
        """Make the environment; return False if the one that is there is used again."""
        if not self._clean_location():
            self._reused = True
            return False
        ignore(Path(self.location).parent)
        python = self._resolved_interpreter
        command = [sys.executable, "-m", "cloche", self.location, "--python", python, *self.venv_params]
        nox.logger.logger.info(
            f"Creating virtual environment (cloche) using {os.path.basename(python)} in {self.location_name}"
        )
        nox.command.run(command, silent=True, log=nox.options.verbose or False)
        return True


def ignore(directory: Path) -> None:
    """Let version control leave out the directory of nox's environments, as nox does for its own."""
    directory.mkdir(parents=True, exist_ok=True)
    marker = directory / ".gitignore"
    if not marker.exists():
        marker.write_text("*\n", encoding="utf-8")


def register(*, default: bool = False) -> None:
    """Make the backend `cloche` known to nox, for `venv_backend="cloche"` in a noxfile and `NOX_DEFAULT_VENV_BACKEND`.

    :param default: let sessions that name no backend use it.
    """
    nox.virtualenv.ALL_VENVS["cloche"] = ClocheEnv
    if default:
        nox.options.default_venv_backend = "cloche"
