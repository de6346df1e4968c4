"""How long steps report their progress."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class ReportProgress(Protocol):
        """Called before a step that may take seconds, and while a longer one goes on."""

        def __call__(self, text: str, /, **amounts: float) -> object:
            """Report the progress.

            :param text: what happens, for people: `downloading 3 of 36 files`.
            :param amounts: the same for programs, if it is measured: `files=3, total_files=36`.
            """


def ignore_progress(text: str, /, **amounts: float) -> None:
    """Report nothing."""
