"""csh and tcsh."""

from __future__ import annotations

from cloche.errors import Inexpressible
from cloche.model.value import TYPE_CHECKING
from cloche.shells import PLAIN, ShellFamily, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word


def quote(text: str) -> str:
    """Return `text` as one word, with a backslash before each character that may be special.

    Quotes are not enough: `!` is expanded inside them, and the effect of a backslash there depends on the variable
    `backslash_quote`.

    :raises Inexpressible: the text contains a newline (after a backslash, it becomes a space) or NUL, or is not
        Unicode.
    """
    if "\n" in text:
        raise Inexpressible("csh cannot express a newline")
    refuse_unwritable(text, "csh")
    return "".join(c if c in PLAIN or c >= "\x80" else f"\\{c}" for c in text) or "''"


def source_line(path: str) -> str:
    return f"source {quote(path)}"


def prompt_pattern(text: str) -> str:
    """Return the pattern for the prompt of tcsh that shows `text`; it is not quoted."""
    import re

    return re.sub(r"[!^\\]", r"\\\g<0>", text).replace("%", "%%")


WORD = r"""(?:[A-Za-z_]\w*=)?(?P<word>(?:'[^']*'|"[^"]*"|\\.|[^ \t\r\n\f\v'"\\;&|()<>`])+)"""
"""A word, or the value in `set NAME=value`; only ASCII white space separates words."""


def read_words(line: str) -> Iterator[Word]:
    """Yield the words of a line that contain no expansion."""
    from cloche.shells.words import words_matching

    return words_matching(line, WORD, unquote)


def unquote(word: str) -> str | None:
    """Return the text of a word; None if it contains an expansion.

    In quotes, a backslash is literal unless it precedes an exclamation mark. virtualenv writes each byte of a
    character separately, with empty quotes between them.
    """
    import re

    texts = []
    for piece in re.findall(r"""'[^']*'|"[^"]*"|\\.|[^'"\\]+""", word):
        if piece[0] != "'" and piece[0] != "\\" and ("$" in piece or "`" in piece):
            return None
        if piece[0] in "'\"":
            texts.append(piece[1:-1].replace("\\!", "!"))
        else:
            texts.append(piece.removeprefix("\\"))
    text = "".join(texts)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


SHELLS = (
    ShellFamily(
        name="csh",
        programs=("csh", "tcsh"),
        script_names=("activate.csh", "deactivate.csh"),
        quote=quote,
        read_words=read_words,
        source_line=source_line,
        joins_quoted=True,
        activation_test="set prompt = ''; {line} && printenv VIRTUAL_ENV",
        test_options={"tcsh": ("-f", "-c")},
    ),
)
