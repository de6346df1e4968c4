"""Tables of results, as wide as the terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap

from cloche.cli import report
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NARROW = 80
"""In a terminal with fewer columns, a table that does not fit becomes a list. In others, its lines are too long."""

READABLE = 24
"""The fewest columns in which text is wrapped."""


class Row(Value):
    """A row of a table."""

    cells: tuple[str, ...]
    """One cell for each heading except the last."""
    last: tuple[str, ...]
    """The texts in the last cell, one below the other."""
    style: str = ""
    """The style of the row, or of the cell `styled`; empty for none."""
    styled: int | None = None


def terminal_columns() -> int | None:
    """Return the columns of the terminal, or `COLUMNS`; None if the output goes elsewhere."""
    columns = shutil.get_terminal_size((0, 0)).columns
    return columns or None


def table_lines(head: Sequence[str], rows: Sequence[Row], columns: int | None) -> Iterator[str]:
    """Yield the lines of a table, or of a list of all cells if the terminal is too narrow for a table.

    :param columns: those of the terminal, into which the last cells are wrapped; None for no limit.
    """
    headings = Row(tuple(head[:-1]), tuple(head[-1:]), "bold")
    cells = [[report.one_line(cell) for cell in row.cells] for row in (headings, *rows)]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    before = sum(widths) + 2 * len(widths)
    longest = max((display_width(text) for row in rows for text in row.last), default=0)
    if columns is not None and columns < NARROW and before + min(longest, READABLE) > columns:
        yield from list_lines(head, rows, columns)
        return
    for row, texts in zip((headings, *rows), cells, strict=True):
        room = None if columns is None else max(columns - before, READABLE)
        for number, line in enumerate(wrapped(row.last, room) or [""]):
            shown = texts if number == 0 else [""] * len(texts)
            padded = [text + " " * (width - display_width(text)) for text, width in zip(shown, widths, strict=True)]
            if row.style and row.styled is not None and number == 0:
                padded[row.styled] = report.styled(padded[row.styled], row.style, sys.stdout)
            whole = "  ".join([*padded, line]).rstrip()
            yield report.styled(whole, row.style, sys.stdout) if row.style and row.styled is None else whole


def list_lines(head: Sequence[str], rows: Sequence[Row], columns: int) -> Iterator[str]:
    """Yield a line for each cell with its heading, and a blank line between rows; words are never broken."""
    for row in rows:
        if row is not rows[0]:
            yield ""
        mark = ""
        for number, (heading, cell) in enumerate(zip(head, (*row.cells, "; ".join(row.last)), strict=True)):
            if not heading:
                mark = f"{cell} " if cell else ""
            elif cell:
                text = f"{mark}{heading}: {report.one_line(cell)}"
                style = row.style if row.styled in (None, number) else ""
                for line in wrapped([text], columns):
                    yield report.styled(line, style, sys.stdout) if style else line
                mark = ""


def display_width(text: str) -> int:
    """Return the columns that text takes on a terminal: two for a wide character, none for a combining one.

    The widths are those of Unicode Standard Annex #11.
    """
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def wrapped(texts: Sequence[str], room: int | None) -> list[str]:
    """Return the lines of texts that are wrapped into so many columns."""
    lines = [report.one_line(text) for text in texts]
    if room is None:
        return lines
    wrapper = textwrap.TextWrapper(room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [line for text in lines for line in wrapper.wrap(text)]
