"""cmd.exe, the Windows command prompt.

A batch file is read by rules that escape little; what they leave no way to write is refused here, never written half.
"""

from __future__ import annotations

from cloche.errors import Inexpressible
from cloche.model.value import TYPE_CHECKING
from cloche.shells.family import PLAIN, ShellFamily, is_unicode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word

UNREADABLE = {"\0": "a NUL character", "\n": "a newline", "\r": "a carriage return", "\x1a": "an end-of-file character"}
"""What cmd stops at, or throws away, wherever it stands in a batch file."""

PARSED = '^&|<>()"'
"""What means something outside quotes, unless a caret stands before it."""

MORE_CARETS = "%_CLOCHE_CARET%"
"""A variable that our script sets: the carets that `!` needs where the caller has delayed expansion on."""


def quote(text: str) -> str:
    """Return `text` for the right side of an unquoted `set NAME=`, which reaches to the end of the line.

    Carets escape it there, and a quote needs no partner. An exclamation mark means something only where the caller
    has delayed expansion on, and there the carets of such a line are read twice: `_CLOCHE_CARET`, which the script
    sets before, holds the carets that are then needed, and is empty elsewhere.

    :raises Inexpressible: it holds what no escape can write (`UNREADABLE`), or what is not Unicode.
    """
    for character, name in UNREADABLE.items():
        if character in text:
            raise Inexpressible(f"batch cannot hold {name}")
    if not is_unicode(text):
        raise Inexpressible("batch cannot hold a name that is not Unicode")
    more = MORE_CARETS if "!" in text else ""
    escapes = {"%": "%%", "!": f"{more}!", **{character: f"^{character}" for character in PARSED}, "^": f"{more}^^"}
    return "".join(escapes.get(character, character) for character in text)


def source_line(path: str) -> str:
    """Return the path itself: at the prompt a batch file runs in the shell that calls it.

    :raises Inexpressible: a percent sign would begin a variable, in quotes too, and nothing escapes it at the prompt.
    """
    if any(character in path for character in '"%\n\r'):
        raise Inexpressible("the Windows command prompt cannot hold `%` in the name of a script")
    return path if (PLAIN | {"\\", ":"}).issuperset(path) else f'"{path}"'


SETTING = r"^\s*@?[sS][eE][tT]\s+[^\s=\"]+=(?P<word>(?:\^.|[^\r\n^&|<>])*)"

IN_QUOTES = r'"(?:\w+=)?(?P<word>[^"]*)"'
"""Everything in quotes, or the value in `set "NAME=value"`."""


def read_words(line: str) -> Iterator[Word]:
    """Yield the value of an unquoted setting, else what is in double quotes; nothing that holds an expansion."""
    from cloche.shells.words import words_matching

    settings = [*words_matching(line, SETTING, unquote_setting)]
    yield from settings or words_matching(line, IN_QUOTES, unquote_percent_signs)


def unquote_setting(word: str) -> str | None:
    import re

    return unquote_percent_signs(re.sub(r"\^(.)", r"\1", word.replace(MORE_CARETS, "")))


def unquote_percent_signs(word: str) -> str | None:
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
