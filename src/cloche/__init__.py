"""cloche creates Python environments: for any Python on the machine, all or nothing, extended by plugins.

This is the whole public interface. Names load when they are first used, so that the command line pays only for those
that it needs.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cloche.api import create, find, load, plan
    from cloche.errors import (
        ClocheError,
        DestinationError,
        Inexpressible,
        InterpreterNotFound,
        PluginError,
        SeedError,
        UsageError,
    )
    from cloche.hookspecs import Command, Descriptor, hookimpl
    from cloche.model import (
        Candidate,
        Environment,
        Host,
        Image,
        Interpreter,
        Layout,
        Plan,
        Request,
        Result,
        Script,
        Wanted,
    )
    from cloche.operations import Copy, LayImage, Link, MakeDir, Run, Write
    from cloche.options import Option
    from cloche.template import relocatable, render, resource

__version__ = "0.1.0"

__all__ = [
    "Candidate",
    "ClocheError",
    "Command",
    "Copy",
    "Descriptor",
    "DestinationError",
    "Environment",
    "Host",
    "Image",
    "Inexpressible",
    "Interpreter",
    "InterpreterNotFound",
    "LayImage",
    "Layout",
    "Link",
    "MakeDir",
    "Option",
    "Plan",
    "PluginError",
    "Request",
    "Result",
    "Run",
    "Script",
    "SeedError",
    "UsageError",
    "Wanted",
    "Write",
    "create",
    "find",
    "hookimpl",
    "load",
    "plan",
    "relocatable",
    "render",
    "resource",
]

HOMES = {
    "api": ("create", "find", "load", "plan"),
    "errors": (
        "ClocheError",
        "DestinationError",
        "Inexpressible",
        "InterpreterNotFound",
        "PluginError",
        "SeedError",
        "UsageError",
    ),
    "hookspecs": ("Command", "Descriptor", "hookimpl"),
    "model": (
        "Candidate",
        "Environment",
        "Host",
        "Image",
        "Interpreter",
        "Layout",
        "Plan",
        "Request",
        "Result",
        "Script",
        "Wanted",
    ),
    "operations": ("Copy", "LayImage", "Link", "MakeDir", "Run", "Write"),
    "options": ("Option",),
    "template": ("relocatable", "render", "resource"),
}


def __getattr__(name: str) -> object:
    for module, names in HOMES.items():
        if name in names:
            __import__(f"cloche.{module}")
            found: object = getattr(sys.modules[f"cloche.{module}"], name)
            globals()[name] = found
            return found
    raise AttributeError(f"module `cloche` has no attribute `{name}`")


def __dir__() -> list[str]:
    """Names that have not been used yet are there as well."""
    return sorted({*globals(), *__all__})
