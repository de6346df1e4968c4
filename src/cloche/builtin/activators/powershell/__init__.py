"""An activator for Windows PowerShell 5.1, and for PowerShell 7 on every operating system.

Its script must also work in strict mode, in Constrained Language Mode, and if every error is terminating.
"""

from __future__ import annotations

from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING
from cloche.shells import powershell
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter


class PowerShell:
    """The activator `powershell`."""

    name = "powershell"
    quote = staticmethod(powershell.quote)
    source_line = staticmethod(powershell.source_line)

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
        template = resource(__name__, "activate.ps1")
        if environment.placement == "relocatable":
            template = relocatable(template, resource(__name__, "here.ps1"))
        text = render(template, values, self.quote)
        names = ["activate.ps1"] if windows else ["activate.ps1", "Activate.ps1"]
        return [Script(name, text, byte_order_mark=True) for name in names]


def escape_regex(text: str) -> str:
    """Return a .NET regular expression that matches only `text`."""
    return "".join(character if character.isalnum() else f"\\u{ord(character):04x}" for character in text)


activator = PowerShell()
