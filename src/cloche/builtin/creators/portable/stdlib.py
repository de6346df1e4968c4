"""The standard library of an interpreter, its headers, and its build-time variables."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from cloche.builtin.creators.portable import certificates
from cloche.builtin.creators.portable.names import directory, is_wanted, library_name
from cloche.builtin.creators.portable.prefix import (
    config_script,
    is_sysconfig_data,
    makefile,
    pkg_config,
    relative_text,
    sysconfig_data,
)
from cloche.model.runtime import BinaryEdits, RuntimeFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.builtin.creators.portable.prefix import Prefix
    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.runtime import AddSearchPath

NEVER = (
    "__pycache__",
    "site-packages",
    "dist-packages",
    "EXTERNALLY-MANAGED",
    "sitecustomize.py",
    "*.pyc",
    "_distutils_system_mod.py",
    ".port",
    ".pyport",
)
"""Names that are never copied: packages, and what belongs to the installation or environment, not to the library."""

ONLY_FULL = (
    "test",
    "tests",
    "idle_test",
    "idlelib",
    "turtledemo",
    "config-*/*.a",
    "config-*/*.o",
    "config-*/*.so",
    "config-*/[!Mp]*",
    "lib-dynload/_test*",
    "lib-dynload/_ctypes_test*",
    "lib-dynload/_xxtestfuzz*",
    "lib-dynload/xx*",
    "*.a",
)
"""Paths in the standard library that `--stdlib runtime` leaves out: its tests, IDLE, and files to embed Python."""

TCL = ("tcl[0-9]*", "tk[0-9]*", "itcl*", "thread[0-9]*", "Tix*", "libtcl*", "libtk*", "libitcl*")
"""Names in `lib` of an interpreter that has its own Tcl and Tk."""


def is_left_out(path: str, layout: Layout) -> bool:
    """Return whether a path in the standard library is left out."""
    name = os.path.basename(path)
    if any(fnmatchcase(name, pattern) for pattern in NEVER):
        return True
    if layout.options.get("stdlib") == "full":
        return False
    return any(fnmatchcase(path if "/" in pattern else name, pattern) for pattern in ONLY_FULL)


def directories(interpreter: Interpreter, layout: Layout) -> Iterator[str]:
    """Yield every directory that files are copied from."""
    for found, _, _ in walk_directories(interpreter.stdlib, layout):
        yield found
    for source, _ in other_trees(interpreter):
        for found, _, _ in walk_directories(source, layout):
            yield found
    yield os.path.join(interpreter.prefix, "lib")


def walk_directories(root: str, layout: Layout) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each directory of a tree, its path relative to the tree, and the files in it to copy."""
    for found, names, files in os.walk(root, followlinks=True):
        below = os.path.relpath(found, root)
        inside = "" if below == "." else f"{below}/"
        names[:] = sorted(name for name in names if not is_left_out(f"{inside}{name}", layout))
        yield found, inside, sorted(name for name in files if not is_left_out(f"{inside}{name}", layout))


def files(interpreter: Interpreter, layout: Layout, prefix: Prefix) -> Iterator[RuntimeFile]:
    """Yield the files of the standard library and what `sysconfig` refers to."""
    target = directory(interpreter)
    adding: AddSearchPath = (
        "never"  # the search path of the executable applies to these files too, but not PyPy's `DT_RUNPATH`
    )
    if interpreter.implementation == "pypy" and is_wanted(layout, "carry-libraries"):
        adding = "always"
    for found, inside, names in walk_directories(interpreter.stdlib, layout):
        for name in names:
            source, path = os.path.join(found, name), f"{target}/{inside}{name}"
            if not os.path.isfile(source) or is_for_other_build(inside, name, interpreter):
                continue
            if text := changed_text(inside, name, source, prefix, interpreter):
                yield RuntimeFile(path, content=encoded(text), executable=executable(source))
            elif ".so" in name:
                depth = path.count("/") - 1
                edits = BinaryEdits("/".join(["$ORIGIN", *[".."] * depth]), "rpath", adding)
                yield RuntimeFile(path, source, executable=executable(source), edits=edits)
            else:
                yield RuntimeFile(path, source, executable=executable(source))
    for root, path in other_trees(interpreter):
        for found, inside, names in walk_directories(root, layout):
            for name in names:
                if os.path.isfile(source := os.path.join(found, name)):
                    yield RuntimeFile(f"{path}/{inside}{name}", source, executable=executable(source))
    yield from development_files(interpreter, layout, prefix)


