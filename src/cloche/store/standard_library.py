"""Modules of a seed that have the name of a module in the standard library, which Python imports instead."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Interpreter
    from cloche.store.distributions import Distribution


def shadowing_warnings(distribution: Distribution, interpreter: Interpreter) -> Iterator[str]:
    """Yield a warning if a seed contains modules that the standard library of the interpreter has too.

    The seed is installed, because backports do this on purpose: the standard library comes first on `sys.path`. But it may
    also be a mistake, or wait for someone to change the order.
    """
    modules = {
        name for file in distribution.files if file.tree in ("purelib", "platlib") if (name := module_of(file.path))
    }
    if shared := sorted(modules & standard_modules(interpreter)):
        names = ", ".join(f"`{name}`" for name in shared)
        yield (
            f"{distribution.name} {distribution.version} contains {names}, "
            "but Python imports the modules of the same name in its standard library instead"
        )


def module_of(path: str) -> str:
    """Return the top-level module that a file in a directory for packages belongs to; empty if it belongs to none."""
    first, slash, _ = path.partition("/")
    if slash:
        return first if first.isidentifier() else ""
    stem, _, suffix = first.partition(".")
    return stem if suffix.endswith(("py", "so", "pyd")) and stem.isidentifier() else ""


def standard_modules(interpreter: Interpreter) -> set[str]:
    """Return the top-level modules in the standard library of an interpreter."""
    found = set(sys.builtin_module_names)
    for directory in (interpreter.stdlib, os.path.join(interpreter.stdlib, "lib-dynload")):
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        found |= {module_of(name) or name for name in names}
    return found - {"site-packages", "lib-dynload", "__pycache__"}
