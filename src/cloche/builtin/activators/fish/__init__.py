"""Activates in fish; what it writes must hold in every fish from 3.0 on."""

from __future__ import annotations

from cloche.errors import Inexpressible
from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")
"""Characters that mean nothing anywhere in a word."""


class Fish:
    """The activator `fish`."""

    name = "fish"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return "has no shell to serve on Windows" if interpreter.os_name == "nt" else None

    def quote(self, text: str) -> str:
        """Return `text` as one word: bare if it is plain, else in single quotes.

        :raises Inexpressible: it holds a NUL or what is not Unicode.
        """
        if text and PLAIN.issuperset(text):
            return text
        if "\0" in text:
            raise Inexpressible("fish cannot hold a NUL character")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Inexpressible("an activation script is UTF-8 and cannot hold a name that is not Unicode")
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def scripts(self, environment: Environment) -> list[Script]:
        text, values = resource(__name__, "activate.fish"), environment.values
        if environment.placement == "relocatable":
            text, values = relocatable(text, resource(__name__, "here.fish")), environment.values_anywhere
        return [Script("activate.fish", render(text, values, self.quote))]


activator = Fish()
