"""Activates in bash and every other shell of the POSIX family: sh, dash, ksh, mksh, zsh, yash, BusyBox.

One file serves them all, so it must use nothing that one of them cannot parse.
"""

from __future__ import annotations

from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING
from cloche.shells import posix
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter


class Bash:
    """The activator `bash`; on Windows its shell is Git Bash, MSYS2 or Cygwin."""

    name = "bash"
    quote = staticmethod(posix.quote)
    source_line = staticmethod(posix.source_line)

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def scripts(self, environment: Environment) -> list[Script]:
        text, values = resource(__name__, "activate"), environment.values
        if environment.placement == "relocatable":
            text, values = relocatable(text, resource(__name__, "here.sh")), environment.values_anywhere
        return [Script("activate", render(text, values, self.quote))]


activator = Bash()
