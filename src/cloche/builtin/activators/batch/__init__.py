"""An activator for cmd.exe, the Windows command prompt.

The syntax of batch files cannot escape every character. Text that it cannot express is refused, never altered.
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

    def inputs(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Return nothing: whether it supports an interpreter follows from the interpreter alone."""
        return ()

    def refusal(self, interpreter: Interpreter) -> str | None:
        if interpreter.os_name == "nt":
            return None
        return f"for Windows only, but {interpreter.name} is for `{interpreter.platform}`"

    def scripts(self, environment: Environment) -> list[Script]:
        activate, values = resource(__name__, "activate.bat"), environment.values
        if environment.placement == "relocatable":
            activate, values = relocatable(activate, resource(__name__, "here.bat")), environment.values_anywhere
        values = {
            **values,
            "TO_BIN": "\\" + environment.layout.bin.replace("/", "\\"),
            "TO_PKG_CONFIG": "\\lib\\pkgconfig",
            "ESCAPED_PROMPT": values["PROMPT"].replace("$", "$$"),  # in PROMPT, `$` begins a code
        }
        values["IS_ASCII"] = "yes" if "".join(values.values()).isascii() else "no"
        routines = resource(__name__, "routines.bat")
        return [
            Script("activate.bat", render(activate, values, self.quote) + routines, "\r\n"),
            Script("deactivate.bat", resource(__name__, "deactivate.bat") + routines, "\r\n"),
            Script("pydoc.bat", resource(__name__, "pydoc.bat"), "\r\n"),
        ]


activator = Batch()
