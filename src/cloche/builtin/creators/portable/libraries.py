"""The libraries of the system that an interpreter uses, for environments that carry them.

The loader of the system says which file a library is. The libraries get no search path of their own: all of them are in
`lib`, and the search path of the executable, which leads there, applies to them too.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from cloche.builtin.creators.portable import certificates
from cloche.errors import ClocheError, reason_of
from cloche.model.runtime import GLIBC_LIBRARY, BinaryEdits, RuntimeFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.model.interpreter import Interpreter

LISTED = re.compile(r"\s*(?P<name>\S+) => (?P<path>/.*) \(0x[0-9a-f]+\)")
"""A line of the loader's answer: `libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f…)`."""

TCL_DIRECTORIES = ("/usr/share/tcltk", "/usr/share", "/usr/lib", "/usr/lib64", "/usr/local/lib")
"""Where Linux distributions have the libraries of Tcl and Tk that are not machine code."""


def carried(interpreter: Interpreter, files: Iterable[RuntimeFile]) -> Iterator[RuntimeFile]:
    """Yield the libraries that the files of a runtime need, the certificates, and the scripts of Tcl and Tk.

    :raises ClocheError: the loader cannot be asked, or does not find a library.
    """
    binaries = [file.source for file in files if file.source and file.edits]
    own = {os.path.basename(file.path) for file in files} | {os.path.basename(interpreter.library)}
    found = libraries_of(binaries, loader_of(os.path.realpath(interpreter.executable)))
    for name, path in sorted(found.items()):
        if name not in own and not re.fullmatch(GLIBC_LIBRARY, name):
            yield RuntimeFile(f"lib/{name}", path, executable=True, edits=BinaryEdits("$ORIGIN", "rpath"))
            if tcl := re.fullmatch(r"lib(?P<name>tcl|tk)(?P<version>\d+\.\d+)\.so.*", name):
                yield from tcl_scripts(f"{tcl['name']}{tcl['version']}")
    if bundle := certificates.find_bundle():
        yield RuntimeFile(certificates.CARRIED, bundle)


def loader_of(executable: str) -> str:
    """Return the loader of an executable.

    :raises ClocheError: it is a static program, and so uses no libraries that could be carried.
    """
    with open(executable, "rb") as file:
        for segment in ELFFile(file).iter_segments("PT_INTERP"):
            if isinstance(segment, InterpSegment):
                return segment.get_interp_name()
    raise ClocheError(f"`{executable}` is statically linked", hint="leave out `--carry-libraries`")


def libraries_of(binaries: Iterable[str], loader: str) -> dict[str, str]:
    """Return the path of each library that the loader finds for these files, by name; those that it misses are left out.

    A library that is missing here is missing for the base interpreter as well, so one of its modules does not work.

    :raises ClocheError: the loader cannot be run.
    """
    found: dict[str, str] = {}
    variables = {"LD_TRACE_LOADED_OBJECTS": "1"}  # as `ldd` does; `--list` stops at a missing library
    for binary in binaries:
        try:
            listed = subprocess.run(
                [loader, binary], env=variables, capture_output=True, text=True, errors="surrogateescape", timeout=60
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = reason_of(error) if isinstance(error, OSError) else "no answer"
            raise ClocheError(f"cannot list the libraries of `{binary}` with `{loader}`: {reason}") from None
        for line in listed.stdout.splitlines():
            if match := LISTED.fullmatch(line):
                found.setdefault(match["name"], os.path.realpath(match["path"]))
    return found


def tcl_scripts(name: str) -> Iterator[RuntimeFile]:
    """Yield the scripts of Tcl or Tk: `tcl8.6`; Tcl finds them in `lib` beside the directory of the executable."""
    for place in TCL_DIRECTORIES:
        root = os.path.join(place, name)
        if os.path.isfile(os.path.join(root, "init.tcl")) or os.path.isfile(os.path.join(root, "tk.tcl")):
            for found, names, files in os.walk(root):
                names.sort()
                inside = os.path.relpath(found, root)
                for file in sorted(files):
                    path = os.path.normpath(f"lib/{name}/{inside}/{file}")
                    yield RuntimeFile(path, os.path.join(found, file))
            return
