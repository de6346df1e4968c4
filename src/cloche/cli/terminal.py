"""The columns of a terminal, and how many of them a text takes."""

from __future__ import annotations

import os
import sys

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO


def display_width(text: str) -> int:
    """Return the columns that a line of text takes on a terminal, in which styles take none."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    from wcwidth import width

    return width(text)


def terminal_columns() -> int | None:
    """Return the columns for results: `COLUMNS`, or those of the terminal; None if standard output goes elsewhere."""
    columns = os.environ.get("COLUMNS", "")
    plausible = columns.isascii() and columns.isdecimal() and len(columns) < 6  # a terminal has 16 bits for them
    return (int(columns) if plausible else 0) or columns_of(sys.stdout)


def columns_of(stream: TextIO | None) -> int | None:
    """Return the columns of a terminal; None if the stream goes elsewhere. Importing `shutil` would be slower."""
    if stream is None or not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


def clipped(text: str, stream: TextIO) -> str:
    """Return the beginning of a line of text that fits on a terminal with the cursor after it; 80 columns if unknown."""
    room = (columns_of(stream) or 80) - 1
    if display_width(text) <= room:
        return text
    from wcwidth import clip

    return clip(text, 0, room)
