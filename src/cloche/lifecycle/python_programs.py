"""The programs that come with every Python but are not in an environment: `pydoc`, `idle`, `2to3`, `python-config`.

On PATH, they belong to another Python, as do `python3.12` and `pip3.12` in an environment of Python 3.11.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cloche.lifecycle.command_failed import NOT_FOUND, CommandFailed
from cloche.shells import quote_word

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter

MODULES = {"pydoc": "pydoc", "idle": "idlelib", "2to3": "lib2to3"}
"""The modules of the standard library that the programs run."""

_NAME = re.compile(r"(python|pip|pydoc|idle|2to3(?=$|-\d)-?)(\d+(?:\.\d+)?)?(t?d?|-dbg|-nogil)((?:-config)?)")
_BUILDS = {"-dbg": "d", "-nogil": "t"}  # the names of Debian's packages


def python_program(name: str, environment: Environment, elsewhere: str) -> tuple[str, ...] | None:
    """Return the path of the program that the name of a program of Python means, and its first arguments.

    None if it is not such a name, or if the environment should have the program itself, such as `python3` or `pip`.
    `python3-dbg` means the Python of an environment with a debug build.

    :param elsewhere: the end of a message, which tells about the program of this name on PATH; empty if there is none.
    :raises CommandFailed: the Python of the environment has no such program.
    """
    interpreter, match = environment.interpreter, _NAME.fullmatch(name)
    if interpreter is None or match is None:
        return None
    tool, version, build, config = match.groups(default="")
    tool = tool.rstrip("-")
    if config and tool != "python":
        return None
    own_versions = ("", str(interpreter.version[0]), interpreter.python_version)
    if version not in own_versions or (build and _BUILDS.get(build, build) != interpreter.build):
        where = quote_word(environment.location, os.name)
        raise CommandFailed(
            f"`{name}` is not in the environment `{environment.location}`, which has {interpreter.name}{elsewhere}",
            NOT_FOUND,
            hint=f"`cloche run {where} -- {tool}{config}` runs the one in the environment",
        )
    if config:
        return (config_program(name, environment, interpreter, elsewhere),)
    if tool not in MODULES:
        is_own = bool(build) and tool == "python" and name not in environment.layout.names
        return (environment.path_to(environment.layout.executable),) if is_own else None
    if not has_module(MODULES[tool], interpreter):
        raise CommandFailed(
            f"the standard library of {interpreter.name} has no `{MODULES[tool]}`, which `{name}` runs{elsewhere}",
            NOT_FOUND,
            hint="run the program of another Python by its path, or create an environment with that Python",
        )
    return (environment.path_to(environment.layout.executable), "-m", MODULES[tool])


def has_module(module: str, interpreter: Interpreter) -> bool:
    """Return whether a standard library has a module; also if that is unknown, because it is in an archive."""
    path = os.path.join(interpreter.stdlib, module)
    return not os.path.isdir(interpreter.stdlib) or os.path.isdir(path) or os.path.isfile(f"{path}.py")


def config_program(name: str, environment: Environment, interpreter: Interpreter, elsewhere: str) -> str:
    """Return the path of the base interpreter's program for compiler flags, which describes that Python and no other.

    :raises CommandFailed: it has none.
    """
    for executable in (interpreter.executable, os.path.realpath(interpreter.executable)):
        file_name = f"python{interpreter.python_version}{interpreter.build}-config"
        path = os.path.join(os.path.dirname(executable), file_name)
        if os.access(path, os.X_OK):
            return path
    where = quote_word(environment.location, os.name)
    raise CommandFailed(
        f"{interpreter.name} at `{interpreter.executable}` has no `{name}`{elsewhere}",
        NOT_FOUND,
        hint=f"install its development files; `cloche run {where} -- python -m sysconfig` prints its configuration",
    )
