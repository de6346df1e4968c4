"""Windows executables that start a script: a launcher from distlib, a shebang line, and the script.

Only a plan for a Windows environment loads this module. It builds the executables and never runs one.
"""

from __future__ import annotations

import functools
import io
import ntpath
import zipfile
from typing import TYPE_CHECKING

from cloche.errors import SeedError

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter


LAUNCHER_DIRECTORY = "<launcher_dir>\\"
"""The placeholder for the launcher's own directory in its first line (distlib 0.3.3 and later, `PC/launcher.c`)."""


def build_launcher(interpreter: Interpreter | None, python: str, kind: str, body: bytes) -> bytes:
    """Return an executable that runs the Python program `body`; the result is reproducible.

    The launcher passes its own path to Python, which runs the `__main__.py` in the zip archive at the executable's end.

    :param python: absolute path of the Python, or a path that starts with `LAUNCHER_DIRECTORY`.
    :param kind: `console` or `gui`.
    :raises SeedError: distlib has no launcher for the interpreter's machine.
    """
    if kind == "gui":
        directory, name = ntpath.split(python)
        python = ntpath.join(directory, name.replace("python", "pythonw", 1))
    quoted = f'"{python}"' if " " in python else python
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(zipfile.ZipInfo("__main__.py", (2001, 1, 1, 0, 0, 0)), body)
    first_line = f"#!{quoted}\r\n".encode("utf-8", "surrogatepass")
    return _read_launcher(_launcher_name(interpreter, kind)) + first_line + archive.getvalue()


def _launcher_name(interpreter: Interpreter | None, kind: str) -> str:
    """Return the file name of distlib's launcher for an interpreter's machine: `t64-arm.exe`."""
    machine = interpreter.machine.lower() if interpreter else "amd64"
    bits = interpreter.bits if interpreter else 64
    suffix = "-arm" if machine in ("arm64", "aarch64") and bits == 64 else ""
    return f"{'w' if kind == 'gui' else 't'}{bits}{suffix}.exe"


@functools.cache
def _read_launcher(name: str) -> bytes:
    import pkgutil

    try:
        data = pkgutil.get_data("distlib", name)
    except OSError:
        data = None
    if data is None:
        raise SeedError(
            f"distlib has no launcher `{name}` for scripts on Windows",
            hint="reinstall distlib with pip; the packages of Linux distributions lack its launchers",
        )
    return data
