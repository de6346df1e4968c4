"""The shell xonsh, whose language extends Python.

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
    """Return `text` as a Python literal in ASCII, without `$`, which xonsh would expand.

    :raises cloche.errors.Inexpressible: the text contains NUL or is not Unicode.
    """
    refuse_unwritable(text, "xonsh")
    return ascii(text).replace("$", "\\x24")


BUILTINS = r"__import__\('builtins'\)"
PATH_BYTES = rf"{BUILTINS}\.bytes\.fromhex\('(?:[0-9a-f]{{2}})*'\)"
CHARACTERS = rf"''\.join\({BUILTINS}\.map\({BUILTINS}\.chr, \([\d, ]*\)\)\)"
"""How virtualenv (since 21.10) writes a path and any other text that is not plain ASCII."""


def read_words(line: str) -> Iterator[Word]:
    """Yield the string literals of a line, and the expressions that virtualenv writes instead of one."""
    from cloche.shells.words import words_matching

    literal = r"""(?<!\w)[A-Za-z]{0,2}(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?!['"])"""
    return words_matching(line, f"{PATH_BYTES}|{CHARACTERS}|{literal}", unquote)


def unquote(word: str) -> str | None:
    import re

    from cloche.shells.words import python_literal

    if word.startswith("__import__"):
        [digits] = re.findall(r"fromhex\('(.*)'\)", word)
        return bytes.fromhex(digits).decode("utf-8", "surrogateescape")
    if word.startswith("''.join"):
        return "".join(chr(int(number)) for number in re.findall(r"\d+", word))
    return python_literal(word)


SHELLS = (ShellFamily("xonsh", ("xonsh",), ("activate.xsh",), quote, read_words),)
