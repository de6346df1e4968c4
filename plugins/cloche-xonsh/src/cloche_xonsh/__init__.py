"""Activates an environment in xonsh."""

from __future__ import annotations

import re

from cloche import Environment, Inexpressible, Interpreter, Script, hookimpl, relocatable, render, resource

EXPANDED = re.compile(r"""\$(?:\w+|\{(['"]?)\w+\1\})|=~|:~""")
"""What xonsh replaces in the directories of a variable whose name ends with PATH, each time it looks at one."""


class Xonsh:
    """The activator `xonsh`."""

    name = "xonsh"
    summary = "xonsh on every system"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def quote(self, text: str) -> str:
        """Return `text` as a Python literal of ASCII characters, which has no `$` that xonsh could see in it.

        :raises cloche.Inexpressible: no variable can hold it, or it is not Unicode.
        """
        if "\0" in text:
            raise Inexpressible("xonsh cannot hold a NUL character in an environment variable")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise Inexpressible("xonsh cannot export a name that is not Unicode")
        return ascii(text).replace("$", "\\x24")

    def scripts(self, environment: Environment) -> list[Script]:
        """Return the script.

        :raises cloche.Inexpressible: the environment lies where no entry of PATH can lead in xonsh.
        """
        if environment.placement == "relocatable":
            template = relocatable(resource(__name__, "activate.xsh"), resource(__name__, "here.xsh"))
            values = {**environment.values_anywhere, "EXPANDED": EXPANDED.pattern}
            return [Script("activate.xsh", render(template, values, self.quote))]
        if expanded := EXPANDED.search(environment.location):
            raise Inexpressible(f"xonsh would expand `{expanded[0]}` in an entry of PATH")
        return [Script("activate.xsh", render(resource(__name__, "activate.xsh"), environment.values, self.quote))]


activator = Xonsh()


@hookimpl
def cloche_activators() -> list[Xonsh]:
    return [activator]
