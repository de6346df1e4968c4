"""An activator for bash and the other POSIX-like shells: sh, dash, ksh, mksh, zsh, yash and BusyBox sh.

All of them read the same script, so it must contain only syntax that each of them can parse.
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
    """The activator `bash`; on Windows, it is for Git Bash, MSYS2 and Cygwin."""

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
