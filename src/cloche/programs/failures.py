"""Why the system does not start a program."""

from __future__ import annotations

import errno
import os

from cloche.errors import reason_of
from cloche.fs import open_regular_file

PROGRAM_STARTS = (
    *(b"#!", b"\x7fELF", b"MZ"),
    *(b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"),
)
"""The first bytes of scripts and of binaries: ELF, Windows, and Mach-O for one or several machines."""


def is_program(path: str) -> bool:
    """Return whether the system could execute a file if its mode allowed it: a script with a `#!` line, or a binary."""
    try:
        with open_regular_file(path) as file:
            return file.read(4).startswith(PROGRAM_STARTS)
    except OSError:
        return False


def reason_not_started(program: str, error: OSError) -> str:
    """Return why the system did not start a file that may be executed."""
    if error.errno == errno.ENOEXEC and not is_program(program):
        return "it is not a program, and has no `#!` line"
    if error.errno != errno.ENOENT:
        return reason_of(error)
    try:
        with open_regular_file(program) as file:
            line = os.fsdecode(file.read(512).partition(b"\n")[0])
    except OSError:
        return reason_of(error)
    named = line.removeprefix("#!").strip(" ").partition(" ")[0]
    return f"`{named}` in its first line does not exist" if line.startswith("#!") else "its loader does not exist"
