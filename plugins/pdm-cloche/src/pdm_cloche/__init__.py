"""A pdm plugin that creates environments with cloche if the configuration has `venv.backend = cloche`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from pdm.cli.commands.venv.backends import BACKENDS, Backend

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pdm.core import Core


class ClocheBackend(Backend):
    """A backend that runs the cloche command line, so that `pdm venv create PYTHON OPTIONS` accepts its options."""

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
