"""Shells whose activators are separate plugins.

Other tools write scripts for these shells into every environment. So cloche can read and replace the words in them even if
the plugin is not installed, and suggest the plugin. The plugins quote and read words with the same functions.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.shells import ShellFamily, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.shells.words import Word


def quote_for_elvish(text: str) -> str:
    """Return `text` in single quotes, in which only a single quote is special and therefore doubled.

    :raises cloche.errors.Inexpressible: the text contains NUL or is not Unicode.
    """
    refuse_unwritable(text, "elvish")
    return "'" + text.replace("'", "''") + "'"


def read_elvish_words(line: str) -> Iterator[Word]:
    """Yield the strings of a line, except those with an escape sequence."""
    from cloche.shells.words import words_matching

    def unquote(word: str) -> str | None:
        return word[1:-1].replace("''", "'") if word[0] == "'" else word[1:-1]

    return words_matching(line, r"""(?<![\w'"])(?:'(?:[^']|'')*'|"[^"\\]*")(?![\w'"])""", unquote)


NUSHELL_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote_for_nushell(text: str) -> str:
    """Return `text` in double quotes, in which only backslashes and double quotes are special.

    :raises cloche.errors.Inexpressible: the text contains NUL or is not Unicode.
    """
    refuse_unwritable(text, "nushell")
    return '"' + "".join(NUSHELL_ESCAPES.get(letter, letter) for letter in text) + '"'


def read_nushell_words(line: str) -> Iterator[Word]:
    """Yield the strings of a line: raw, or in single quotes, double quotes or backquotes."""
    from cloche.shells.words import words_matching

    plain = r"""'[^']*'|`[^`]*`|"(?:[^"\\]|\\.)*\""""
    return words_matching(line, rf"""(?<![\w'"#$])(?:r(#+)'.*?'\1(?!#)|(?:{plain}))(?![\w'"])""", unquote_for_nushell)


def unquote_for_nushell(word: str) -> str | None:
    """Return the text of a string; None if it contains an escape sequence that `quote_for_nushell` does not write."""
    import re

    if word[0] == "r":
        return word.strip("r#")[1:-1]
    if word[0] != '"':
        return word[1:-1]
    texts = {escape: text for text, escape in NUSHELL_ESCAPES.items()}
    if not texts.keys() >= {*re.findall(r"\\.", word)}:
        return None
    return re.sub(r"\\.", lambda escape: texts[escape[0]], word[1:-1])


def quote_for_xonsh(text: str) -> str:
    """Return `text` as a Python literal in ASCII, without `$`, which xonsh would expand.

    :raises cloche.errors.Inexpressible: the text contains NUL or is not Unicode.
    """
    refuse_unwritable(text, "xonsh")
    return ascii(text).replace("$", "\\x24")


BUILTINS = r"__import__\('builtins'\)"
PATH_BYTES = rf"{BUILTINS}\.bytes\.fromhex\('(?:[0-9a-f]{{2}})*'\)"
CHARACTERS = rf"''\.join\({BUILTINS}\.map\({BUILTINS}\.chr, \([\d, ]*\)\)\)"
"""How virtualenv (since 21.10) writes a path and any other text that is not plain ASCII."""


def read_xonsh_words(line: str) -> Iterator[Word]:
    """Yield the string literals of a line, and the expressions that virtualenv writes instead of one."""
    from cloche.shells.words import words_matching

    literal = r"""(?<!\w)[A-Za-z]{0,2}(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?!['"])"""
    return words_matching(line, f"{PATH_BYTES}|{CHARACTERS}|{literal}", unquote_for_xonsh)


def unquote_for_xonsh(word: str) -> str | None:
    import re

    from cloche.shells.words import python_literal

    if word.startswith("__import__"):
        [digits] = re.findall(r"fromhex\('(.*)'\)", word)
        return bytes.fromhex(digits).decode("utf-8", "surrogateescape")
    if word.startswith("''.join"):
        return "".join(chr(int(number)) for number in re.findall(r"\d+", word))
    return python_literal(word)


SHELLS = (
    ShellFamily("elvish", ("elvish",), ("activate.elv",), quote_for_elvish, read_elvish_words),
    ShellFamily("nushell", ("nu", "nushell"), ("activate.nu",), quote_for_nushell, read_nushell_words),
    ShellFamily("xonsh", ("xonsh",), ("activate.xsh",), quote_for_xonsh, read_xonsh_words),
)

DISTRIBUTIONS: Mapping[str, str] = {**{shell.name: f"cloche-{shell.name}" for shell in SHELLS}, "rc": "cloche-example"}
"""The distributions of the plugins, by the name of the activator."""
