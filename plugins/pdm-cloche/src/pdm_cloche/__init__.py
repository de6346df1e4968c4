"""A pdm plugin that creates environments with cloche if the configuration has `venv.backend = cloche`."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, cast

from pdm.cli.commands.venv.backends import BACKENDS, Backend
from pdm.models.python import PythonInfo

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pdm.core import Core


class ClocheBackend(Backend):
    """A backend that runs the cloche command line, so that `pdm venv create PYTHON OPTIONS` accepts its options."""

    @cached_property
    def _resolved_interpreter(self) -> PythonInfo:
        """The Python that pdm finds, else one that cloche finds, else one that pdm downloads."""
        if self.python and not any(True for _ in self.project.find_interpreters(self.python, search_venv=False)):
            import cloche

            try:
                return PythonInfo.from_path(cloche.find(self.python).executable)
            except cloche.ClocheError:
                pass
        return super()._resolved_interpreter

    def pip_args(self, with_pip: bool) -> Iterable[str]:
        return () if with_pip else ("--no-seed",)

    def perform_create(self, location: Path, args: tuple[str, ...], prompt: str | None = None) -> None:
        python = str(self._resolved_interpreter.executable)
        prompt_options = ("--prompt", prompt) if prompt else ()
        self.subprocess_call(
            [sys.executable, "-m", "cloche", str(location), "--python", python, *prompt_options, *args]
        )


def register(core: Core) -> None:
    """Register the backend."""
    cast("dict[str, type[Backend]]", BACKENDS)["cloche"] = ClocheBackend
