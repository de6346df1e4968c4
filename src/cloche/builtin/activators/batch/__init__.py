"""Activates in cmd.exe, the Windows command prompt.

A batch file is read by rules that escape little; what they leave no way to write is refused here, never written half.
"""

from __future__ import annotations

from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING
from cloche.shells import batch
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter


class Batch:
    """The activator `batch`."""

    name = "batch"
    quote = staticmethod(batch.quote)
    source_line = staticmethod(batch.source_line)

    def refusal(self, interpreter: Interpreter) -> str | None:
        if interpreter.os_name == "nt":
            return None
        return f"for Windows only, and {interpreter.name} is for `{interpreter.platform}`"

    def scripts(self, environment: Environment) -> list[Script]:
        activate, known = resource(__name__, "activate.bat"), environment.values
        if environment.placement == "relocatable":
            activate, known = relocatable(activate, resource(__name__, "here.bat")), environment.values_anywhere
        values = {
            **known,
            "TO_BIN": "\\" + environment.layout.bin.replace("/", "\\"),
            "TO_PKG_CONFIG": "\\lib\\pkgconfig",
            "DRAWN_PROMPT": known["PROMPT"].replace("$", "$$"),  # in PROMPT `$` begins a code
        }
        values["BEYOND_ASCII"] = "no" if "".join(values.values()).isascii() else "yes"
        routines = resource(__name__, "routines.bat")
        return [
            Script("activate.bat", render(activate, values, self.quote) + routines, "\r\n"),
            Script("deactivate.bat", resource(__name__, "deactivate.bat") + routines, "\r\n"),
            Script("pydoc.bat", resource(__name__, "pydoc.bat"), "\r\n"),
        ]


activator = Batch()
