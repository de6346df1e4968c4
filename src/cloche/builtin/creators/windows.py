"""What starts the Python of an environment on Windows: a launcher of its own kind, or its executable with its DLLs.

It plans for Windows on any system; it looks at the interpreter's files where they can be seen, and starts nothing.
"""

from __future__ import annotations

import os

from cloche.model.operations import Copy
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation


def executables(interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
    """Yield what stands in `Scripts` under the names of Python, and what that needs beside it.

    CPython comes with launchers, as a part of `venv`: they read `pyvenv.cfg` and start the base interpreter. PyPy has
    none, and its `venv` copies the executable with every DLL. CPython's embeddable package has no `venv`.
    """
    if interpreter.implementation == "cpython" and interpreter.has_venv:
        yield from _launchers(interpreter, layout)
    else:
        yield from _copies(interpreter, layout)


def inputs(interpreter: Interpreter) -> tuple[str, ...]:
    """Return the executable: an upgrade, which may change the files beside it, replaces it as well."""
    return (interpreter.executable,)


def _launchers(interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
    """Yield the launchers, which lie in `Lib\\venv\\scripts\\nt`.

    They are `python.exe` and `pythonw.exe` until 3.12, `venvlauncher.exe` and `venvwlauncher.exe` since 3.13, with `t`
    for free-threaded builds (CPython `Lib/venv/__init__.py`, `setup_python`).
    """
    directory = "\\".join([interpreter.stdlib, "venv", "scripts", "nt"])
    threads = "t" if interpreter.free_threaded else ""
    debug = "_d" if interpreter.debug else ""
    for name in layout.names:
        window = "w" if _is_windowed(name) else ""
        if interpreter.version[:2] >= (3, 13):
            launcher = f"venv{window}launcher{threads}{debug}.exe"
        else:
            launcher = f"python{window}{debug}.exe"
        yield Copy(f"{layout.bin}/{name}", f"{directory}\\{launcher}")


def _copies(interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
    """Yield the executables themselves, with what the loader looks for beside them.

    Python finds the rest by `home` in `pyvenv.cfg`, except a standard library that is a zip archive: it looks for that
    beside its DLL (CPython `Modules/getpath.py`, and before 3.11 `PC/getpathp.c`). The `._pth` file of the embeddable
    package stays behind, which would switch off `pyvenv.cfg`, `site` and with it all that is installed.
    """
    home, _, console = interpreter.executable.rpartition("\\")
    try:
        present = {name.lower(): name for name in sorted(os.listdir(home))}
    except OSError:  # on another machine: what is known of it without looking
        present = {name.lower(): name for name in [console, interpreter.library.rpartition("\\")[2]] if name}
    kind = "pypy" if console.lower().startswith("pypy") else "python"
    named = console.lower().replace(kind, f"{kind}w", 1)
    window = next((present[name] for name in (named, "pythonw.exe", "pypyw.exe") if name in present), "")
    for name in layout.names:
        if source := window if _is_windowed(name) else console:
            yield Copy(f"{layout.bin}/{name}", f"{home}\\{source}")
    for key, name in present.items():
        if _is_needed(key, interpreter):
            yield Copy(f"{layout.bin}/{name}", f"{home}\\{name}")


def _is_needed(name: str, interpreter: Interpreter) -> bool:
    """Return whether a file beside the executable, its name in lower case, is needed beside a copy of it.

    CPython's other DLLs belong to extension modules, which find them where they are themselves.
    """
    if name.endswith(".dll"):
        return interpreter.implementation == "pypy" or name.startswith(("python", "vcruntime", "msvcr", "ucrtbase"))
    major, minor = interpreter.version[:2]
    return name == f"python{major}{minor}.zip"


def _is_windowed(name: str) -> bool:
    """Return whether an executable's name is that of the Python without a console."""
    return name.removesuffix(".exe").endswith("w")
