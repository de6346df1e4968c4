"""Sphinx configuration."""

from __future__ import annotations

import sys
from pathlib import Path

from pygments.lexers.shell import BashLexer

from cloche import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "cloche"
author = "the cloche contributors"
release = version = __version__

extensions = ["cloche_reference", "cloche_terminal", "myst_parser"]
exclude_patterns = ["_build", "changelog"]
nitpicky = True
nitpick_ignore = [  # the inventory of the standard library is on the network
    ("py:class", name) for name in ("AbstractContextManager", "F", "Path", "os.PathLike")
]
python_maximum_signature_line_length = 100
smartquotes = False  # keep the two hyphens of options
myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"cloche {release}"
html_static_path = ["_static"]
html_css_files = ["cloche.css"]
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False


def setup(app: Sphinx) -> None:
    app.add_lexer("rc", BashLexer)  # Pygments has no lexer for rc, whose syntax is close to that of bash
