"""A plugin for a shell that there is not; the benchmark installs many copies of it under names of their own.

It offers its activator in two ways, and the entry point says which: by naming it, as the plugin in the box does, and by
giving it. What is given cannot be remembered, so that a run imports such a plugin and asks it again.
"""

from __future__ import annotations

from importlib import import_module

from cloche import Descriptor, hookimpl

ACTIVATOR = f"{__name__}_activator"


class Naming:
    @hookimpl
    def cloche_activators(self) -> list[Descriptor]:
        return [Descriptor(__name__, f"{ACTIVATOR}:activator", "nothing")]


class Giving:
    @hookimpl
    def cloche_activators(self) -> list[object]:
        return [import_module(ACTIVATOR).activator]


naming, giving = Naming(), Giving()
