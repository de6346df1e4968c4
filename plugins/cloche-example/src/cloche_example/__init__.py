"""A plugin with an activator for rc, the shell of Plan 9 (on Debian, the package `rc`)."""

from __future__ import annotations

from cloche import Environment, Inexpressible, Interpreter, Script, hookimpl, render, resource


class Rc:
    name = "rc"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return "rc runs on POSIX systems only" if interpreter.os_name == "nt" else None

    def quote(self, text: str) -> str:
        """Return `text` in single quotes, in which only a single quote is special and therefore doubled."""
        if "\1" in text or "\2" in text:
            raise Inexpressible("rc alters the control characters 1 and 2 when it exports a variable")
        return "'" + text.replace("'", "''") + "'"

    def scripts(self, environment: Environment) -> list[Script]:
        template = resource(__name__, "activate.rc")
        return [Script("activate.rc", render(template, environment.values, self.quote))]

    def source_line(self, path: str) -> str:
        return f". {self.quote(path)}"


@hookimpl
def cloche_activators() -> list[Rc]:
    return [Rc()]
