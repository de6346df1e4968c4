"""Activates an environment in Nushell."""

from __future__ import annotations

from cloche import Environment, Inexpressible, Interpreter, Script, hookimpl, relocatable, render, resource

ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Nushell:
    """The activator `nushell`."""

    name = "nushell"
    summary = "Nushell on every system"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def quote(self, text: str) -> str:
        """Return `text` between double quotes, where a backslash begins an escape and nothing else means anything.

        :raises cloche.Inexpressible: no variable can hold it, or no Nushell script.
        """
        if "\0" in text:
            raise Inexpressible("nushell cannot hold a NUL character in an environment variable")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise Inexpressible("a Nushell script is UTF-8 and cannot hold a name that is not Unicode")
        return '"' + "".join(ESCAPES.get(letter, letter) for letter in text) + '"'

    def scripts(self, environment: Environment) -> list[Script]:
        """Return the script; in a relocatable environment it needs Nushell 0.101, where a script knows its own path."""
        template, values = resource(__name__, "activate.nu"), environment.values
        if environment.placement == "relocatable":
            template, values = relocatable(template, resource(__name__, "here.nu")), environment.values_anywhere
        return [Script("activate.nu", render(template, values, self.quote))]


activator = Nushell()


@hookimpl
def cloche_activators() -> list[Nushell]:
    return [activator]
