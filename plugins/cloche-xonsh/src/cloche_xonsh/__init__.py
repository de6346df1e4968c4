"""A plugin with an activator for xonsh."""

from __future__ import annotations

import re

from cloche import Environment, Inexpressible, Interpreter, Script, hookimpl, relocatable, render, resource
from cloche.shells import PLAIN, xonsh

EXPANDED = re.compile(r"""\$(?:\w+|\{(['"]?)\w+\1\})|=~|:~""")
"""Text that xonsh expands in the entries of a variable whose name ends with PATH, each time it reads them."""


class Xonsh:
    """The activator `xonsh`."""

    name = "xonsh"
    summary = "xonsh on every system"
    quote = staticmethod(xonsh.quote)
    read_words = staticmethod(xonsh.read_words)

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def scripts(self, environment: Environment) -> list[Script]:
        """Return the script.

        :raises cloche.Inexpressible: xonsh would expand the environment's path in PATH.
        """
        if environment.placement == "relocatable":
            template = relocatable(resource(__name__, "activate.xsh"), resource(__name__, "here.xsh"))
            values = {**environment.values_anywhere, "EXPANDED": EXPANDED.pattern}
            return [Script("activate.xsh", render(template, values, self.quote))]
        if expanded := EXPANDED.search(environment.location):
            raise Inexpressible(f"xonsh would expand `{expanded[0]}` in an entry of PATH")
        return [Script("activate.xsh", render(resource(__name__, "activate.xsh"), environment.values, self.quote))]

    def source_line(self, path: str) -> str:
        """Return the command, with a Python expression, because xonsh expands quoted words."""
        return f"source {path if PLAIN.issuperset(path) else f'@({self.quote(path)})'}"


activator = Xonsh()


@hookimpl
def cloche_activators() -> list[Xonsh]:
    return [activator]
