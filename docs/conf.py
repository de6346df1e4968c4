"""Sphinx configuration."""

from __future__ import annotations

import sys
from importlib.metadata import metadata
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

extensions = ["cloche_reference", "cloche_terminal", "myst_parser", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["_build", "changelog"]
nitpicky = True
nitpick_ignore = [  # the inventory of the standard library is on the network
    ("py:class", name) for name in ("AbstractContextManager", "F", "Path", "os.PathLike")
]
python_maximum_signature_line_length = 100
smartquotes = False  # keep the two hyphens of options
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

# Copy the commands of a session, without prompts and output.
copybutton_prompt_text = r"(?:\([^)]*\) )?\$ |> "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"cloche {release}"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["cloche.css"]
html_search_scorer = str(Path(__file__).parent / "_ext" / "search_scorer.js")
html_show_copyright = False
html_theme_options: dict[str, object] = {
    "light_logo": "logo-light.svg",
    "dark_logo": "logo-dark.svg",
    "light_css_variables": {"color-brand-primary": "#1a7f5a", "color-brand-content": "#0f6b4a"},
    "dark_css_variables": {"color-brand-primary": "#3fb68b", "color-brand-content": "#56c596"},
}


def project_links(lines: list[str]) -> dict[str, str]:
    """Return the links of the project by lower-case name, from the lines `Name, URL` of its metadata."""
    return {name.strip().lower(): url.strip() for name, _, url in (line.partition(",") for line in lines)}


LINKS = project_links(metadata("cloche").get_all("Project-URL") or [])

if source := LINKS.get("source"):  # each page links to its source, and to the form that edits it
    html_theme_options.update(source_repository=source, source_branch="main", source_directory="docs/")
if LINKS:
    html_theme_options["footer_icons"] = [
        {"name": name, "url": url, "html": name.capitalize(), "class": ""} for name, url in LINKS.items()
    ]


def setup(app: Sphinx) -> None:
    app.add_lexer("rc", BashLexer)  # Pygments has no lexer for rc, whose syntax is close to that of bash
