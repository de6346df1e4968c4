"""What there is to know about a shell, as one value."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloche.shells.words import Word

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")
"""Characters that mean nothing but themselves, anywhere in a word, in every shell."""


@value
class Shell:
    """A shell, or a family of shells that read the same scripts."""

    name: str
    """Name of the activator that writes its scripts."""
    programs: tuple[str, ...]
    """Names of its programs: `bash`, `zsh`."""
    script_names: tuple[str, ...]
    """File names of its scripts, whoever wrote them; the first is the one to activate with."""
    quote: Callable[[str], str]
    """Returns a text as one word, as `Activator.quote` does."""
    read_words: Callable[[str], Iterable[Word]]
    """Returns the words of a line that mean the same whenever the line runs."""
    source_line: Callable[[str], str] | None = None
    """Returns the command that activates with the script at a path; None if its activator does not say."""
    trial: str = ""
    """A program that runs the command `{line}` and then prints VIRTUAL_ENV; empty if activation cannot be tried."""
    trial_options: Mapping[str, tuple[str, ...]] = {}
    """For each program that can try it, the options that go before the text of that program."""


def is_unicode(text: str) -> bool:
    """Return whether a script in UTF-8 can hold a text, which a file name may not be."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
