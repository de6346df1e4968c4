"""The creator `symlink`: an environment whose Python is a link to the base interpreter."""

from __future__ import annotations

from cloche.builtin.creators import distutils_guard, posix
from cloche.model.operations import Link
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation


class Symlink:
    name = "symlink"

    def refusal(self, interpreter: Interpreter) -> str | None:
        if interpreter.os_name == "nt":
            return "a linked python.exe cannot find its DLLs on Windows; use `--creator copy`"
        return posix.platform_refusal(interpreter)

    def inputs(self, interpreter: Interpreter, layout: Layout) -> tuple[str, ...]:
        """Return nothing: the operations follow from the interpreter alone."""
        return ()

    def operations(self, interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
        yield from posix.directories(layout)
        yield from distutils_guard.files(interpreter, layout)
        main, *others = layout.names
        yield Link(f"{layout.bin}/{main}", interpreter.executable, copy=interpreter.executable)
        for name in others:
            yield Link(f"{layout.bin}/{name}", main)


creator = Symlink()
