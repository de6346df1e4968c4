"""The programs and libraries of an interpreter, and the edits by which they find each other and the standard library.

CPython looks for its standard library in the parents of its executable, by a file that it contains, the landmark. If it
finds none, because it was started in an unusual way, it uses the prefix that it was built for, or the standard library of
another Python. A portable interpreter must never run with the modules of another one, so its landmark is a file that only
portable environments have, and its built-in prefix does not exist.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cloche.builtin.creators.portable.names import directory, is_wanted, library_name, program_name
from cloche.errors import ClocheError, reason_of
from cloche.model.runtime import BinaryEdits, RuntimeFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.builtin.creators.portable.prefix import Prefix
    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.runtime import AddSearchPath

LANDMARKS = {"cpython": ".port", "pypy": ".pyport"}
"""The names of the landmarks. Each is as long as the name that it replaces in the executable: `os.py`, `site.py`."""

LANDMARK_TEXT = b"""This file marks the standard library of a portable environment. Its Python does not start without it.
"""

SEARCH_PATH = "$ORIGIN/../lib"

SYSTEM_LOADER = re.compile(r"/(usr/)?lib\w*/([\w-]+/)?ld[\w.-]+")
"""The path of a loader that every system of this kind has: `/lib64/ld-linux-x86-64.so.2`."""


def files(interpreter: Interpreter, layout: Layout, prefix: Prefix) -> Iterator[RuntimeFile]:
    """Yield the executable, the shared library, and what else belongs to them.

    :raises ClocheError: the built-in prefix or the name of the landmark cannot be found.
    """
    executable, library = os.path.realpath(interpreter.executable), interpreter.library
    own, original = library_name(interpreter), os.path.basename(library)
    renamed = ((original, own),) if own != original else ()
    fixed = replaced_text(library or executable, interpreter, prefix)
    adding: AddSearchPath = "always" if is_wanted(layout, "carry-libraries") else "if renamed"
    yield RuntimeFile(f"{directory(interpreter)}/{LANDMARKS[interpreter.implementation]}", content=LANDMARK_TEXT)
    if interpreter.implementation == "pypy":  # the executable finds the library in its own directory
        edits = BinaryEdits(replaced_text=() if library else fixed)
        yield RuntimeFile(f"{layout.bin}/{program_name(interpreter)}", executable, executable=True, edits=edits)
        if library:
            edits = BinaryEdits(SEARCH_PATH, "rpath", adding, replaced_text=fixed)
            yield RuntimeFile(f"{layout.bin}/{original}", library, edits=edits)
        return
    edits = BinaryEdits(SEARCH_PATH, "rpath", adding, renamed, () if library else fixed)
    yield RuntimeFile(f"{layout.bin}/{program_name(interpreter)}", executable, executable=True, edits=edits)
    if library:
        yield RuntimeFile(f"lib/{own}", library, edits=BinaryEdits("$ORIGIN", "rpath", "never", renamed, fixed))
        stable = os.path.join(os.path.dirname(library), "libpython3.so")
        if os.path.isfile(stable):
            yield RuntimeFile("lib/libpython3.so", stable, edits=BinaryEdits("$ORIGIN", "rpath", "never", renamed))


def own_loader(interpreter: Interpreter) -> str:
    """Return the loader of an interpreter that comes with one; empty if it uses the loader of the system.

    The path of a loader is absolute, so an environment cannot contain the loader. A Python with a loader of its own also
    has its own C library, with which the loader of the system does not work.
    """
    from elftools.common.exceptions import ELFError

    from cloche.builtin.creators.portable.libraries import loader_of

    try:
        loader = loader_of(os.path.realpath(interpreter.executable))
    except (OSError, ELFError, ClocheError):
        return ""  # reading the file for the runtime reports it; a static program has none
    return "" if SYSTEM_LOADER.fullmatch(loader) else loader


def replaced_text(binary: str, interpreter: Interpreter, prefix: Prefix) -> tuple[tuple[bytes, bytes], ...]:
    """Return the edits of the landmark and of the prefix that are built into an interpreter; PyPy has no prefix.

    :raises ClocheError: one of them cannot be found.
    """
    try:
        with open(binary, "rb") as file:
            content = file.read()
    except OSError as error:
        raise ClocheError(
            f"cannot read `{binary}`, a file of the base interpreter: {reason_of(error)}",
            hint="check that the base interpreter is completely installed, and try again",
        ) from None
    edits = landmark_edits(interpreter)
    if all(content.count(new) == 1 and old not in content for old, new in edits):
        return ()  # it is the interpreter of a portable environment
    if interpreter.implementation == "cpython":
        encoded = [b"\0" + os.fsencode(text) + b"\0" for text in prefix.recorded]
        found = [text for text in encoded if content.count(text) == 1]
        version = interpreter.version_text.encode()
        edits += [(text, b"\0" + impossible_prefix(text[1:-1], version) + b"\0") for text in found]
        edits *= bool(found)
    if not edits or any(content.count(old) != 1 for old, _ in edits):
        raise ClocheError(
            f"`{binary}` cannot be made portable: its layout is not known for {interpreter.name}",
            hint="use another build of this Python, for example one that pyenv or uv installs",
        )
    return tuple(edits)


def landmark_edits(interpreter: Interpreter) -> list[tuple[bytes, bytes]]:
    """Return the edits of the landmark's name, as the interpreter has it.

    In PyPy it is a string of RPython, with its length (`pypy/module/sys/initpath.py`), in CPython up to 3.10 a wide string
    of C (`Modules/getpath.c`), and since 3.11 two strings in the compiled `Modules/getpath.py`.
    """
    landmark = LANDMARKS[interpreter.implementation]
    if interpreter.implementation == "pypy":
        size = (7).to_bytes(8, "little")
        return [(size + b"site.py\0", size + landmark.encode() + b"\0")]
    if interpreter.version[:2] >= (3, 11):
        return [
            (b"\x06/os.py", b"\x06/" + landmark.encode()),
            (b"\x07/os.pyc", b"\x07/" + landmark.encode() + b"c"),
        ]
    return [("os.py\0".encode("utf-32-le"), (landmark + "\0").encode("utf-32-le"))]


def impossible_prefix(old: bytes, version: bytes) -> bytes:
    """Return a prefix of the same length that cannot exist.

    A linker may use the end of the prefix as the version of the interpreter, so that is kept.
    """
    kept = b"/" + version if old.endswith(b"/" + version) else version if old.endswith(version) else b""
    length = len(old) - len(kept)
    filler = b"/dev/null/" + b"portable-" * length if length > 10 else b"/" + b"\x01" * length
    return filler[:length] + kept
