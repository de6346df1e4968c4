"""What Debian changed in the Pythons that it packages, and how a portable environment changes it back.

Debian's Python serves the packages of the system: `sysconfig` installs to `/usr/local`, `site` reads `dist-packages`,
`ensurepip` is disabled and takes its wheels from another package. In an ordinary environment it behaves as elsewhere. It
does not recognize a portable environment, which has no base, so the code that decides is replaced in each module.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.model.runtime import RuntimeFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.model.interpreter import Interpreter

WHEELS = "share/python-wheels"

HEADING = "\n\n# Changed by cloche for portable environments: this is not the Python of the system.\n"

SCHEMES = """
_schemes = {"prefix": "posix_prefix", "home": "posix_home", "user": "posix_user"}


def _get_preferred_schemes():
    return _schemes


def _get_default_scheme():
    return "posix_prefix"
"""

DISTUTILS = """
def is_virtual_environment():
    return True
"""

ENSUREPIP = """
def _ensurepip_is_disabled_in_debian_for_system():
    pass
"""

ADDITIONS = {
    "sysconfig.py": SCHEMES,
    "sysconfig/__init__.py": SCHEMES,
    "distutils/sysconfig.py": DISTUTILS,
    "ensurepip/__init__.py": ENSUREPIP,
}
"""What is added to modules of the standard library."""

REPLACEMENTS = {
    "distutils/sysconfig_pypy.py": (
        "in_ve = 'real_prefix' in sys.__dict__ or sys.prefix != sys.base_prefix",
        "in_ve = True",
    ),
}
"""What is replaced in modules of the standard library."""

PATH_FILE = "import os, site, sys; site.addsitedir(os.path.join(sys.prefix, {purelib!r}))\n"
"""The line in `lib/python3/dist-packages` that adds `site-packages`; `site` itself is frozen into the executable."""


def is_debian(interpreter: Interpreter) -> bool:
    """Return whether an interpreter is one that Debian or a system derived from it has changed."""
    for name in ("sysconfig.py", "sysconfig/__init__.py"):
        try:
            with open(os.path.join(interpreter.stdlib, name), encoding="utf-8") as file:
                return "'posix_local'" in file.read()
        except OSError:
            continue
    return False


def changes(interpreter: Interpreter, files: Iterable[RuntimeFile]) -> Iterator[RuntimeFile]:
    """Yield the files of a runtime that are changed or added for a Python of Debian."""
    if not is_debian(interpreter):
        return
    stdlib = os.path.relpath(interpreter.stdlib, interpreter.prefix)
    additions = {f"{stdlib}/{name}": text for name, text in ADDITIONS.items()}
    replacements = {f"{stdlib}/{name}": texts for name, texts in REPLACEMENTS.items()}
    for file in files:
        if file.path in additions:
            yield RuntimeFile(file.path, content=with_addition(module_text(file.source), additions[file.path]))
        elif file.path in replacements:
            yield RuntimeFile(file.path, content=module_text(file.source).replace(*replacements[file.path]).encode())
    line = PATH_FILE.format(purelib=interpreter.scheme["purelib"])
    yield RuntimeFile("lib/python3/dist-packages/portable.pth", content=line.encode())
    wheels = os.path.join(interpreter.prefix, WHEELS)
    if os.path.isdir(wheels) and interpreter.implementation == "cpython":
        for name in sorted(os.listdir(wheels)):
            if name.endswith(".whl"):
                yield RuntimeFile(f"{WHEELS}/{name}", os.path.join(wheels, name))
    python = os.path.basename(interpreter.stdlib)
    for platform in sorted(os.listdir(os.path.join(interpreter.prefix, "include"))):
        header = os.path.join(interpreter.prefix, "include", platform, python, "pyconfig.h")
        if platform.count("-") >= 2 and os.path.isfile(header):
            yield RuntimeFile(f"include/{python}/pyconfig.h", header)


def with_addition(module: str, addition: str) -> bytes:
    """Return a module with an addition: before the functions that use it as they are defined, else at the end."""
    if HEADING in module:
        return module.encode()  # the base is a portable environment
    before, found, after = module.partition("\ndef get_path_names(")
    return f"{before}{HEADING}{addition}\n{found}{after}".encode()


def module_text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
