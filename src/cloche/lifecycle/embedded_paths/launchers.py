"""Parse the launchers of scripts and Pythons on Windows, and change the Python that they start.

A launcher of distlib (pip, cloche) is a program, a `#!` line, and a zip archive with the script. One of uv before 0.9.9
is a program, an archive if it starts a script, the path of the Python, its length, and a signature. Later versions of uv
store the path in a resource, which only Windows itself can replace; these launchers are not changed.
"""

from __future__ import annotations

import struct

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable


class Launcher(Value):
    """A launcher whose Python can be changed."""

    form: str
    """The format: `distlib` or `uv`."""
    program: str
    """The path of the Python that it starts."""
    start: int
    """The offset in bytes where the record of the path begins."""
    end: int
    """The offset where that record ends."""


def parse_launcher(content: bytes) -> Launcher | None:
    """Return the launcher in an executable; None if it is not a launcher, or its format is unknown."""
    return parse_uv_launcher(content) or parse_distlib_launcher(content)


UV_SIGNATURES = (b"UVSC", b"UVPY")
"""The last bytes of a launcher of uv: for a script, and for a Python."""


def parse_uv_launcher(content: bytes) -> Launcher | None:
    """Return a launcher that ends with a path in UTF-8, its length (32 bits) and one of `UV_SIGNATURES`, else None."""
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
    """Return a launcher with a `#!` line directly before its archive, else None."""
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
    """Return the offset of the zip archive at the end of a file, from its end record (APPNOTE 4.3.16), else None."""
    end = content.rfind(b"PK\x05\x06", max(0, len(content) - 65557))
    if end < 0 or end + 22 > len(content):
        return None
    size, offset = struct.unpack_from("<II", content, end + 12)
    start: int = end - size - offset
    return start if start > 0 and content[start : start + 4] == b"PK\x03\x04" else None


def replace_program(content: bytes, change: Callable[[str], str]) -> bytes | None:
    """Return the content of a launcher with its program replaced by `change(program)`; None if it is not a launcher."""
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
