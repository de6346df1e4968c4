"""The pdm environments that cloche makes: `venv.backend = cloche`. Nothing that does not ask for it is changed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from pdm.cli.commands.venv.backends import BACKENDS, Backend

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pdm.core import Core


class ClocheBackend(Backend):
    """Hands over to cloche's command line, so that `pdm venv create PYTHON OPTIONS` takes its options."""

    def pip_args(self, with_pip: bool) -> Iterable[str]:
        return () if with_pip else ("--no-seed",)

    def perform_create(self, location: Path, args: tuple[str, ...], prompt: str | None = None) -> None:
        python = str(self._resolved_interpreter.executable)
        shown = ("--prompt", prompt) if prompt else ()
        self.subprocess_call([sys.executable, "-m", "cloche", str(location), "--python", python, *shown, *args])


def register(core: Core) -> None:
    """Make the backend known to pdm."""
    cast("dict[str, type[Backend]]", BACKENDS)["cloche"] = ClocheBackend
