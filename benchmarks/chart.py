"""A bar chart of the median times as SVG, built from the results without a library, for light and dark screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from rounds import spread
from rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rows import Row

CHART_ROWS = ("seeded", "unseeded", "first-pip", "in-process", "cold")
"""The rows in the chart; the table has all of them."""

SHORT_CHART_ROWS = ("seeded", "first-pip")
"""The rows in the chart on the front page of the documentation."""

WIDTH, LEFT, RIGHT = 720, 110, 90
"""The width of the chart, of the names before the bars, and of the figures after them, in pixels."""

BAR, GAP = 16, 6
MAX_RATIO = 3
"""If the longest bar is more than this many times as long as the next one, it is cut off, so that the others stay visible."""

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


def chart(results: dict[str, Any], names: tuple[str, ...] = CHART_ROWS) -> str:
    """Return the chart; every figure is also text in it, so that a screen reader can read it."""
    parts: list[str] = []
    y = 8
    for row in ROWS:
        if row.name in names and row.name in results["seconds"]:
            y += 22
            parts.append(text(16, y, row.title, "title"))
            y += 10
            row_bars = list(bars(row, results["seconds"][row.name], y))
            parts += row_bars
            y += len(row_bars) * (BAR + GAP) + 8
    y += 22
    parts.append(text(16, y, "median time of one run in milliseconds; less is better; each block has its own scale"))
    height = y + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="Times of cloche, uv, virtualenv and venv">\n<style>{STYLE}</style>\n'
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def bars(row: Row, times: dict[str, list[float | None]], y: int) -> Iterator[str]:
    """Yield the bar of each peer with its name and its figure, from `y` downwards."""
    medians = {command.peer: spread(times[command.peer]).median * 1000 for command in row.commands}
    *_, second, longest = [0.0, *sorted(medians.values())]
    limit = longest if longest <= MAX_RATIO * second else second * 1.25
    space = WIDTH - LEFT - RIGHT
    for peer, median in medians.items():
        width = max(2, round(min(1.0, median / limit) * space))
        kind = "cloche" if peer == "cloche" else "other"
        bar = text(LEFT - 8, y + BAR - 4, peer, "own" if kind == "cloche" else "", "end")
        bar += f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width}" height="{BAR}" rx="2"/>'
        if median > limit:  # a slanting gap shows that the bar is cut off
            bar += f'<path d="M{LEFT + width - 34} {y + BAR}l8 -{BAR}h5l-8 {BAR}z"/>'
        bar += text(LEFT + width + 8, y + BAR - 4, format_milliseconds(median), "own" if kind == "cloche" else "")
        yield bar
        y += BAR + GAP


def format_milliseconds(milliseconds: float) -> str:
    digits = 1 if milliseconds < 9.95 else 0
    return f"{milliseconds:,.{digits}f}".replace(",", "\u202f")


def text(x: int, y: int, words: str, kind: str = "", anchor: str = "start") -> str:
    attributes = f' class="{kind}"' if kind else ""
    attributes += f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x}" y="{y}"{attributes}>{escape(words.replace("`", ""))}</text>'
