"""A plugin for a shell that does not exist; the benchmark installs many copies of it under different names.

The entry point selects how the plugin returns its activator: as a `Descriptor`, like the built-in plugin, or as an
object. Objects cannot be cached, so every run imports such a plugin and calls its hook.
"""

from __future__ import annotations

from importlib import import_module

from cloche import Descriptor, Result, hookimpl

ACTIVATOR = f"{__name__}_activator"


class WithDescriptor:
    @hookimpl
    def cloche_activators(self) -> list[Descriptor]:
        return [Descriptor(__name__, f"{ACTIVATOR}:activator", "nothing")]


class WithObject:
    @hookimpl
    def cloche_activators(self) -> list[object]:
        return [import_module(ACTIVATOR).activator]


class WithListener:
    @hookimpl
    def cloche_created(self, result: Result) -> None:
        pass


with_descriptor, with_object, with_listener = WithDescriptor(), WithObject(), WithListener()
