"""The creator `copy`: an environment with copies of the executable and of the libraries that it needs to start.

The standard library is not copied; only the libraries that the loader expects beside the executable are.
"""

from __future__ import annotations

import os

from cloche.builtin.creators import distutils_guard, posix, windows
from cloche.model.operations import Copy, MakeDir
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation


class CopyCreator:
    name = "copy"

    def refusal(self, interpreter: Interpreter) -> str | None:
        if interpreter.platform == "darwin" and ".framework/Versions/" in interpreter.library:
            return "the executable of a macOS framework build cannot be copied; use `--creator symlink`"
        return posix.platform_refusal(interpreter)

    def inputs(self, interpreter: Interpreter, layout: Layout) -> tuple[str, ...]:
        """Return the executable, which `operations` reads to see how it finds its shared library."""
        if interpreter.os_name == "nt":
            return windows.inputs(interpreter)
        return (os.path.realpath(interpreter.executable),)

    def operations(self, interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
        yield from posix.directories(layout)
        yield from distutils_guard.files(interpreter, layout)
        if interpreter.os_name == "nt":
            yield from windows.python_executables(interpreter, layout)
            return
        for (
            name
        ) in layout.names:  # no links: CPython would mistake the copy that a link leads to for the base interpreter
            yield Copy(f"{layout.bin}/{name}", os.path.realpath(interpreter.executable))
        yield from shared_library(interpreter, layout)


def shared_library(interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
    """Yield a copy of the shared library if the executable looks for it relative to itself.

    Most `--enable-shared` builds contain the absolute path of its directory, and need no copy.
    """
    if not interpreter.library:
        return
    name = os.path.basename(interpreter.library)
    if interpreter.implementation == "pypy":  # its RUNPATH is `$ORIGIN`, the directory of the executable
        yield Copy(f"{layout.bin}/{name}", interpreter.library)
        return
    if loads_relative_to_itself(os.path.realpath(interpreter.executable)):
        if layout.purelib.partition("/")[0] != "lib":
            yield MakeDir("lib")
        yield Copy(f"lib/{name}", interpreter.library)


def loads_relative_to_itself(executable: str) -> bool:
    """Return whether an executable looks for libraries relative to itself (`$ORIGIN`, on macOS `@executable_path`).

    The file contains the loader's tokens as plain text. The first MiB is enough, because an executable that uses a
    shared library is small.
    """
    try:
        with open(executable, "rb") as file:
            content = file.read(1 << 20)
    except OSError:
        return True
    return any(token in content for token in (b"$ORIGIN", b"${ORIGIN}", b"@executable_path", b"@loader_path"))


creator = CopyCreator()
