"""cmd.exe, the Windows command prompt.

The syntax of batch files cannot escape every character. Text that it cannot express is refused, never altered.
"""

from __future__ import annotations

from cloche.errors import Inexpressible
from cloche.model.value import TYPE_CHECKING
from cloche.shells import PLAIN, ShellFamily, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word

UNREADABLE = {"\0": "a NUL character", "\n": "a newline", "\r": "a carriage return", "\x1a": "an end-of-file character"}
"""Characters at which cmd stops reading a batch file or line, or which it drops, with their names."""

SPECIAL = '^&|<>()"'
"""Characters with a special meaning outside quotes, which a caret escapes."""

MORE_CARETS = "%_CLOCHE_CARET%"
"""A reference to a variable of the script: the additional carets that `!` needs if delayed expansion is enabled."""


def quote(text: str) -> str:
    """Return `text` for the right side of an unquoted `set NAME=`, which extends to the end of the line.

    There, carets escape special characters, and quotes need not be paired. An exclamation mark is special only if the
    caller has enabled delayed expansion. cmd then removes carets twice from such a line, so the script first sets
    `_CLOCHE_CARET` to the additional carets, or to nothing.

    :raises Inexpressible: the text contains a character that cannot be escaped (see `UNREADABLE`), or is not Unicode.
    """
    refuse_unwritable(text, "batch")
    for character, name in UNREADABLE.items():
        if character in text:
            raise Inexpressible(f"batch cannot express {name}")
    more = MORE_CARETS if "!" in text else ""
    escapes = {"%": "%%", "!": f"{more}!", **{character: f"^{character}" for character in SPECIAL}, "^": f"{more}^^"}
    return "".join(escapes.get(character, character) for character in text)


def source_line(path: str) -> str:
    """Return the path, quoted if necessary: a batch file called at the prompt runs in the calling shell.

    :raises Inexpressible: the path contains `%` or a quote, which cannot be escaped at the prompt, or a line break.
    """
    for character, name in (("%", "`%`"), ('"', "a quote"), ("\n", "a newline"), ("\r", "a carriage return")):
        if character in path:
            raise Inexpressible(f"the Windows command prompt cannot express {name} in the name of a script")
    return path if (PLAIN | {"\\", ":"}).issuperset(path) else f'"{path}"'


SETTING = r"^\s*@?[sS][eE][tT]\s+[^\s=\"]+=(?P<word>(?:\^.|[^\r\n^&|<>])*)"

IN_QUOTES = r'"(?:\w+=)?(?P<word>[^"]*)"'
"""The text in quotes, or the value in `set "NAME=value"`."""


def read_words(line: str) -> Iterator[Word]:
    """Yield the value of an unquoted `set`, or else the texts in double quotes; skip those with an expansion."""
    from cloche.shells.words import words_matching

    settings = [*words_matching(line, SETTING, unquote_setting)]
    yield from settings or words_matching(line, IN_QUOTES, unquote_percent_signs)


def unquote_setting(word: str) -> str | None:
    """Return the value of an unquoted `set`; None if it contains an expansion."""
    import re

    return unquote_percent_signs(re.sub(r"\^(.)", r"\1", word.replace(MORE_CARETS, "")))


def unquote_percent_signs(word: str) -> str | None:
    """Return a text without doubled percent signs; None if it contains an expansion."""
    return None if "%" in word.replace("%%", "") else word.replace("%%", "%")


SHELLS = (
    ShellFamily(
        name="batch",
        programs=("cmd",),
        script_names=("activate.bat", "deactivate.bat", "pydoc.bat"),
        quote=quote,
        read_words=read_words,
        source_line=source_line,
    ),
)
