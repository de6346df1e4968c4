"""A plugin with an activator for Elvish."""

from __future__ import annotations

from cloche import Environment, Interpreter, Script, hookimpl, render, resource
from cloche.shells import PLAIN, elvish


class Elvish:
    """The activator `elvish`."""

    name = "elvish"
    summary = "Elvish on every system"
    quote = staticmethod(elvish.quote)
    read_words = staticmethod(elvish.read_words)

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def scripts(self, environment: Environment) -> list[Script]:
        return [Script("activate.elv", render(resource(__name__, "activate.elv"), environment.values, self.quote))]

    def source_line(self, path: str) -> str:
        return f"eval (slurp < {path if PLAIN.issuperset(path) else self.quote(path)})"


activator = Elvish()


@hookimpl
def cloche_activators() -> list[Elvish]:
    return [activator]
