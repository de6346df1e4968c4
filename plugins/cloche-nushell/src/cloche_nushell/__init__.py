"""A plugin with an activator for Nushell."""

from __future__ import annotations

from cloche import Environment, Interpreter, Script, hookimpl, relocatable, render, resource
from cloche.shells import PLAIN, refuse_unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word

ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Nushell:
    """The activator `nushell`."""

    name = "nushell"
    shells = ("nu", "nushell")
    summary = "Nushell on every system"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def quote(self, text: str) -> str:
        """Return `text` in double quotes, in which only backslashes and double quotes are special.

        :raises cloche.Inexpressible: the text contains NUL or is not Unicode.
        """
        refuse_unwritable(text, "nushell")
        return '"' + "".join(ESCAPES.get(letter, letter) for letter in text) + '"'

    def scripts(self, environment: Environment) -> list[Script]:
        """Return the script; that of a relocatable environment requires Nushell 0.101, because it uses `path self`."""
        template, values = resource(__name__, "activate.nu"), environment.values
        if environment.placement == "relocatable":
            template, values = relocatable(template, resource(__name__, "here.nu")), environment.values_anywhere
        return [Script("activate.nu", render(template, values, self.quote))]

    def source_line(self, path: str) -> str:
        return f"overlay use {path if PLAIN.issuperset(path) else self.quote(path)}"

    def read_words(self, line: str) -> Iterator[Word]:
        """Yield the strings of a line: raw, or in single quotes, double quotes or backquotes."""
        from cloche.shells.words import words_matching

        return words_matching(line, r"""r(#+)'.*?'\1|(?<!\$)'[^']*'|`[^`]*`|(?<!\$)"(?:[^"\\]|\\.)*\"""", unquote)


def unquote(word: str) -> str | None:
    """Return the text of a string; None if it contains an escape sequence that `quote` does not write."""
    import re

    if word[0] == "r":
        return word.strip("r#")[1:-1]
    if word[0] != '"':
        return word[1:-1]
    texts = {escape: text for text, escape in ESCAPES.items()}
    if not texts.keys() >= {*re.findall(r"\\.", word)}:
        return None
    return re.sub(r"\\.", lambda escape: texts[escape[0]], word[1:-1])


activator = Nushell()


@hookimpl
def cloche_activators() -> list[Nushell]:
    return [activator]
