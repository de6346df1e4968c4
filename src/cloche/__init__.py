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
        clear_cache,
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
    from cloche.model.aliases import (
        Access,
        Builds,
        Bytecode,
        Choices,
        Compile,
        Consult,
        DefaultGroups,
        Dependencies,
        ExtraPackages,
        LinkMode,
        MemberKind,
        Naming,
        Network,
        OnExisting,
        OptionKind,
        Placement,
        SitePackages,
        StartupPolicy,
        StartupRule,
        Strategy,
        StrPath,
        Version,
    )
    from cloche.model.archive import Member
    from cloche.model.candidate import Candidate
    from cloche.model.distribution import EntryPoint, Image, StartupCode
    from cloche.model.environment import Environment, Layout, Script
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.operations import (
        Copy,
        CopyTree,
        InstallTree,
        LayImage,
        Link,
        MakeDir,
        Operation,
        Remove,
        Rewrite,
        Run,
        SetMode,
        Write,
    )
    from cloche.model.options import Option
    from cloche.model.package_change import PackageChange
    from cloche.model.plan import EnvironmentSpec, LockRequest, Plan, Request, Result, Target, Wanted
    from cloche.model.spec import InterpreterSpec
    from cloche.plugins.hookspecs import (
        Activator,
        Command,
        Creator,
        Descriptor,
        Finder,
        Packer,
        Seeder,
        SeedStore,
        hookimpl,
    )
    from cloche.shells.template import relocatable, render, resource
    from cloche.shells.words import Word

    __version__: str

__all__ = [
    "Access",
    "Activator",
    "Builds",
    "Bytecode",
    "Candidate",
    "Choices",
    "ClocheError",
    "Command",
    "Compile",
    "Consult",
    "Copy",
    "CopyTree",
    "Creator",
    "DefaultGroups",
    "Dependencies",
    "Descriptor",
    "DestinationError",
    "EntryPoint",
    "Environment",
    "EnvironmentSpec",
    "ExtraPackages",
    "Finder",
    "Host",
    "Image",
    "Inexpressible",
    "InstallTree",
    "Interpreter",
    "InterpreterNotFound",
    "InterpreterSpec",
    "LayImage",
    "Layout",
    "Link",
    "LinkMode",
    "LockRequest",
    "MakeDir",
    "Member",
    "MemberKind",
    "Naming",
    "Network",
    "OnExisting",
    "Operation",
    "Option",
    "OptionKind",
    "PackageChange",
    "Packer",
    "Placement",
    "Plan",
    "PluginError",
    "Remove",
    "Request",
    "Result",
    "Rewrite",
    "Run",
    "Script",
    "SeedError",
    "SeedStore",
    "Seeder",
    "SetMode",
    "SitePackages",
    "StartupCode",
    "StartupPolicy",
    "StartupRule",
    "StrPath",
    "Strategy",
    "Target",
    "UsageError",
    "Version",
    "Wanted",
    "Word",
    "Write",
    "cache_directory",
    "clear_cache",
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
        "clear_cache",
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
    "model.aliases": (
        "Access",
        "Builds",
        "Bytecode",
        "Choices",
        "Compile",
        "Consult",
        "DefaultGroups",
        "Dependencies",
        "ExtraPackages",
        "LinkMode",
        "MemberKind",
        "Naming",
        "Network",
        "OnExisting",
        "OptionKind",
        "Placement",
        "SitePackages",
        "StartupPolicy",
        "StartupRule",
        "StrPath",
        "Strategy",
        "Version",
    ),
    "model.archive": ("Member",),
    "model.candidate": ("Candidate",),
    "model.distribution": (
        "EntryPoint",
        "Image",
        "StartupCode",
    ),
    "model.environment": (
        "Environment",
        "Layout",
        "Script",
    ),
    "model.interpreter": (
        "Host",
        "Interpreter",
    ),
    "model.operations": (
        "Copy",
        "CopyTree",
        "InstallTree",
        "LayImage",
        "Link",
        "MakeDir",
        "Operation",
        "Remove",
        "Rewrite",
        "Run",
        "SetMode",
        "Write",
    ),
    "model.options": ("Option",),
    "model.package_change": ("PackageChange",),
    "model.plan": (
        "EnvironmentSpec",
        "LockRequest",
        "Plan",
        "Request",
        "Result",
        "Target",
        "Wanted",
    ),
    "model.spec": ("InterpreterSpec",),
    "plugins.hookspecs": (
        "Activator",
        "Command",
        "Creator",
        "Descriptor",
        "Finder",
        "Packer",
        "SeedStore",
        "Seeder",
        "hookimpl",
    ),
    "shells.template": (
        "relocatable",
        "render",
        "resource",
    ),
    "shells.words": ("Word",),
}
"""The public names by the module that defines them."""


if not TYPE_CHECKING:  # type checkers read the imports above, and report other names as unknown

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
