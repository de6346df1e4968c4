"""Executables on Windows that start a script: taken apart, and put together for another Python.

Those of distlib (pip, cloche): a program, a first line that names the Python, a zip archive with the script. uv's name
it in a resource, which only Windows itself can replace: they are told apart and left alone.
"""

from __future__ import annotations

import struct

from cloche.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable


@value
class Launcher:
    """A launcher of distlib's kind."""

    program: str
    """The Python that it starts."""
    start: int
    """Where its first line begins."""
    end: int
    """Where the archive begins."""


def split(content: bytes) -> Launcher | None:
    """Return the parts of a launcher; None for any other executable."""
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
    return Launcher(program, start, archive)


def archive_start(content: bytes) -> int | None:
    """Return where the zip archive at the end of a file begins, by its end record (APPNOTE 4.3.16)."""
    end = content.rfind(b"PK\x05\x06", max(0, len(content) - 65557))
    if end < 0 or end + 22 > len(content):
        return None
    size, offset = struct.unpack_from("<II", content, end + 12)
    start: int = end - size - offset
    return start if start > 0 and content[start : start + 4] == b"PK\x03\x04" else None


def with_program_of(content: bytes, change: Callable[[str], str]) -> bytes | None:
    """Return a launcher for the program that `change` gives for the one it has; None for any other executable."""
    launcher = split(content)
    if launcher is None:
        return None
    program = change(launcher.program)
    if program == launcher.program:
        return content
    quoted = f'"{program}"' if " " in program else program
    line = f"#!{quoted}\r\n".encode("utf-8", "surrogateescape")
    return content[: launcher.start] + line + content[launcher.end :]
