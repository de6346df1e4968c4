"""Environment markers (PEP 508), evaluated for the interpreter of an environment, not for the one that runs cloche."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter

SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows", "cygwin": "CYGWIN_NT", "emscripten": "Emscripten"}
"""`platform.system()` by `sys.platform`."""


def marker_environment(interpreter: Interpreter) -> dict[str, str]:
    """Return the values of the marker variables for an interpreter.

    The variables in `unknown_variables` have the values of this machine.
    """
    from packaging.markers import default_environment

    return {
        **{name: str(text) for name, text in default_environment().items()},
        "implementation_name": interpreter.implementation,
        "implementation_version": interpreter.version_text,
        "os_name": interpreter.os_name,
        "platform_machine": interpreter.machine,
        "platform_python_implementation": {"pypy": "PyPy", "graalpy": "GraalVM"}.get(
            interpreter.implementation, "CPython"
        ),
        "platform_system": SYSTEMS.get(interpreter.platform, interpreter.platform.capitalize()),
        "python_full_version": interpreter.version_text,
        "python_version": interpreter.python_version,
        "sys_platform": interpreter.platform,
    }


def unknown_variables(interpreter: Interpreter) -> frozenset[str]:
    """Return the marker variables that the description of an interpreter does not include."""
    unknown = {"implementation_version"} if interpreter.implementation != "cpython" else set()
    if interpreter.platform != sys.platform:
        unknown |= {"platform_release", "platform_version"}
    return frozenset(unknown)
