"""A nox backend that creates environments with cloche. nox has no plugin system, so a noxfile registers it::

    import nox_cloche

    nox_cloche.register(default=True)

With `default=True`, sessions that do not name a backend use it, too.
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
    """The environment of a session; `venv_params` are options of the cloche command line."""

    def __init__(
        self,
        location: str,
        interpreter: str | None = None,
        *,
        reuse_existing: bool = False,
        venv_params: Sequence[str] = (),
        **options: Any,
    ) -> None:
        # nox accepts only the names of its own backends here; `venv` is the one that behaves most like this one.
        self._found: str | None = None
        super().__init__(
            location,
            interpreter,
            **{**options, "reuse_existing": reuse_existing, "venv_backend": "venv", "venv_params": venv_params},
        )

    @property
    def venv_backend(self) -> str:
        return "cloche"

    @property
    def _resolved_interpreter(self) -> str:
        """The path of the Python: what cloche finds for the request of the session, else what nox finds or downloads.

        :raises nox.virtualenv.InterpreterNotFound: neither finds one.
        """
        if self._found is None:
            if self.interpreter and getattr(self, "download_python", "auto") != "always":
                import cloche

                try:
                    self._found = cloche.find(self.interpreter).executable
                    return self._found
                except cloche.ClocheError:
                    pass
            self._found = super()._resolved_interpreter
        return self._found

    def _check_reused_environment_type(self) -> bool:
        """Return whether the directory is an environment that nox may reuse, not one created by uv or conda."""
        settings = self._read_pyvenv_cfg()
        return (
            settings is not None
            and "uv" not in settings
            and not os.path.isdir(os.path.join(self.location, "conda-meta"))
        )

    def create(self) -> bool:
        """Create the environment; return False if an existing one is reused."""
        if not self._clean_location():
            self._reused = True
            return False
        write_gitignore(Path(self.location).parent)
        python = self._resolved_interpreter
        command = [sys.executable, "-m", "cloche", self.location, "--python", python, *self.venv_params]
        nox.logger.logger.info(
            f"Creating virtual environment (cloche) using {os.path.basename(python)} in {self.location_name}"
        )
        nox.command.run(command, silent=True, log=nox.options.verbose or False)
        return True


def write_gitignore(directory: Path) -> None:
    """Write a `.gitignore` into the directory of nox environments, as nox does."""
    directory.mkdir(parents=True, exist_ok=True)
    gitignore = directory / ".gitignore"
    if not gitignore.exists():
        gitignore.write_text("*\n", encoding="utf-8")


def register(*, default: bool = False) -> None:
    """Register the backend `cloche`, for `venv_backend="cloche"` in a noxfile and for `NOX_DEFAULT_VENV_BACKEND`.

    :param default: whether to use it for sessions that do not name a backend.
    """
    nox.virtualenv.ALL_VENVS["cloche"] = ClocheEnv
    if default:
        nox.options.default_venv_backend = "cloche"
