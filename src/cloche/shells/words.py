"""Words of a shell's syntax: where they are in a line, and what they stand for."""

from __future__ import annotations

import ast
import re

from cloche.errors import Inexpressible
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@value
class Word:
    """A word of which is known, without running the line, what it stands for."""

    start: int
    """Where it begins in the line, with its quotes."""
    end: int
    text: str
    """What it stands for."""


def words_matching(line: str, pattern: str, unquote: Callable[[str], str | None]) -> Iterator[Word]:
    """Yield the words of a line that match a regular expression, or its group `word` if it has one.

    :param unquote: returns what a word as it is written stands for; None if that is not known, or if it is not a word.
    """
    compiled = re.compile(pattern)
    group = "word" if "word" in compiled.groupindex else 0
    for match in compiled.finditer(line):
        text = unquote(match[group])
        if text is not None:
            yield Word(*match.span(group), text)


def words_quoted_by(quote: Callable[[str], str], line: str) -> Iterator[Word]:
    """Yield the words of a line that `quote` has written, for shells of which nothing else is known.

    The usual ways to quote are undone, and the result counts where `quote` makes the same word of it again.
    """

    def unquote(word: str) -> str | None:
        return next((text for text in possible_texts(word) if is_quoted_as(quote, text, word)), None)

    return words_matching(line, r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|[^\s'"]+""", unquote)


def possible_texts(word: str) -> Iterator[str]:
    """Yield what a word may stand for: its letters, quotes in it doubled or escaped, or escapes as Python has them."""
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
    """Return the text that a string literal of Python stands for; None if it is something else."""
    try:
        literal = ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return None
    return literal if isinstance(literal, str) else None
