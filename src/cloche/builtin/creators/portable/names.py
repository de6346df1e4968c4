"""The names and directories of an interpreter's files, in its base and in a portable environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter


def directory(interpreter: Interpreter) -> str:
    """Return the directory of the standard library, relative to the prefix: `lib/python3.12`."""
    return os.path.relpath(interpreter.stdlib, interpreter.prefix)


def expected_directory(interpreter: Interpreter) -> str:
    """Return the directory in which an environment needs the standard library: beside `site-packages`."""
    return os.path.dirname(interpreter.scheme["platlib"])


def is_wanted(layout: Layout, option: str) -> bool:
    """Return whether the user set a flag of the creator."""
    return layout.options.get(option) is True


def program_name(interpreter: Interpreter) -> str:
    """Return the file name of the executable in `bin`: `python3.12`, `python3.13t`, `pypy3.10`."""
    kind = "pypy" if interpreter.implementation == "pypy" else "python"
    return f"{kind}{interpreter.python_version}{'t' if interpreter.free_threaded else ''}"


def library_name(interpreter: Interpreter) -> str:
    """Return the file name of the shared library; empty if there is none.

    That of CPython is changed, so that an executable that was copied elsewhere cannot load the library of another Python.
    """
    name = os.path.basename(interpreter.library)
    if interpreter.implementation == "cpython" and name.endswith(".so.1.0"):
        return f"{name.removesuffix('0')}p"
    return name


def library_links(interpreter: Interpreter) -> Iterator[tuple[str, str]]:
    """Yield the other names of the shared library, as (path, target), for programs that are linked with it."""
    own = library_name(interpreter)
    if own.endswith(".so.1.p"):
        yield f"lib/{own.removesuffix('p')}0", own
        yield f"lib/{own.removesuffix('.1.p')}", own
