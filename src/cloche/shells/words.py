"""Words in a line of shell code: where they are, and which text they represent."""

from __future__ import annotations

import re

from cloche.errors import Inexpressible
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Word(Value):
    """A word whose text is known without running the line."""

    start: int
    """The index of its first character in the line, including quotes."""
    end: int
    """The index after its last character."""
    text: str
    """The text that it represents, without quotes and escapes."""


def words_matching(line: str, pattern: str, unquote: Callable[[str], str | None]) -> Iterator[Word]:
    """Yield the words of a line that match a regular expression, or its group `word` if it has one.

    :param unquote: a function that returns the text of a word; None if the text is not known, or it is not a word.
    """
    compiled = re.compile(pattern)
    group = "word" if "word" in compiled.groupindex else 0
    for match in compiled.finditer(line):
        text = unquote(match[group])
        if text is not None:
            yield Word(*match.span(group), text)


def words_quoted_by(quote: Callable[[str], str], line: str) -> Iterator[Word]:
    """Yield the words of a line that `quote` may have written, for shells of which only `quote` is known.

    This tries the usual ways to unquote a word, and accepts a text if `quote` turns it into the same word again.
    """

    def unquote(word: str) -> str | None:
        return next((text for text in possible_texts(word) if is_quoted_as(quote, text, word)), None)

    return words_matching(line, r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|[^\s'"]+""", unquote)


def possible_texts(word: str) -> Iterator[str]:
    """Yield the texts that a word may represent, by the usual quoting rules and by those of Python."""
    quote, inner = word[0], word[1:-1]
    if quote not in "'\"":
        yield word
        yield re.sub(r"\\(.)", r"\1", word)
        return
    yield inner.replace(quote * 2, quote)
    yield re.sub(r"\\(.)", r"\1", inner)
    if (literal := python_literal(word)) is not None:
        yield literal


def is_quoted_as(quote: Callable[[str], str], text: str, word: str) -> bool:
    try:
        return quote(text) == word
    except Inexpressible:
        return False


def python_literal(word: str) -> str | None:
    """Return the value of a Python string literal; None if `word` is something else."""
    if word[:1] in "bBfF":
        return None  # bytes, or a string that depends on variables
    inner = word[1:-1]
    is_quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "'\""
    if is_quoted and word[0] not in inner and "\\" not in inner and inner.isprintable():
        return inner  # nearly all are like this, and `ast` takes milliseconds to load
    from ast import literal_eval

    try:
        literal = literal_eval(word)
    except (ValueError, SyntaxError):
        return None
    return literal if isinstance(literal, str) else None
