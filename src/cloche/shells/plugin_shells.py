"""Shells whose activators are separate plugins, for environments in which such a plugin is not installed.

Other tools write scripts for these shells into every environment. This module can suggest the plugin to install, and
replace a path in such a script if both the old and the new path are plain.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.shells import ShellFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.shells.words import Word

PLAIN_IN_QUOTES = frozenset(" /.:@,+-_()")
"""Characters that, like letters and digits, are literal in single and double quotes in all of these shells."""


def is_plain(text: str) -> bool:
    return all(character.isalnum() or character in PLAIN_IN_QUOTES for character in text)


def quote(text: str) -> str:
    """Return `text` in single quotes; correct only if `read_words` reads the result back as `text`."""
    return f"'{text}'"


def read_words(line: str) -> Iterator[Word]:
    """Yield the literals of a line that mean the same in all of these shells, apart from the raw ones of nushell.

    A literal that touches other text is left out: in `'/x/it''s'`, `'/x/it'` is not a word.
    """
    from cloche.shells.words import words_matching

    def unquote(word: str) -> str | None:
        text = word.strip("rbf#")[1:-1]
        return text if is_plain(text) else None

    raw = r"r(?P<hashes>#+)'.*?'(?P=hashes)"
    return words_matching(line, rf"""(?<![\w'"#$])(?:{raw}|[rbf]?'[^']*'|[rbf]?"[^"]*")(?![\w'"])""", unquote)


SHELLS = tuple(
    ShellFamily(name, programs, (script,), quote, read_words)
    for name, programs, script in (
        ("elvish", ("elvish",), "activate.elv"),
        ("nushell", ("nu", "nushell"), "activate.nu"),
        ("xonsh", ("xonsh",), "activate.xsh"),
    )
)

DISTRIBUTIONS: Mapping[str, str] = {**{shell.name: f"cloche-{shell.name}" for shell in SHELLS}, "rc": "cloche-example"}
"""The distributions of the plugins, by the name of the activator."""
