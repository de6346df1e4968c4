"""The creator `copy`: an environment with an executable of its own, and what that needs to start.

The standard library stays where it is; only what the loader looks for beside the executable is copied with it.
"""

from __future__ import annotations

import os

from cloche.builtin.creators import posix, windows
from cloche.model.operations import Copy, Link, MakeDir
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation


class CopyCreator:
    name = "copy"

    def refusal(self, interpreter: Interpreter) -> str | None:
        if ".framework/" in interpreter.library:
            return "the executable of a macOS framework build cannot run from another place; use `--creator symlink`"
        return posix.refusal(interpreter)

    def inputs(self, interpreter: Interpreter, layout: Layout) -> tuple[str, ...]:
        """Return the executable, which is searched for the way it finds its library; on Windows its directory."""
        if interpreter.os_name == "nt":
            return windows.inputs(interpreter)
        return (os.path.realpath(interpreter.executable),)

    def operations(self, interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
        yield from posix.directories(layout)
        if interpreter.os_name == "nt":
            yield from windows.executables(interpreter, layout)
            return
        main, *others = layout.names
        yield Copy(layout.executable, os.path.realpath(interpreter.executable))
        for name in others:
            yield Link(f"{layout.bin}/{name}", main)
        yield from libraries(interpreter, layout)


def libraries(interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
    """Yield the shared library, where the executable looks for it relative to itself.

    An executable that names the library's directory absolutely (most `--enable-shared` builds) finds it from anywhere.
    """
    if not interpreter.library:
        return
    name = os.path.basename(interpreter.library)
    if interpreter.implementation == "pypy":  # RUNPATH is `$ORIGIN`: beside the executable
        yield Copy(f"{layout.bin}/{name}", interpreter.library)
        return
    if origin_relative(os.path.realpath(interpreter.executable)):
        if layout.purelib.partition("/")[0] != "lib":
            yield MakeDir("lib")
        yield Copy(f"lib/{name}", interpreter.library)


def origin_relative(executable: str) -> bool:
    """Return whether an executable finds libraries relative to itself (`$ORIGIN`, on macOS `@executable_path`).

    The loader's tokens stand literally in the file; a launcher for a shared library is a few kilobytes.
    """
    try:
        with open(executable, "rb") as file:
            content = file.read(1 << 20)
    except OSError:
        return True
    return any(token in content for token in (b"$ORIGIN", b"${ORIGIN}", b"@executable_path", b"@loader_path"))


creator = CopyCreator()
