"""fish 3.0 and later."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.shells import PLAIN, ShellFamily, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word


def quote(text: str) -> str:
    """Return `text` as one word, in single quotes if necessary.

    :raises Inexpressible: the text contains NUL or is not Unicode.
    """
    if text and PLAIN.issuperset(text):
        return text
    refuse_unwritable(text, "fish")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def source_line(path: str) -> str:
    return f"source {quote(path)}"


def read_words(line: str) -> Iterator[Word]:
    """Yield the words of a line that contain no expansion."""
    from cloche.shells.words import words_matching

    pattern = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\;&|()<>])+"""
    return words_matching(line, pattern, unquote)


def unquote(word: str) -> str | None:
    """Return the text of a word; None if it contains an expansion or an escape sequence."""
    import re

    texts = []
    for piece in re.findall(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\\.|[^'"\\]+""", word):
        if piece[0] == "'":
            texts.append(re.sub(r"\\([\\'])", r"\1", piece[1:-1]))
        elif piece[0] == "\\":
            if piece[1].isalnum():  # an escape sequence: `\n`, `\x41`
                return None
            texts.append(piece[1:])
        elif "$" in re.sub(r"\\.", "", piece):
            return None
        elif piece[0] == '"':
            texts.append(re.sub(r'\\([\\"$])', r"\1", piece[1:-1]))
        else:
            texts.append(piece)
    return "".join(texts)


SHELLS = (
    ShellFamily(
        name="fish",
        programs=("fish",),
        script_names=("activate.fish",),
        quote=quote,
        read_words=read_words,
        source_line=source_line,
        joins_quoted=True,
        activation_test="{line}; and echo $VIRTUAL_ENV",
        test_options={"fish": ("--no-config", "-c")},
    ),
)
