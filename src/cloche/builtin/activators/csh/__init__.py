"""Activates in csh and tcsh.

A csh script can be trusted with less than a POSIX one: what it cannot hold is refused here, never written half.
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
        return "has no shell to serve on Windows" if interpreter.os_name == "nt" else None

    def scripts(self, environment: Environment) -> list[Script]:
        text, values = resource(__name__, "activate.csh"), environment.values
        if environment.placement == "relocatable":
            text, values = relocatable(text, resource(__name__, "here.csh")), environment.values_anywhere
        return [Script("activate.csh", render(text, values, self.quote))]


activator = Csh()
