"""Activation scripts of any maker: finding the words of a shell that name the environment, and writing them anew.

A word is taken apart by the shell's own rules and quoted by the quoter of the shell's activator, so that a name with a
quote or a dollar sign means itself afterwards, whatever it was written like before.
"""

from __future__ import annotations

import ast
import re
import shlex

from cloche.errors import Inexpressible
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@value
class Dialect:
    """How a shell writes one word."""

    word: re.Pattern[str]
    decode: Callable[[str], str | None]
    """What a word stands for; None if that is not known before the script runs."""
    quote: Callable[[str], str]


def posix_word(word: str) -> str | None:
    bare = re.sub(r"'[^']*'|\\.", "", word)
    if re.search(r"[$`]", bare):
        return None
    try:
        parts = shlex.split(word)
    except ValueError:
        return None
    return parts[0] if len(parts) == 1 else None


def csh_word(word: str) -> str | None:
    """As `posix_word`; csh expands `!` inside single quotes too, so that there alone a backslash before it is no text."""
    return posix_word(
        re.sub(r"\\.|'[^']*'", lambda piece: piece[0].replace("\\!", "!") if piece[0][0] == "'" else piece[0], word)
    )


def fish_word(word: str) -> str | None:
    pieces = []
    for piece in re.findall(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\\.|[^'\"\\]+", word):
        if piece[0] == "'":
            pieces.append(re.sub(r"\\([\\'])", r"\1", piece[1:-1]))
        elif piece[0] == '"':
            if re.search(r"(?<!\\)[$(]", piece):
                return None
            pieces.append(re.sub(r'\\([\\"$])', r"\1", piece[1:-1]))
        elif piece[0] == "\\":
            pieces.append(piece[1:])
        elif re.search(r"[$()]", piece):
            return None
        else:
            pieces.append(piece)
    return "".join(pieces)


def powershell_word(word: str) -> str | None:
    if word[0] == "'":
        return word[1:-1].replace("''", "'")
    if re.search(r"(?<!`)\$", word):
        return None
    return re.sub(r"`(.)", r"\1", word[1:-1])


def python_word(word: str) -> str | None:
    try:
        decoded = ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return None
    return decoded if isinstance(decoded, str) else None


def nushell_word(word: str) -> str | None:
    if word.startswith("r#"):
        return word.strip("r#")[1:-1]
    if word[0] in "'`":
        return word[1:-1]
    return python_word(word)


def nushell_quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


_POSIX = re.compile(r"(?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|[^\s'\"\\;&|()<>`])+")
_FISH = re.compile(r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\\.|[^\s'\"\\;&|()<>])+")
_POWERSHELL = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"`]|`.)*\"")
_PYTHON = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_NUSHELL = re.compile(r"r#'.*?'#|'[^']*'|`[^`]*`|\"(?:[^\"\\]|\\.)*\"")

SCRIPTS: Mapping[str, str] = {
    "activate": "bash",
    "activate.bash": "bash",
    "activate.sh": "bash",
    "activate.csh": "csh",
    "deactivate.csh": "csh",
    "activate.fish": "fish",
    "activate.ps1": "powershell",
    "activate.nu": "nushell",
    "activate.xsh": "xonsh",
    "activate.bat": "batch",
    "deactivate.bat": "batch",
    "pydoc.bat": "batch",
    "activate_this.py": "python",
    "activate.elv": "elvish",
}
"""Activation scripts of all makers by lower-case file name, and the shell that reads them."""


def dialects(quoters: Mapping[str, Callable[[str], str]]) -> Mapping[str, Dialect]:
    """Return the dialects, by shell; `quoters` are those of activators, by the activator's name."""
    return {
        "bash": Dialect(_POSIX, posix_word, quoters.get("bash", shlex.quote)),
        "csh": Dialect(_POSIX, csh_word, quoters.get("csh", lambda text: shlex.quote(text).replace("!", "\\!"))),
        "fish": Dialect(_FISH, fish_word, quoters.get("fish", fish_quote)),
        "powershell": Dialect(_POWERSHELL, powershell_word, quoters.get("powershell", powershell_quote)),
        "nushell": Dialect(_NUSHELL, nushell_word, nushell_quote),
        "xonsh": Dialect(_PYTHON, python_word, repr),
        "python": Dialect(_PYTHON, python_word, repr),
        "elvish": Dialect(_POWERSHELL, powershell_word, powershell_quote),
    }


def fish_quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def powershell_quote(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def patched(text: str, dialect: Dialect, change: Callable[[str, str], str]) -> str:
    """Return a script in which `change` was applied to what every word stands for.

    `change` is given that and the line it stands on. Lines are looked at one by one: an apostrophe in a comment opens
    no quote that later lines would close. A word that the shell cannot write stays as it was.
    """
    lines = text.splitlines(keepends=True)
    return "".join(
        dialect.word.sub(lambda match: word_changed(match[0], line, dialect, change), line)  # noqa: B023
        for line in lines
    )


def word_changed(word: str, line: str, dialect: Dialect, change: Callable[[str, str], str]) -> str:
    assignment = re.match(r"[A-Za-z_]\w*=", word)
    name = assignment[0] if assignment and word[0] not in "'\"" else ""
    old = dialect.decode(word[len(name) :])
    if not old:
        return word
    new = change(old, line)
    if new == old:
        return word
    try:
        return name + dialect.quote(new)
    except Inexpressible:
        return word


_NAMES_ROOT = re.compile(
    r"(?:virtual_?env|virtual_root)[\"']?\s*(?::?=\s*|\s)(?:\$\(cygpath\s+(?:-\w\s+)?)?", re.IGNORECASE
)
"""What stands directly before the root in an assignment, in any shell."""


def recorded_roots(text: str, dialect: Dialect) -> list[str]:
    """Return the absolute paths that an activation script takes for the environment's own."""
    found = []
    for line in text.splitlines():
        for name in _NAMES_ROOT.finditer(line):
            match = dialect.word.match(line, name.end())
            decoded = dialect.decode(match[0]) if match else None
            if decoded and re.match(r"(/(?!dev/).|[A-Za-z]:[\\/].)", decoded):
                found.append(decoded)
    return found
