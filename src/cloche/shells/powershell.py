"""Windows PowerShell 5.1, and PowerShell 7 on every operating system."""

from __future__ import annotations

from cloche.errors import Inexpressible
from cloche.model.value import TYPE_CHECKING
from cloche.shells import PLAIN, ShellFamily, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word

QUOTES = "'\u2018\u2019\u201a\u201b"
"""The characters that PowerShell accepts as a single quote (`CharExtensions.IsSingleQuote` in its tokenizer)."""


def quote(text: str) -> str:
    """Return `text` as a verbatim string, in which only single quotes are special and therefore doubled.

    :raises Inexpressible: the text contains NUL, which ends an environment variable, or is not Unicode.
    """
    refuse_unwritable(text, "powershell")
    return "'" + "".join(character * (1 + (character in QUOTES)) for character in text) + "'"


def source_line(path: str) -> str:
    """Return the command that runs a script in the current scope.

    :raises Inexpressible: a relative path on POSIX contains a backslash; it would be read as `module\\command`.
    """
    if "\\" in path and "/" in path[1:] and path[0] != "/":
        raise Inexpressible("powershell cannot express a backslash in a relative path")
    is_plain = (PLAIN | {"\\", ":"}).issuperset(path)
    return f". {path if is_plain else quote(path)}"


def read_words(line: str) -> Iterator[Word]:
    """Yield the strings of a line that contain no expansion."""
    from cloche.shells.words import words_matching

    verbatim = f"[{QUOTES}](?:[^{QUOTES}]|[{QUOTES}]{{2}})*[{QUOTES}]"
    return words_matching(line, rf'{verbatim}|"(?:[^"`]|`.|"")*"', unquote)


def unquote(word: str) -> str | None:
    """Return the text of a string; None if it contains an expansion or an escape sequence."""
    import re

    if word[0] in QUOTES:
        return re.sub(f"[{QUOTES}]([{QUOTES}])", r"\1", word[1:-1])
    if "$" in re.sub("`.", "", word) or any(map(str.isalnum, re.findall("`(.)", word))):  # such as `n, a newline
        return None
    return re.sub('[`"](.)', r"\1", word[1:-1])


SHELLS = (
    ShellFamily(
        name="powershell",
        programs=("pwsh", "powershell"),
        script_names=("activate.ps1",),
        quote=quote,
        read_words=read_words,
        source_line=source_line,
    ),
)
