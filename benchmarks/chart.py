"""A bar chart of the medians, as SVG: from the results alone, without a library, for light and for dark screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from rounds import spread
from rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rows import Row

SHOWN = ("seeded", "unseeded", "first-pip", "in-process", "cold")
"""The rows that make a picture; the others are in the table."""

WIDTH, LEFT, RIGHT = 720, 110, 90
"""Of the picture, of the names before the bars, of the figures behind them."""

BAR, GAP = 16, 6
SCALES = 3
"""A bar that is more than so many times as long as the next one is cut off, so that the others can be seen."""

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #1f2328 }
.own { fill: #1f2328 }
.ground { fill: #ffffff }
rect.cloche { fill: #1a7f5a }
rect.other { fill: #c3cad2 }
path { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 }
  .title, .own { fill: #f0f6fc }
  .ground, path { fill: #0d1117 }
  rect.cloche { fill: #3fb68b }
  rect.other { fill: #48515c }
}
"""


def chart(results: dict[str, Any]) -> str:
    """Return the picture; a reader of the text in it hears every figure."""
    parts: list[str] = []
    y = 8
    for row in ROWS:
        if row.name in SHOWN and row.name in results["seconds"]:
            y += 22
            parts.append(text(16, y, row.title, "title"))
            y += 10
            drawn = list(bars(row, results["seconds"][row.name], y))
            parts += drawn
            y += len(drawn) * (BAR + GAP) + 8
    y += 22
    parts.append(text(16, y, "milliseconds, median of one run; less is better; each block has a scale of its own"))
    height = y + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="Times of cloche, uv, virtualenv and venv">\n<style>{STYLE}</style>\n'
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def bars(row: Row, times: dict[str, list[float | None]], y: int) -> Iterator[str]:
    """Yield the bar of each peer with its name and its figure, one below the other from `y` on."""
    medians = {command.peer: spread(times[command.peer]).median * 1000 for command in row.commands}
    *_, second, longest = [0.0, *sorted(medians.values())]
    most = longest if longest <= SCALES * second else second * 1.25
    space = WIDTH - LEFT - RIGHT
    for peer, taken in medians.items():
        width = max(2, round(min(1.0, taken / most) * space))
        kind = "cloche" if peer == "cloche" else "other"
        part = text(LEFT - 8, y + BAR - 4, peer, "own" if kind == "cloche" else "", "end")
        part += f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width}" height="{BAR}" rx="2"/>'
        if taken > most:  # two slanting cuts: this bar is longer than there is room for
            part += f'<path d="M{LEFT + width - 34} {y + BAR}l8 -{BAR}h5l-8 {BAR}z"/>'
        part += text(LEFT + width + 8, y + BAR - 4, figure(taken), "own" if kind == "cloche" else "")
        yield part
        y += BAR + GAP


def figure(milliseconds: float) -> str:
    digits = 1 if milliseconds < 9.95 else 0
    return f"{milliseconds:,.{digits}f}".replace(",", "\u202f")


def text(x: int, y: int, words: str, kind: str = "", anchor: str = "start") -> str:
    shown = f' class="{kind}"' if kind else ""
    shown += f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x}" y="{y}"{shown}>{escape(words.replace("`", ""))}</text>'