def is_for_other_build(inside: str, name: str, interpreter: Interpreter) -> bool:
    """Return whether a file belongs to the debug build, which Debian has in the same directory, or to the other build."""
    if ".cpython-" in name and name.endswith(".so"):
        return f".{interpreter.soabi}." not in name
    top = inside.partition("/")[0] or name
    is_debug = top.startswith((f"config-{interpreter.python_version}d-", "_sysconfigdata_d_"))
    return is_debug and not interpreter.debug


def executable(source: str) -> bool:
    return bool(os.stat(source).st_mode & 0o100)


def other_trees(interpreter: Interpreter) -> Iterator[tuple[str, str]]:
    """Yield the directories that belong to an interpreter outside its standard library, and their new paths."""
    python = os.path.basename(interpreter.stdlib)
    includes = os.path.join(interpreter.prefix, "include")
    for name in (python, f"{python}t", f"{python}d"):
        if os.path.isdir(os.path.join(includes, name)):
            yield os.path.join(includes, name), f"include/{name}"
    if interpreter.prefix in ("/", "/usr", "/usr/local"):
        return
    libraries = os.path.join(interpreter.prefix, "lib")
    for name in sorted(os.listdir(libraries)):
        if any(fnmatchcase(name, pattern) for pattern in TCL) and os.path.isdir(os.path.join(libraries, name)):
            yield os.path.join(libraries, name), f"lib/{name}"
    if os.path.isdir(terminfo := os.path.join(interpreter.prefix, "share", "terminfo")):
        yield terminfo, "share/terminfo"


def changed_text(inside: str, name: str, source: str, prefix: Prefix, interpreter: Interpreter) -> str:
    """Return the new text of a file that contains the path of the base; empty for any other file."""
    if is_sysconfig_data(name) and not inside:
        changes: dict[str, object] = {}
        if interpreter.library:
            changes["INSTSONAME"] = library_name(interpreter)
        return sysconfig_data(read_text(source), prefix, changes)
    if inside.startswith("config-") and name == "Makefile":
        return makefile(read_text(source), prefix)
    if inside.startswith("config-") and name == "python-config.py":
        text = read_text(source)
        line, rest = text.split("\n", 1) if text.startswith("#!") else ("", text)
        return relative_text(("#!/usr/bin/env python3\n" if line else "") + rest, prefix)
    if not inside and name == "ssl.py":
        text = read_text(source)
        return text if certificates.ADDITION in text else text + certificates.ADDITION
    return ""


def development_files(interpreter: Interpreter, layout: Layout, prefix: Prefix) -> Iterator[RuntimeFile]:
    """Yield the files that programs read to be linked with this Python: those of pkg-config, and `python-config`."""
    places = [os.path.join(interpreter.prefix, "lib", "pkgconfig")]
    if prefix.multiarch:
        places.append(os.path.join(interpreter.prefix, "lib", prefix.multiarch, "pkgconfig"))
    version = interpreter.python_version
    for place in places:
        for name in (f"python-{version}.pc", f"python-{version}-embed.pc"):
            if os.path.isfile(source := os.path.join(place, name)):
                yield RuntimeFile(f"lib/pkgconfig/{name}", content=encoded(pkg_config(read_text(source), prefix)))
    name = f"python{version}-config"
    if os.path.isfile(source := os.path.join(interpreter.prefix, "bin", name)):
        text = read_text(source)
        if text.startswith("#!/bin/sh"):
            content = encoded(config_script(text, prefix))
            for alias in (name, "python3-config"):
                yield RuntimeFile(f"{layout.bin}/{alias}", content=content, executable=True)


def read_text(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def encoded(text: str) -> bytes:
    """Return a text that `read_text` has read as bytes."""
    return text.encode("utf-8", "surrogateescape")
