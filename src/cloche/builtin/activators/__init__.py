"""The built-in activators, except `batch`, which only Windows needs. The templates are in a directory for each of them.

The script for bash must contain only syntax that every POSIX-like shell can parse. The script for Python must be valid in
every supported version, and ASCII, because `open` may decode it with any encoding.
"""

from __future__ import annotations

import cloche.shells.csh
import cloche.shells.fish
import cloche.shells.posix
import cloche.shells.powershell
import cloche.shells.python
from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING, Value
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter


class TemplateActivator(Value):
    """An activator with one script, which is a template in the directory of its name."""

    name: str
    quote: Callable[[str], str]
    source_line: Callable[[str], str]
    template: str
    """The file name of the template, and of the script."""
    here: str = ""
    """The file name of the lines that a relocatable script finds its environment with; empty if the template has them."""
    systems: Literal["all", "posix"] = "all"
    """The systems that the shell supports."""

    def inputs(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Return nothing: whether it supports an interpreter follows from the interpreter alone."""
        return ()

    def refusal(self, interpreter: Interpreter) -> str | None:
        return "not supported on Windows" if self.systems == "posix" and interpreter.os_name == "nt" else None

    def scripts(self, environment: Environment) -> list[Script]:
        text, values = resource(__name__, f"{self.name}/{self.template}"), environment.values
        if environment.placement == "relocatable":
            values = environment.values_anywhere
            if self.here:
                text = relocatable(text, resource(__name__, f"{self.name}/{self.here}"))
        return [Script(self.template, render(text, values, self.quote))]


class PowerShell:
    """The activator for Windows PowerShell 5.1, and for PowerShell 7 on every operating system.

    Its script must also work in strict mode, in Constrained Language Mode, and if every error is terminating.
    """

    name = "powershell"
    quote = staticmethod(cloche.shells.powershell.quote)
    source_line = staticmethod(cloche.shells.powershell.source_line)

    def inputs(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Return nothing: whether it supports an interpreter follows from the interpreter alone."""
        return ()

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def scripts(self, environment: Environment) -> list[Script]:
        """Return the script; on POSIX, under both names that tools look for, because file names are case-sensitive.

        Both scripts have the same text, so they do not conflict on a file system that ignores case.
        """
        windows = environment.os_name == "nt"
        slash = "\\" if windows else "/"
        bin_parts = environment.layout.bin.split("/")
        values = {
            **(environment.values if environment.placement == "fixed" else environment.values_anywhere),
            "TO_BIN": slash + slash.join(bin_parts),
            "TO_PKG_CONFIG": slash + slash.join(("lib", "pkgconfig")),
            "PATH_SEPARATOR": ";" if windows else ":",
            "ABOVE": r"(?s)\A.*[\\/]" if windows else "(?s)\\A.*/",
            "SELF": "".join(rf"[\\/]{escape_regex(part)}" for part in (*bin_parts, "activate.ps1")) + r"\z",
        }
        template = resource(__name__, "powershell/activate.ps1")
        if environment.placement == "relocatable":
            template = relocatable(template, resource(__name__, "powershell/here.ps1"))
        text = render(template, values, self.quote)
        names = ["activate.ps1"] if windows else ["activate.ps1", "Activate.ps1"]
        return [Script(name, text, byte_order_mark=True) for name in names]


def escape_regex(text: str) -> str:
    """Return a .NET regular expression that matches only `text`."""
    return "".join(character if character.isalnum() else f"\\u{ord(character):04x}" for character in text)


# one command for all shells that read the script: some have no `source`, which cloche prints for bash and zsh
bash = TemplateActivator("bash", cloche.shells.posix.quote, cloche.shells.posix.source_line, "activate", "here.sh")
csh = TemplateActivator(
    "csh", cloche.shells.csh.quote, cloche.shells.csh.source_line, "activate.csh", "here.csh", "posix"
)
fish = TemplateActivator(
    "fish", cloche.shells.fish.quote, cloche.shells.fish.source_line, "activate.fish", "here.fish", "posix"
)
python = TemplateActivator("python", cloche.shells.python.quote, cloche.shells.python.source_line, "activate_this.py")
powershell = PowerShell()
