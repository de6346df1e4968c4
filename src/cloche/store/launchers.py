"""Windows executables that start a script: a launcher of distlib, a first line that names the Python, and the script.

Only plans of Windows environments load this module; it reads the launchers and starts nothing.
"""

from __future__ import annotations

import functools
import io
import zipfile
from typing import TYPE_CHECKING

from cloche.errors import SeedError

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter


BESIDE = "<launcher_dir>\\"
"""What stands for a launcher's own directory in its first line (distlib, `PC/launcher.c`, 0.3.3 and later)."""


def launcher(interpreter: Interpreter | None, python: str, kind: str, body: bytes) -> bytes:
    """Return an executable that runs the program `body` with the Python at the absolute path `python`, or `BESIDE` it.

    It is a launcher with a zip archive behind it: Python is given the executable's own path, and runs the `__main__.py`
    in the archive. The same arguments give the same bytes.

    :raises SeedError: distlib has no launcher for that machine.
    """
    if kind == "gui":
        directory, separator, name = python.rpartition("\\")
        python = f"{directory}{separator}{name.replace('python', 'pythonw', 1)}"
    quoted = f'"{python}"' if " " in python else python
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(zipfile.ZipInfo("__main__.py", (2001, 1, 1, 0, 0, 0)), body)
    first_line = f"#!{quoted}\r\n".encode("utf-8", "surrogatepass")
    return _executable(_name(interpreter, kind)) + first_line + archive.getvalue()


def _name(interpreter: Interpreter | None, kind: str) -> str:
    """Return the file name under which distlib has the launcher for an interpreter's machine."""
    machine = interpreter.machine.lower() if interpreter else "amd64"
    bits = interpreter.bits if interpreter else 64
    suffix = "-arm" if machine in ("arm64", "aarch64") and bits == 64 else ""
    return f"{'w' if kind == 'gui' else 't'}{bits}{suffix}.exe"


@functools.cache
def _executable(name: str) -> bytes:
    import pkgutil

    try:
        data = pkgutil.get_data("distlib", name)
    except OSError:
        data = None
    if data is None:
        raise SeedError(
            f"distlib has no launcher `{name}` for scripts on Windows",
            hint="install the whole of distlib (distributors of Linux leave its launchers out)",
        )
    return data
