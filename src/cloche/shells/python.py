"""A running Python process, which is not a shell but can also run an activation script."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.shells import ShellFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word


def quote(text: str) -> str:
    """Return `text` as a string literal in ASCII, which can express any text."""
    return ascii(text)


def source_line(path: str) -> str:
    return f"import runpy; runpy.run_path({quote(path)})"


def read_words(line: str) -> Iterator[Word]:
    """Yield the string literals of a line."""
    from cloche.shells.words import python_literal, words_matching

    return words_matching(line, r"""(?<!\w)[A-Za-z]{0,2}(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", python_literal)


SHELLS = (
    ShellFamily(
        name="python",
        programs=(),
        script_names=("activate_this.py",),
        quote=quote,
        read_words=read_words,
        source_line=source_line,
    ),
)
