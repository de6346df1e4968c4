"""An activator for csh and tcsh.

The syntax of csh cannot quote every character. Text that it cannot express is refused, never altered.
"""

from __future__ import annotations

from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING
from cloche.shells import csh
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter


class Csh:
    """The activator `csh`."""

    name = "csh"
    quote = staticmethod(csh.quote)
    source_line = staticmethod(csh.source_line)

    def refusal(self, interpreter: Interpreter) -> str | None:
        return "not supported on Windows" if interpreter.os_name == "nt" else None

    def scripts(self, environment: Environment) -> list[Script]:
        text, values = resource(__name__, "activate.csh"), environment.values
        if environment.placement == "relocatable":
            text, values = relocatable(text, resource(__name__, "here.csh")), environment.values_anywhere
        return [Script("activate.csh", render(text, values, self.quote))]


activator = Csh()
