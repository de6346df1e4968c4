"""The layout of an environment, computed from its interpreter alone, so that any platform can plan for any other."""

from __future__ import annotations

from cloche.model.environment import Layout
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.interpreter import Interpreter


def layout_of(interpreter: Interpreter, options: Mapping[str, object] | None = None) -> Layout:
    """Return the layout of an environment of this interpreter.

    :param options: the values of the creator's own options.
    """
    scheme = interpreter.scheme
    windows = interpreter.os_name == "nt"
    names = executable_names(interpreter)
    return Layout(
        bin=scheme["scripts"],
        executable=f"{scheme['scripts']}/{names[0]}",
        names=names,
        purelib=scheme["purelib"],
        platlib=scheme["platlib"],
        include="Include" if windows else "include",
        links=lib64_links(interpreter),
        options=options or {},
    )


def executable_names(interpreter: Interpreter) -> tuple[str, ...]:
    """Return the names of the Python in `bin`, the main one first.

    CPython's `venv` creates `python`, `python3` and the name that it was started by. People and tools expect `python3.12`
    as well. Free-threaded builds add a `t` (PEP 703), debug builds a `d` except on Windows, and PyPy and GraalPy have
    names of their own.
    """
    minor = interpreter.python_version
    suffix = ".exe" if interpreter.os_name == "nt" else ""
    names = ["python", "python3", f"python{minor}"]
    if interpreter.free_threaded:
        names.append(f"python{minor}t")
    if interpreter.debug and interpreter.os_name != "nt" and interpreter.implementation == "cpython":
        names.append(f"python{minor}{interpreter.build}")
    if interpreter.implementation == "pypy":
        names += ["pypy", "pypy3", f"pypy{minor}"]
    if interpreter.implementation == "graalpy":
        names.append("graalpy")
    if interpreter.os_name == "nt":
        names += ["pypyw" if interpreter.implementation == "pypy" else "pythonw"]
    return tuple(name + suffix for name in names)


def lib64_links(interpreter: Interpreter) -> tuple[tuple[str, str], ...]:
    """Return the link `lib64 -> lib`, or nothing where it is not needed.

    `venv` creates it on 64-bit POSIX systems except macOS. It is left out if the scheme uses `lib64` as a directory.

    Source: `EnvBuilder.ensure_directories` in CPython's `Lib/venv/__init__.py`.
    """
    wanted = interpreter.os_name == "posix" and interpreter.bits == 64 and interpreter.platform != "darwin"
    in_use = any(path.partition("/")[0] == "lib64" for path in interpreter.scheme.values())
    return (("lib64", "lib"),) if wanted and not in_use else ()
