"""Nushell.

The activator is a separate plugin, which quotes and reads words with these functions. cloche has them because other tools
write scripts for this shell into every environment, and it reads and updates those without the plugin, too.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.shells import ShellFamily, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word


ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote(text: str) -> str:
    """Return `text` in double quotes, in which only backslashes and double quotes are special.

    :raises cloche.errors.Inexpressible: the text contains NUL or is not Unicode.
    """
    refuse_unwritable(text, "nushell")
    return '"' + "".join(ESCAPES.get(letter, letter) for letter in text) + '"'


def read_words(line: str) -> Iterator[Word]:
    """Yield the strings of a line: raw, or in single quotes, double quotes or backquotes."""
    from cloche.shells.words import words_matching

    plain = r"""'[^']*'|`[^`]*`|"(?:[^"\\]|\\.)*\""""
    return words_matching(line, rf"""(?<![\w'"#$])(?:r(#+)'.*?'\1(?!#)|(?:{plain}))(?![\w'"])""", unquote)


def unquote(word: str) -> str | None:
    """Return the text of a string; None if it contains an escape sequence that `quote` does not write."""
    import re

    if word[0] == "r":
        return word.strip("r#")[1:-1]
    if word[0] != '"':
        return word[1:-1]
    texts = {escape: text for text, escape in ESCAPES.items()}
    if not texts.keys() >= {*re.findall(r"\\.", word)}:
        return None
    return re.sub(r"\\.", lambda escape: texts[escape[0]], word[1:-1])


SHELLS = (ShellFamily("nushell", ("nu", "nushell"), ("activate.nu",), quote, read_words),)
