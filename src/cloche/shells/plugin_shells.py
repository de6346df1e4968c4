"""Shells that a distribution of their own serves, for where that is not installed.

Other makers write scripts for these shells into every environment. Enough is known of them to name the distribution, and
to move a path from one plain name to another.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.shells.family import ShellFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.shells.words import Word

PLAIN_IN_QUOTES = frozenset(" /.:@,+-_")
"""Characters that, as letters and digits do, mean themselves in quotes of either kind in all of these shells."""


def is_plain(text: str) -> bool:
    return all(character.isalnum() or character in PLAIN_IN_QUOTES for character in text)


def quote(text: str) -> str:
    """Return `text` between single quotes, which is right for what `read_words` then finds there."""
    return f"'{text}'"


def read_words(line: str) -> Iterator[Word]:
    """Yield the quoted texts of a line that mean themselves."""
    from cloche.shells.words import words_matching

    def unquote(word: str) -> str | None:
        return word[1:-1] if is_plain(word[1:-1]) else None

    return words_matching(line, r"""'[^']*'|"[^"]*\"""", unquote)


SHELLS = tuple(
    ShellFamily(name, programs, (script,), quote, read_words)
    for name, programs, script in (
        ("elvish", ("elvish",), "activate.elv"),
        ("nushell", ("nu", "nushell"), "activate.nu"),
        ("xonsh", ("xonsh",), "activate.xsh"),
    )
)

DISTRIBUTIONS: Mapping[str, str] = {shell.name: f"cloche-{shell.name}" for shell in SHELLS}
"""What to install, by the name of the activator that it brings."""
