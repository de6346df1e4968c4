"""Show a terminal in a page: ```` ```{terminal} ```` holds commands, and each build draws what they print.

So the pictures are always up to date. In a checkout, the page shows the commands.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from pictures import drawn, typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("terminal", Terminal)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Terminal(SphinxDirective):
    """Run one command per line and show the output; the commands in `:before:` run first and are not shown."""

    has_content = True
    option_spec = {"before": directives.unchanged, "caption": directives.unchanged}  # noqa: RUF012

    def run(self) -> Sequence[nodes.Node]:
        caption = escape(self.options.get("caption", ""))
        picture = drawn(typed(self.content, self.options.get("before", "")))
        figcaption = f"<figcaption>{caption}</figcaption>" if caption else ""
        return [nodes.raw("", f'<figure class="terminal">{picture}{figcaption}</figure>', format="html")]
