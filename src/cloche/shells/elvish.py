"""The shell elvish.

The activator is a separate plugin, which quotes and reads words with these functions. cloche has them because other tools
write scripts for this shell into every environment, and it reads and updates those without the plugin, too.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.shells import ShellFamily, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word


def quote(text: str) -> str:
    """Return `text` in single quotes, in which only a single quote is special and therefore doubled.

    :raises cloche.errors.Inexpressible: the text contains NUL or is not Unicode.
    """
    refuse_unwritable(text, "elvish")
    return "'" + text.replace("'", "''") + "'"


def read_words(line: str) -> Iterator[Word]:
    """Yield the strings of a line, except those with an escape sequence."""
    from cloche.shells.words import words_matching

    def unquote(word: str) -> str | None:
        return word[1:-1].replace("''", "'") if word[0] == "'" else word[1:-1]

    return words_matching(line, r"""(?<![\w'"])(?:'(?:[^']|'')*'|"[^"\\]*")(?![\w'"])""", unquote)


SHELLS = (ShellFamily("elvish", ("elvish",), ("activate.elv",), quote, read_words),)
