"""The executables of an environment on Windows: CPython's launchers, or copies of the executable with its DLLs.

The functions work on every platform. They read the interpreter's directory only if it exists on this machine.
"""

from __future__ import annotations

import ntpath
import os

from cloche.model.operations import Copy
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation


def python_executables(interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
    """Yield the Python executables in `Scripts`, and the files that they need beside them.

    CPython's `venv` comes with launchers, which read `pyvenv.cfg` and start the base interpreter. PyPy has no
    launchers; its `venv` copies the executable and every DLL. CPython's embeddable package has no `venv`.
    """
    if interpreter.implementation == "cpython" and interpreter.has_venv:
        yield from _venv_launchers(interpreter, layout)
    else:
        yield from _copied_executables(interpreter, layout)


def inputs(interpreter: Interpreter) -> tuple[str, ...]:
    """Return the executable: an upgrade that changes the files beside it also replaces it."""
    return (interpreter.executable,)


def _venv_launchers(interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
    """Yield copies of the launchers in `Lib\\venv\\scripts\\nt`.

    Their names are `python.exe` and `pythonw.exe` until 3.12, `venvlauncher.exe` and `venvwlauncher.exe` since 3.13,
    with `t` for free-threaded builds (CPython `Lib/venv/__init__.py`, `setup_python`).
    """
    directory = ntpath.join(interpreter.stdlib, "venv", "scripts", "nt")
    threads = "t" if interpreter.free_threaded else ""
    debug = "_d" if interpreter.debug else ""
    for name in layout.names:
        window = "w" if _is_windowed(name) else ""
        if interpreter.version[:2] >= (3, 13):
            launcher = f"venv{window}launcher{threads}{debug}.exe"
        else:
            launcher = f"python{window}{debug}.exe"
        yield Copy(f"{layout.bin}/{name}", ntpath.join(directory, launcher))


def _copied_executables(interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
    """Yield copies of the executables, and of the files that the loader expects beside them.

    Python finds everything else by `home` in `pyvenv.cfg`, except a zipped standard library, which it expects beside
    its DLL (CPython `Modules/getpath.py`, and before 3.11 `PC/getpathp.c`). The `._pth` file of the embeddable package
    is not copied, because it disables `pyvenv.cfg` and `site`, and with them every installed package.
    """
    home, console = ntpath.split(interpreter.executable)
    try:
        present = {name.lower(): name for name in sorted(os.listdir(home))}
    except OSError:  # planning for another machine: use the files that the description of the interpreter names
        present = {name.lower(): name for name in [console, ntpath.basename(interpreter.library)] if name}
    kind = "pypy" if console.lower().startswith("pypy") else "python"
    windowed_name = console.lower().replace(kind, f"{kind}w", 1)
    windowed = next((present[name] for name in (windowed_name, "pythonw.exe", "pypyw.exe") if name in present), "")
    for name in layout.names:
        if source := windowed if _is_windowed(name) else console:
            yield Copy(f"{layout.bin}/{name}", ntpath.join(home, source))
    for key, name in present.items():
        if _is_needed_by_copy(key, interpreter):
            yield Copy(f"{layout.bin}/{name}", ntpath.join(home, name))


def _is_needed_by_copy(name: str, interpreter: Interpreter) -> bool:
    """Return whether a file beside the executable, with its name in lower case, is needed beside a copy of it.

    CPython's other DLLs belong to extension modules, which look for them in their own directory.
    """
    if name.endswith(".dll"):
        return interpreter.implementation == "pypy" or name.startswith(("python", "vcruntime", "msvcr", "ucrtbase"))
    major, minor = interpreter.version[:2]
    return name == f"python{major}{minor}.zip"


def _is_windowed(name: str) -> bool:
    """Return whether an executable's name is the name of a Python without a console window: `pythonw.exe`."""
    return name.removesuffix(".exe").endswith("w")
