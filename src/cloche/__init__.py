"""cloche creates Python environments for any Python on the machine, all or nothing. Plugins extend it.

This is the complete public interface. Each name is imported when it is first used, so that the command line loads only the
modules that it needs.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cloche.api import (
        cache_directory,
        console_script,
        create,
        create_with_result,
        describe,
        find,
        load,
        lock_environment,
        pip_environ,
        plan,
    )
    from cloche.errors import (
        ClocheError,
        DestinationError,
        Inexpressible,
        InterpreterNotFound,
        PluginError,
        SeedError,
        UsageError,
    )
    from cloche.model.archive import Member
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment, Layout, Script
    from cloche.model.interpreter import Candidate, Host, Interpreter
    from cloche.model.operations import Copy, InstallTree, LayImage, Link, MakeDir, Run, Write
    from cloche.model.options import Option
    from cloche.model.plan import (
        EnvironmentSpec,
        LockRequest,
        PackageChange,
        Plan,
        Request,
        Result,
        Target,
        Wanted,
    )
    from cloche.plugins.hookspecs import Command, Descriptor, hookimpl
    from cloche.shells.template import relocatable, render, resource

    __version__: str

__all__ = [
    "Candidate",
    "ClocheError",
    "Command",
    "Copy",
    "Descriptor",
    "DestinationError",
    "Environment",
    "EnvironmentSpec",
    "Host",
    "Image",
    "Inexpressible",
    "InstallTree",
    "Interpreter",
    "InterpreterNotFound",
    "LayImage",
    "Layout",
    "Link",
    "LockRequest",
    "MakeDir",
    "Member",
    "Option",
    "PackageChange",
    "Plan",
    "PluginError",
    "Request",
    "Result",
    "Run",
    "Script",
    "SeedError",
    "Target",
    "UsageError",
    "Wanted",
    "Write",
    "cache_directory",
    "console_script",
    "create",
    "create_with_result",
    "describe",
    "find",
    "hookimpl",
    "load",
    "lock_environment",
    "pip_environ",
    "plan",
    "relocatable",
    "render",
    "resource",
]

MODULES = {
    "api": (
        "cache_directory",
        "console_script",
        "create",
        "create_with_result",
        "describe",
        "find",
        "load",
        "lock_environment",
        "pip_environ",
        "plan",
    ),
    "errors": (
        "ClocheError",
        "DestinationError",
        "Inexpressible",
        "InterpreterNotFound",
        "PluginError",
        "SeedError",
        "UsageError",
    ),
    "model.archive": ("Member",),
    "model.distribution": ("Image",),
    "model.environment": ("Environment", "Layout", "Script"),
    "model.interpreter": ("Candidate", "Host", "Interpreter"),
    "model.operations": ("Copy", "InstallTree", "LayImage", "Link", "MakeDir", "Run", "Write"),
    "model.options": ("Option",),
    "model.plan": (
        "EnvironmentSpec",
        "LockRequest",
        "PackageChange",
        "Plan",
        "Request",
        "Result",
        "Target",
        "Wanted",
    ),
    "plugins.hookspecs": ("Command", "Descriptor", "hookimpl"),
    "shells.template": ("relocatable", "render", "resource"),
}
"""The public names by the module that defines them."""


def __getattr__(name: str) -> object:
    for module, names in MODULES.items():
        if name in names:
            __import__(f"cloche.{module}")
            found: object = getattr(sys.modules[f"cloche.{module}"], name)
            globals()[name] = found
            return found
    if name == "__version__":
        from cloche.model import VERSION

        return VERSION
    raise AttributeError(f"module `cloche` has no attribute `{name}`")


def __dir__() -> list[str]:
    """Return all names, including public ones that have not been used yet."""
    return sorted({*globals(), *__all__})
