"""The built-in activators. Those that only render a template are defined here, the others in modules of their own.

The script for bash must contain only syntax that every POSIX-like shell can parse. The script for Python must be valid in
every supported version, and ASCII, because `open` may decode it with any encoding.
"""

from __future__ import annotations

import cloche.shells.csh
import cloche.shells.fish
import cloche.shells.posix
import cloche.shells.python
from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING, value
from cloche.shells.template import relocatable, render, resource

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter


@value
class TemplateActivator:
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


bash = TemplateActivator("bash", cloche.shells.posix.quote, cloche.shells.posix.source_line, "activate", "here.sh")
csh = TemplateActivator(
    "csh", cloche.shells.csh.quote, cloche.shells.csh.source_line, "activate.csh", "here.csh", "posix"
)
fish = TemplateActivator(
    "fish", cloche.shells.fish.quote, cloche.shells.fish.source_line, "activate.fish", "here.fish", "posix"
)
python = TemplateActivator("python", cloche.shells.python.quote, cloche.shells.python.source_line, "activate_this.py")
