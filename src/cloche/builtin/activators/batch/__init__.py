"""Activates in cmd.exe, the Windows command prompt.

A batch file is read by rules that escape little; what they leave no way to write is refused here, never written half.
"""

from __future__ import annotations

from cloche.errors import Inexpressible
from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter

UNREADABLE = {"\0": "a NUL character", "\n": "a newline", "\r": "a carriage return", "\x1a": "an end-of-file character"}
"""What cmd stops at, or throws away, wherever it stands in a batch file."""

PARSED = '^&|<>()"'
"""What means something outside quotes, unless a caret stands before it."""


class Batch:
    """The activator `batch`."""

    name = "batch"

    def refusal(self, interpreter: Interpreter) -> str | None:
        if interpreter.os_name == "nt":
            return None
        return f"for Windows only, and {interpreter.name} is for `{interpreter.platform}`"

    def quote(self, text: str) -> str:
        """Return `text` for the right side of an unquoted `set NAME=`, which reaches to the end of the line.

        Carets escape it there, and a quote needs no partner. An exclamation mark means something only where the caller
        has delayed expansion on, and there the carets of such a line are read twice: `_CLOCHE_CARET`, which the script
        sets before, holds the carets that are then needed, and is empty elsewhere.

        :raises Inexpressible: it holds what no escape can write (`UNREADABLE`), or what is not Unicode.
        """
        for character, name in UNREADABLE.items():
            if character in text:
                raise Inexpressible(f"batch cannot hold {name}")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Inexpressible("batch cannot hold a name that is not Unicode")
        more = "%_CLOCHE_CARET%" if "!" in text else ""
        escapes = {"%": "%%", "!": f"{more}!", **{character: f"^{character}" for character in PARSED}, "^": f"{more}^^"}
        return "".join(escapes.get(character, character) for character in text)

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
