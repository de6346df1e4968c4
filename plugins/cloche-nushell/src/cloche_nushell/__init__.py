"""Activates an environment in Nushell."""

from __future__ import annotations

from cloche import Environment, Inexpressible, Interpreter, Script, hookimpl, render, resource

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
        return [Script("activate.nu", render(resource(__name__, "activate.nu"), environment.values, self.quote))]


activator = Nushell()


@hookimpl
def cloche_activators() -> list[Nushell]:
    return [activator]
