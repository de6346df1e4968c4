"""Executables on Windows that start a script or a Python: taken apart, and put together for another Python.

Those of distlib (pip, cloche): a program, a first line that names the Python, a zip archive with the script. Those of uv
before 0.9.9: a program, an archive if it starts a script, the Python's path, its length, and who wrote it. Later ones of
uv have it in a resource, which only Windows itself can replace: they are told apart and left alone.
"""

from __future__ import annotations

import struct

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable


@value
class Launcher:
    """A launcher whose Python can be replaced."""

    form: str
    """`distlib` or `uv`: how the Python is written down."""
    program: str
    """The Python that it starts."""
    start: int
    """Where that is written down."""
    end: int
    """Where something else follows."""


def parse_launcher(content: bytes) -> Launcher | None:
    """Return the parts of a launcher; None for any other executable."""
    return parse_uv_launcher(content) or parse_distlib_launcher(content)


UV_SIGNATURES = (b"UVSC", b"UVPY")
"""How a launcher of uv ends: one that starts its own script, or one that stands for the Python."""


def parse_uv_launcher(content: bytes) -> Launcher | None:
    """Return the parts of a launcher that ends with a path in UTF-8, its length (32 bits) and one of `UV`."""
    if not content.endswith(UV_SIGNATURES):
        return None
    (length,) = struct.unpack_from("<I", content, len(content) - 8)
    start = len(content) - 8 - length
    if not 0 < start < len(content) - 8:
        return None
    try:
        return Launcher("uv", content[start : start + length].decode("utf-8"), start, len(content))
    except UnicodeDecodeError:
        return None


def parse_distlib_launcher(content: bytes) -> Launcher | None:
    """Return the parts of a launcher with a first line before its archive."""
    archive = archive_start(content)
    if archive is None:
        return None
    start = content.rfind(b"#!", max(0, archive - 4096), archive)
    if start < 0:
        return None
    line = content[start:archive]
    if not line.endswith(b"\n"):
        return None
    words = line[2:].strip().decode("utf-8", "surrogateescape")
    program = words[1:].partition('"')[0] if words.startswith('"') else words
    return Launcher("distlib", program, start, archive)


def archive_start(content: bytes) -> int | None:
    """Return where the zip archive at the end of a file begins, by its end record (APPNOTE 4.3.16)."""
    end = content.rfind(b"PK\x05\x06", max(0, len(content) - 65557))
    if end < 0 or end + 22 > len(content):
        return None
    size, offset = struct.unpack_from("<II", content, end + 12)
    start: int = end - size - offset
    return start if start > 0 and content[start : start + 4] == b"PK\x03\x04" else None


def replace_program(content: bytes, change: Callable[[str], str]) -> bytes | None:
    """Return a launcher for the program that `change` gives for the one it has; None for any other executable."""
    launcher = parse_launcher(content)
    if launcher is None:
        return None
    program = change(launcher.program)
    if program == launcher.program:
        return content
    if launcher.form == "uv":
        path = program.encode("utf-8", "surrogateescape")
        return content[: launcher.start] + path + struct.pack("<I", len(path)) + content[-4:]
    quoted = f'"{program}"' if " " in program else program
    line = f"#!{quoted}\r\n".encode("utf-8", "surrogateescape")
    return content[: launcher.start] + line + content[launcher.end :]
