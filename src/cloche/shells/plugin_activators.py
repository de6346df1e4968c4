"""The shell family of an activator that a plugin provides, from the attributes that the activator has."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, replace
from cloche.shells import ShellFamily, names_of_attribute, programs_of
from cloche.shells.words import Word, words_quoted_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cloche.model.environment import Environment


def shell_of_activator(activator: Any, environment: Environment) -> ShellFamily:
    """Return the shell of a plugin's activator, with defaults for optional attributes.

    By default, `script_names` are the names of the scripts for `environment`, and `read_words` finds the words that
    `quote` may have written.

    :raises Exception: any error of the activator.
    """
    names = getattr(activator, "script_names", None) or [script.name for script in activator.scripts(environment)]
    quote, source_line = returning_text("quote", activator.quote), getattr(activator, "source_line", None)
    read_words = getattr(activator, "read_words", None)
    return ShellFamily(
        name=activator.name,
        programs=programs_of(activator),
        script_names=names_of_attribute("script_names", names),
        quote=quote,
        read_words=returning_words(read_words) if read_words else reader_of(quote),
        source_line=returning_text("source_line", source_line) if source_line else None,
        joins_quoted=getattr(activator, "joins_quoted", False),
    )


def guarded(shell: ShellFamily, guard: Callable[[Callable[[], Any]], Any]) -> ShellFamily:
    """Return the shell of a plugin's activator, in which `guard` makes each call of a function.

    :param guard: calls a function and returns its result, or raises an error that names the plugin.
    """
    source_line = shell.source_line
    return replace(
        shell,
        quote=lambda text: guard(lambda: shell.quote(text)),
        read_words=lambda line: guard(lambda: list(shell.read_words(line))),
        source_line=None if source_line is None else lambda path: guard(lambda: source_line(path)),
    )


def returning_text(method: str, function: Callable[[str], object]) -> Callable[[str], str]:
    """Return the function with a check that its result is a string; otherwise it raises TypeError."""

    def checked(text: str) -> str:
        result = function(text)
        if not isinstance(result, str):
            raise TypeError(f"`{method}` returned {result!r}: expected a string")
        return result

    return checked


def returning_words(function: Callable[[str], Any]) -> Callable[[str], Iterable[Word]]:
    """Return a function `read_words` with a check that its result is a list of words; otherwise it raises TypeError."""

    def checked(line: str) -> Iterable[Word]:
        result = function(line)
        words = list(result) if hasattr(result, "__iter__") else [result]
        for word in words:
            if not isinstance(word, Word):
                raise TypeError(f"`read_words` returned {result!r}: expected a list of `cloche.shells.words.Word`")
        return words

    return checked


def reader_of(quote: Callable[[str], str]) -> Callable[[str], Iterable[Word]]:
    """Return a function that reads the words which `quote` writes."""

    def read_words(line: str) -> Iterable[Word]:
        return words_quoted_by(quote, line)

    return read_words
