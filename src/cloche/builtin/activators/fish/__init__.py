"""An activator for fish 3.0 and later."""

from __future__ import annotations

from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING
from cloche.shells import fish
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter


class Fish:
    """The activator `fish`."""

    name = "fish"
    quote = staticmethod(fish.quote)
    source_line = staticmethod(fish.source_line)

    def refusal(self, interpreter: Interpreter) -> str | None:
        return "not supported on Windows" if interpreter.os_name == "nt" else None

    def scripts(self, environment: Environment) -> list[Script]:
        text, values = resource(__name__, "activate.fish"), environment.values
        if environment.placement == "relocatable":
            text, values = relocatable(text, resource(__name__, "here.fish")), environment.values_anywhere
        return [Script("activate.fish", render(text, values, self.quote))]


activator = Fish()
