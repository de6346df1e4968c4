"""Add to the hint of an error where the values in its message were set, unless the user has just typed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cloche.cli.settings import Settings
    from cloche.errors import ClocheError


def hint_with_origins(error: ClocheError, settings: Settings, operands: Collection[str] = ()) -> str | None:
    """Return the hint of an error, with a line for each value in its message that a variable or a file has set."""
    lines = [error.hint] if error.hint else []
    return "\n".join([*lines, *origins(error, settings, operands)]) or None


def origins(error: ClocheError, settings: Settings, operands: Collection[str]) -> Iterator[str]:
    """Yield a line for each value in an error that was not typed, unless the error names its origin.

    :param operands: the operands of the command line; an error about one of them is not about a setting.
    """
    told = f"{error.message}\n{error.hint}"
    for name, setting in settings.chosen.items():
        if setting.origin == "command line" or setting.origin in told:
            continue
        origin = f"`{name}` in {setting.origin}" if "/" in setting.origin else f"`{setting.origin}`"
        for text in setting.values:
            if text and text not in operands and f"`{text}`" in error.message:
                yield f"`{text}` is the value of {origin}"
