"""Tables of results, as wide as the terminal.

`prettytable` aligns them and `wcwidth` wraps text, both by the columns that characters take. Only a person reads a table, so
neither is imported for JSON.
"""

from __future__ import annotations

import sys

from cloche.cli import report, terminal
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


def table_lines(head: Sequence[str], rows: Sequence[Row], columns: int | None) -> Iterator[str]:
    """Yield the lines of a table, or of a list of all cells if the terminal is too narrow for a table.

    :param columns: the width of the terminal, into which the last cells are wrapped; None for no limit.
    """
    from prettytable import PrettyTable

    headings = Row(tuple(head[:-1]), tuple(head[-1:]), "bold")
    table = PrettyTable(shown_cells(headings), border=False, align="l", right_padding_width=2)
    table.left_padding_width = 0  # as an argument, 0 means the default
    table.add_rows([shown_cells(row) for row in rows])
    before = terminal.display_width(table.get_string().partition("\n")[0])
    longest = max((terminal.display_width(text) for row in rows for text in row.last), default=0)
    if columns is not None and columns < NARROW and before + min(longest, READABLE) > columns:
        yield from list_lines(head, rows, columns)
        return
    room = None if columns is None else max(columns - before, READABLE)
    heading, *texts = (shown_last(row, room) for row in (headings, *rows))
    table.add_column(heading, texts, align="l")
    yield from (line.rstrip() for line in table.get_string().split("\n"))


def shown_cells(row: Row) -> list[str]:
    """Return all cells but the last, with their styles."""
    return [styled_cell(cell, row, number) for number, cell in enumerate(row.cells)]


def shown_last(row: Row, room: int | None) -> str:
    """Return the last cell, with its style, wrapped into so many columns."""
    return "\n".join(styled_cell(line, row, len(row.cells)) for line in wrapped(row.last, room))


def styled_cell(text: str, row: Row, number: int) -> str:
    style = row.style if text and row.styled in (None, number) else ""
    shown = report.one_line(text)
    return report.styled(shown, style, sys.stdout) if style else shown


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
                for line in wrapped([f"{mark}{heading}: {cell}"], columns):
                    yield styled_cell(line, row, number)
                mark = ""


def wrapped(texts: Sequence[str], room: int | None) -> list[str]:
    """Return the lines of texts that are wrapped into so many columns; a command or path is never broken."""
    lines = [report.one_line(text) for text in texts]
    if room is None:
        return lines
    from wcwidth import wrap

    return [
        line
        for text in lines
        for line in wrap(text, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    ]
