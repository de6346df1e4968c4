"""The creator `venv`: hands over to the interpreter's own `venv`, for interpreters whose needs are not known here."""

from __future__ import annotations

from cloche.builtin.creators import posix
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
"""Runs in the target: the directories and the executable are `venv`'s, scripts and configuration are written by us."""


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
            purpose=f"let the `venv` of {interpreter.name} make the environment",
        )
        yield from posix.directories(layout)


creator = Venv()
