"""An activator for a running Python process of the environment's version.

The script must be valid in every supported Python version. It must be ASCII, because `open` may decode it with any
encoding.
"""

from __future__ import annotations

from cloche.model.environment import Script
from cloche.model.value import TYPE_CHECKING
from cloche.shells import python
from cloche.shells.template import render, resource

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter


class Python:
    """The activator `python`."""

    name = "python"
    quote = staticmethod(python.quote)
    source_line = staticmethod(python.source_line)

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None

    def scripts(self, environment: Environment) -> list[Script]:
        values = environment.values if environment.placement == "fixed" else environment.values_anywhere
        text = render(resource(__name__, "activate_this.py"), values, self.quote)
        return [Script("activate_this.py", text)]


activator = Python()
