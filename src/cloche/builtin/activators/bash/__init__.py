"""Activates in bash and every other shell of the POSIX family: sh, dash, ksh, mksh, zsh, yash, BusyBox.

One file serves them all, so it must use nothing that one of them cannot parse.
"""

from __future__ import annotations

from cloche.errors import Inexpressible
from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")
"""Characters that mean nothing in any position of an assignment's value."""


class Bash:
    """The activator `bash`; on Windows its shell is Git Bash, MSYS2 or Cygwin."""

    name = "bash"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def quote(self, text: str) -> str:
        """Return `text` as one word: bare if it is plain, else in single quotes.

        :raises Inexpressible: it holds a NUL or what is not Unicode.
        """
        if text and PLAIN.issuperset(text):
            return text
        if "\0" in text:
            raise Inexpressible("a POSIX shell cannot hold a NUL character")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Inexpressible("an activation script is UTF-8 and cannot hold a name that is not Unicode")
        return "'" + text.replace("'", "'\\''") + "'"

    def scripts(self, environment: Environment) -> list[Script]:
        text, values = resource(__name__, "activate"), environment.values
        if environment.placement == "relocatable":
            text, values = relocatable(text, resource(__name__, "here.sh")), environment.values_anywhere
        return [Script("activate", render(text, values, self.quote))]


activator = Bash()
