"""A plugin with an activator for xonsh."""

from __future__ import annotations

import re

from cloche import Environment, Inexpressible, Interpreter, Script, hookimpl, relocatable, render, resource
from cloche.shells import PLAIN, python, refuse_unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.shells.words import Word

EXPANDED = re.compile(r"""\$(?:\w+|\{(['"]?)\w+\1\})|=~|:~""")
"""Text that xonsh expands in the entries of a variable whose name ends with PATH, each time it reads them."""


class Xonsh:
    """The activator `xonsh`."""

    name = "xonsh"
    summary = "xonsh on every system"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def quote(self, text: str) -> str:
        """Return `text` as a Python literal in ASCII, without `$`, which xonsh would expand.

        :raises cloche.Inexpressible: the text contains NUL or is not Unicode.
        """
        refuse_unwritable(text, "xonsh")
        return ascii(text).replace("$", "\\x24")

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

    def read_words(self, line: str) -> Iterator[Word]:
        return python.read_words(line)


activator = Xonsh()


@hookimpl
def cloche_activators() -> list[Xonsh]:
    return [activator]
