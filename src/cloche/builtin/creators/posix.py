"""Code that the creators share on POSIX: which interpreters they support, and the directories of an environment."""

from __future__ import annotations

from cloche.model.operations import Link, MakeDir
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation

SUPPORTED_IMPLEMENTATIONS = ("cpython", "pypy")


def platform_refusal(interpreter: Interpreter) -> str | None:
    """Return why these creators do not support an interpreter; None if they do."""
    if interpreter.implementation not in SUPPORTED_IMPLEMENTATIONS:
        return f"needs CPython or PyPy, got {interpreter.name}; use `--creator venv`, which runs its own `venv` module"
    return None


def directories(layout: Layout) -> Iterator[Operation]:
    """Yield every directory of an environment, parents first, and the links between them (`lib64 -> lib`)."""
    created: set[str] = set()
    for path in (layout.bin, layout.include, layout.purelib, layout.platlib):
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            directory = "/".join(parts[:count])
            if directory not in created:
                created.add(directory)
                yield MakeDir(directory)
    for path, target in layout.links:
        yield Link(path, target)
