"""The activator of `plugin.py`, in its own module, so that a `Descriptor` loads it without the plugin."""

from __future__ import annotations

from cloche import Environment, Interpreter, Script


class Activator:
    name = __name__.removesuffix("_activator")

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def quote(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def scripts(self, environment: Environment) -> list[Script]:
        return [Script(f"activate.{self.name}", "# an empty script\n")]


activator = Activator()
