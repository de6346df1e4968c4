"""Fake interpreters of several kinds, environments and hosts for tests; none of them exists on disk."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cloche.model.environment import Environment
from cloche.model.interpreter import Host, Interpreter
from cloche.model.value import replace
from cloche.planning.layout import layout_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def _posix_scheme(name: str) -> Mapping[str, str]:
    site = f"lib/{name}/site-packages"
    return {"scripts": "bin", "purelib": site, "platlib": site, "include": f"include/{name}", "data": ""}


_LINUX = Interpreter(
    executable="/usr/local/bin/python3.12",
    implementation="cpython",
    version=(3, 12, 1, "final", 0),
    platform="linux",
    os_name="posix",
    machine="x86_64",
    bits=64,
    free_threaded=False,
    debug=False,
    prefix="/usr/local",
    exec_prefix="/usr/local",
    stdlib="/usr/local/lib/python3.12",
    scheme=_posix_scheme("python3.12"),
    cache_tag="cpython-312",
    magic="cb0d0d0a",
    soabi="cpython-312-x86_64-linux-gnu",
    library="",
    has_venv=True,
    tcl_library="",
    tk_library="",
)

KINDS: Mapping[str, Interpreter] = {
    "cpython-3.12-linux": _LINUX,
    "cpython-3.13t-linux": replace(
        _LINUX,
        executable="/opt/python/3.13t/bin/python3.13t",
        version=(3, 13, 0, "final", 0),
        free_threaded=True,
        prefix="/opt/python/3.13t",
        exec_prefix="/opt/python/3.13t",
        stdlib="/opt/python/3.13t/lib/python3.13t",
        scheme=_posix_scheme("python3.13t"),
        cache_tag="cpython-313",
        magic="f30d0d0a",
        soabi="cpython-313t-x86_64-linux-gnu",
        library="/opt/python/3.13t/lib/libpython3.13t.so.1.0",
        tcl_library="/opt/python/3.13t/lib/tcl8.6",
        tk_library="/opt/python/3.13t/lib/tk8.6",
    ),
    "cpython-3.12-windows": replace(
        _LINUX,
        executable="C:\\Program Files\\Python312\\python.exe",
        platform="win32",
        os_name="nt",
        machine="AMD64",
        prefix="C:\\Program Files\\Python312",
        exec_prefix="C:\\Program Files\\Python312",
        stdlib="C:\\Program Files\\Python312\\Lib",
        scheme={
            "scripts": "Scripts",
            "purelib": "Lib/site-packages",
            "platlib": "Lib/site-packages",
            "include": "Include",
            "data": "",
        },
        soabi="cp312-win_amd64",
        tcl_library="C:\\Program Files\\Python312\\tcl\\tcl8.6",
        tk_library="C:\\Program Files\\Python312\\tcl\\tk8.6",
    ),
    "cpython-3.12-homebrew": replace(
        _LINUX,
        executable="/opt/homebrew/opt/python@3.12/bin/python3.12",
        platform="darwin",
        machine="arm64",
        prefix="/opt/homebrew/opt/python@3.12/Frameworks/Python.framework/Versions/3.12",
        exec_prefix="/opt/homebrew/opt/python@3.12/Frameworks/Python.framework/Versions/3.12",
        stdlib="/opt/homebrew/opt/python@3.12/Frameworks/Python.framework/Versions/3.12/lib/python3.12",
        soabi="cpython-312-darwin",
        library="/opt/homebrew/opt/python@3.12/Frameworks/Python.framework/Versions/3.12/Python",
    ),
    "pypy-3.10-linux": replace(
        _LINUX,
        executable="/opt/pypy3.10/bin/pypy3.10",
        implementation="pypy",
        version=(3, 10, 14, "final", 0),
        prefix="/opt/pypy3.10",
        exec_prefix="/opt/pypy3.10",
        stdlib="/opt/pypy3.10/lib/pypy3.10",
        scheme=_posix_scheme("pypy3.10"),
        cache_tag="pypy310",
        magic="f00d0d0a",
        soabi="pypy310-pp73",
        library="/opt/pypy3.10/bin/libpypy3.10-c.so",
    ),
}
"""The interpreters that `fake_interpreter` can return, by kind."""


def fake_interpreter(kind: str = "cpython-3.12-linux", **changes: object) -> Interpreter:
    """Return an interpreter of one of the `KINDS`, with some fields changed.

    :raises TypeError: a field does not exist.
    """
    return replace(KINDS[kind], **changes)


def fake_environment(
    root: str | os.PathLike[str], interpreter: Interpreter | None = None, **changes: object
) -> Environment:
    """Return an environment at `root`, which need not exist, with some fields changed.

    :raises TypeError: a field does not exist.
    """
    interpreter = interpreter or fake_interpreter()
    location = os.fspath(root)
    environment = Environment(
        location=location,
        layout=layout_of(interpreter),
        os_name=interpreter.os_name,
        prompt=location.replace("\\", "/").rpartition("/")[2],
        interpreter=interpreter,
    )
    return replace(environment, **changes)


def fake_host(**changes: object) -> Host:
    """Return a host without environment variables whose current directory is the root, with some fields changed.

    :raises TypeError: a field does not exist.
    """
    root = os.path.abspath(os.sep)
    host = Host(environ={}, cwd=root, platform=sys.platform, os_name=os.name, executable=sys.executable)
    return replace(host, **changes)
