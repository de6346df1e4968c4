"""Show a terminal in a page: ```` ```{terminal} ```` has the commands, and the picture is taken when the page is built.

So the pictures are never older than cloche. In a checkout the page shows the commands.
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
    """A line is a command; what `:before:` has is done beforehand, out of sight."""

    has_content = True
    option_spec = {"before": directives.unchanged, "caption": directives.unchanged}  # noqa: RUF012

    def run(self) -> Sequence[nodes.Node]:
        caption = escape(self.options.get("caption", ""))
        picture = drawn(typed(self.content, self.options.get("before", "")))
        told = f"<figcaption>{caption}</figcaption>" if caption else ""
        return [nodes.raw("", f'<figure class="terminal">{picture}{told}</figure>', format="html")]
