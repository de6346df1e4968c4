"""A plugin with an activator for Nushell."""

from __future__ import annotations

from cloche import Environment, Interpreter, Script, hookimpl, relocatable, render, resource
from cloche.shells import PLAIN, nushell


class Nushell:
    """The activator `nushell`."""

    name = "nushell"
    shells = ("nu", "nushell")
    summary = "Nushell on every system"
    quote = staticmethod(nushell.quote)
    read_words = staticmethod(nushell.read_words)

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def scripts(self, environment: Environment) -> list[Script]:
        """Return the script; in a relocatable environment, it requires Nushell 0.101, because it uses `path self`."""
        template, values = resource(__name__, "activate.nu"), environment.values
        if environment.placement == "relocatable":
            template, values = relocatable(template, resource(__name__, "here.nu")), environment.values_anywhere
        return [Script("activate.nu", render(template, values, self.quote))]

    def source_line(self, path: str) -> str:
        return f"overlay use {path if PLAIN.issuperset(path) else self.quote(path)}"


activator = Nushell()


@hookimpl
def cloche_activators() -> list[Nushell]:
    return [activator]
