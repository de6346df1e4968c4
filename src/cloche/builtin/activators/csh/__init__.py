"""Activates in csh and tcsh.

A csh script can be trusted with less than a POSIX one: what it cannot hold is refused here, never written half.
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
"""The ASCII characters that mean nothing anywhere in a word."""


class Csh:
    """The activator `csh`."""

    name = "csh"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return "has no shell to serve on Windows" if interpreter.os_name == "nt" else None

    def quote(self, text: str) -> str:
        """Return `text` as one word, with a backslash before each character that could mean something.

        Quotes would not do: `!` is expanded inside them, and what a backslash does there depends on `backslash_quote`.

        :raises Inexpressible: it holds a newline (one after a backslash becomes a blank), a NUL or what is not Unicode.
        """
        for character, name in ("\n", "a newline"), ("\0", "a NUL character"):
            if character in text:
                raise Inexpressible(f"csh cannot hold {name}")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Inexpressible("an activation script is UTF-8 and cannot hold a name that is not Unicode")
        return "".join(c if c in PLAIN or c >= "\x80" else f"\\{c}" for c in text) or "''"

    def scripts(self, environment: Environment) -> list[Script]:
        text, values = resource(__name__, "activate.csh"), environment.values
        if environment.placement == "relocatable":
            text, values = relocatable(text, resource(__name__, "here.csh")), environment.values_anywhere
        return [Script("activate.csh", render(text, values, self.quote))]


activator = Csh()
