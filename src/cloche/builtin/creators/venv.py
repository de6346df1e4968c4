"""The creator `venv`: runs the interpreter's own `venv` module, for interpreters that no other creator supports."""

from __future__ import annotations

from cloche.builtin.creators import distutils_guard, posix
from cloche.model.operations import Run
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation

SCRIPT = """\
import os, sys, venv

class Builder(venv.EnvBuilder):
    def create_configuration(self, context):
        context.cfg_path = os.path.join(context.env_dir, "pyvenv.cfg")
    def setup_scripts(self, context):
        pass

Builder(symlinks=os.name != "nt", with_pip=False).create(sys.argv[1])
"""
"""The program that runs in the target: `venv` creates directories and executables, cloche writes all other files."""


class Venv:
    name = "venv"

    def refusal(self, interpreter: Interpreter) -> str | None:
        return None if interpreter.has_venv else f"{interpreter.name} has no `venv` module"

    def inputs(self, interpreter: Interpreter, layout: Layout) -> tuple[str, ...]:
        """Return nothing: the operations follow from the interpreter alone."""
        return ()

    def operations(self, interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
        yield Run(
            (interpreter.executable, "-I", "-c", SCRIPT, "{root}"),
            purpose=f"create the environment with the `venv` of {interpreter.name}",
        )
        yield from posix.directories(layout)
        yield from distutils_guard.files(interpreter, layout)


creator = Venv()
