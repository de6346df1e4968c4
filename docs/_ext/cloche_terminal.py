"""The directive ```` ```{terminal} ````: it runs its commands at each build, and shows the terminal as a picture.

So the pictures are always up to date. If you read the page as a file, you see the commands.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from pictures import render_svg, run_in_terminal, without_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("terminal", Terminal)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Terminal(SphinxDirective):
    """A picture of the commands, one per line, and their output.

    The commands in the option `before` run first and are not shown. With `animated`, the lines appear one after the
    other. With `without-times`, the durations that cloche prints are left out.
    """

    has_content = True
    option_spec = {  # noqa: RUF012
        "before": directives.unchanged,
        "caption": directives.unchanged,
        "animated": directives.flag,
        "without-times": directives.flag,
    }

    def run(self) -> Sequence[nodes.Node]:
        caption = escape(self.options.get("caption", ""))
        lines = run_in_terminal(self.content, self.options.get("before", ""))
        if "without-times" in self.options:
            lines = without_times(lines)
        picture = render_svg(lines, animated="animated" in self.options)
        figcaption = f"<figcaption>{caption}</figcaption>" if caption else ""
        return [nodes.raw("", f'<figure class="terminal">{picture}{figcaption}</figure>', format="html")]
