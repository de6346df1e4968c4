"""bash and the other POSIX-like shells: sh, dash, ksh, mksh, yash, zsh and BusyBox sh."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.shells import PLAIN, ShellFamily, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word


def quote(text: str) -> str:
    """Return `text` as one word, in single quotes if necessary.

    :raises Inexpressible: the text contains NUL or is not Unicode.
    """
    if text and PLAIN.issuperset(text):
        return text
    refuse_unwritable(text, "a POSIX shell")
    return "'" + text.replace("'", "'\\''") + "'"


def source_line(path: str) -> str:
    """Return the command with `.`, which every POSIX-like shell has."""
    return f". {quote(path)}"


def bash_source_line(path: str) -> str:
    """Return the command with `source`, which users of bash and zsh prefer."""
    return f"source {quote(path)}"


SPECIAL_IN_PROMPT = frozenset("$`\\!%").union(map(chr, range(32)))
"""The characters that bash, zsh or ksh may expand in a prompt."""


def quote_for_python_too(text: str) -> str:
    """Return `text` as one word, in a form that is also valid inside a Python string with three double quotes.

    In double quotes, the shell and Python escape the backslash and the quote in the same way. `$` and the backquote are put
    in single quotes, because Python has no escape for them. Bytes that are not UTF-8 are printed from octal numbers, which
    both understand. The result never contains three double quotes in a row.
    """
    word = ""
    for kind, piece in _runs(text):
        if kind == "expanded":
            word += f"'{piece}'"
        elif kind == "binary":
            octal = "".join(f"\\{byte:03o}" for byte in piece.encode("utf-8", "surrogateescape"))
            word += f"\"$(printf '{octal}')\""
        else:
            escaped = piece.replace("\\", "\\\\").replace('"', '\\"')
            word += f'"{escaped}"'
    return word


def _runs(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a text, each with its kind: `expanded` (by a shell), `binary` (not UTF-8) or `text`."""
    from cloche.fs import is_unicode

    kinds = ["expanded" if letter in "$`" else "text" if is_unicode(letter) else "binary" for letter in text]
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or kinds[end] != kinds[start]:
            yield kinds[start], text[start:end]
            start = end


OCTAL = r"""\"\$\((?:[^"'()]*printf '%b' '(?:\\0[0-3][0-7]{2})+'|printf '(?:\\[0-3][0-7]{2})+')\)\""""
"""A command that prints bytes. virtualenv (since 21.15) and `quote_for_python_too` spell some characters like this."""

WORD = rf"""(?:[A-Za-z_]\w*=)?(?P<word>(?:{OCTAL}|'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\;&|()<>`])+)"""
"""A word, or the value of an assignment."""


def read_words(line: str) -> Iterator[Word]:
    """Yield the words of a line that contain no expansion."""
    from cloche.shells.words import words_matching

    return words_matching(line, WORD, unquote)


def split_command(command: str) -> list[str] | None:
    """Return the words of a command; None if the text of a word is not known, or it is more than one plain command."""
    words = [*read_words(command)]
    ends = [0, *(word.end for word in words)]
    starts = [*(word.start for word in words), len(command)]
    if any(command[end:start].strip() for end, start in zip(ends, starts, strict=True)):
        return None
    return [word.text for word in words]


def unquote(word: str) -> str | None:
    """Return the text of a word; None if it contains an expansion."""
    import re

    texts = []
    for piece in re.findall(rf"""{OCTAL}|'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^'"\\]+""", word):
        unescaped = piece if piece[0] == "'" else re.sub(r"\\.", "", piece)
        if re.fullmatch(OCTAL, piece):
            codes = re.findall(r"\\0?([0-3][0-7]{2})", piece)
            texts.append(bytes(int(code, 8) for code in codes).decode("utf-8", "surrogateescape"))
        elif piece[0] == "'":
            texts.append(piece[1:-1])
        elif "$" in unescaped or "`" in unescaped:
            return None
        elif piece[0] == '"':
            texts.append(re.sub(r'\\([\\"$`])', r"\1", piece[1:-1]))
        else:
            texts.append(piece.removeprefix("\\"))
    return "".join(texts)


SCRIPT_NAMES = ("activate", "activate.sh", "activate.bash")
ACTIVATION_TEST = "{line} && printf '%s\\n' \"$VIRTUAL_ENV\""

SHELLS = (
    ShellFamily(
        name="bash",
        programs=("bash", "zsh"),
        script_names=SCRIPT_NAMES,
        quote=quote,
        read_words=read_words,
        source_line=bash_source_line,
        joins_quoted=True,
        activation_test=ACTIVATION_TEST,
        test_options={"bash": ("--norc", "--noprofile", "-c"), "zsh": ("-f", "-c")},
    ),
    ShellFamily(
        name="bash",
        programs=("sh", "ash", "dash", "ksh", "ksh93", "mksh", "yash"),
        script_names=SCRIPT_NAMES,
        quote=quote,
        read_words=read_words,
        source_line=source_line,
        joins_quoted=True,
        activation_test=ACTIVATION_TEST,
        test_options={"dash": ("-c",)},
    ),
)
