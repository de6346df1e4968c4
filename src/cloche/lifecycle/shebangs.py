"""How a script names the program that runs it: its first line, or a few lines of `sh` that replace themselves.

Every form that installers write is read, and the same script is written for another place. Nothing touches a disk.
"""

from __future__ import annotations

import re
import shlex

from cloche.model.value import value
from cloche.store.installation import SHEBANG_LIMIT, SHEBANG_LIMIT_MACOS, relocatable_shebang_lines, shebang_lines


@value
class Header:
    """What stands before the program."""

    form: str
    """`direct` (a first line that names the program), or `shell` (lines of `sh` that start it: distlib, pip, uv,
    setuptools and cloche write them where the kernel could not read the first line)."""
    program: str
    """The program that runs the script, as it is named."""
    arguments: str
    """What follows it, as in `#!/usr/bin/python -E`."""
    coding: bytes
    """The line that tells Python the encoding (PEP 263), newline included; empty if there is none."""
    body: bytes
    """Everything after it."""
    newline: bytes = b"\n"


_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")
_PYTHON = re.compile(r"(?:python|pypy|graalpy)[\w.]*?(?:\.exe)?", re.IGNORECASE)


def parse_header(content: bytes) -> Header | None:
    """Return how a script is started; None for a file that is no script, or that finds its own way."""
    if not content.startswith(b"#!"):
        return None
    line, newline, body = content.partition(b"\n")
    if line.endswith(b"\r"):
        newline = b"\r\n"
    words = line[2:].strip().decode("utf-8", "surrogateescape")
    if words.partition(" ")[0] in ("/bin/sh", "/bin/bash", "/usr/bin/sh"):
        return parse_shell_header(body)
    coding = b""
    if _CODING.match(body):
        first, ending, rest = body.partition(b"\n")
        coding, body = first + ending, rest
    if words.startswith('"'):
        program, _, arguments = words[1:].partition('"')
    else:
        program, _, arguments = split_program(words)
    return Header("direct", program, arguments.strip(), coding, body, newline or b"\n")


def split_program(words: str) -> tuple[str, str, str]:
    """Split a first line behind the program: at white space, or, if a name of Python follows later, behind that."""
    if found := re.match(r"(.*[/\\]" + _PYTHON.pattern + r")(\s+|$)", words, re.IGNORECASE):
        return found[1], found[2], words[found.end() :]
    return words.partition(" ")


def parse_shell_header(body: bytes) -> Header | None:
    """Return the header of a script whose first line names `sh`; None if it is a shell script like any other.

    `exec PYTHON "$0" "$@"` stands in the next lines, between quotes that make it a string to Python.
    """
    coding = b""
    lines = body.split(b"\n", 4)
    for index, line in enumerate(lines[:4]):
        if _CODING.match(line):
            coding = line + b"\n"
            continue
        text = line.decode("utf-8", "surrogateescape").strip()
        if not re.match(r"""('''exec'|"exec"|exec)\s""", text):
            continue
        try:
            words = shlex.split(text)
        except ValueError:
            return None
        if len(words) < 4 or words[-2:] != ["$0", "$@"] or "$(" in text:
            return None
        rest = lines[index + 1 :]
        if not (rest and rest[0].strip() in (b"' '''", b'"""', b"'''")):
            return None
        return Header("shell", words[1], " ".join(words[2:-2]), coding, b"\n".join(rest[1:]))
    return None


def script_with_program(header: Header, program: str, platform: str) -> bytes | None:
    """Return the whole script for another program; None if no first line can name that and `sh` cannot start it either.

    Whether the first line will do is decided anew, by what the target's kernel reads.
    """
    if platform == "win32":
        quoted = f'"{program}"' if " " in program else program
        line = f"#!{quoted} {header.arguments}".rstrip().encode("utf-8", "surrogateescape")
        return line + header.newline + header.coding + header.body
    limit = SHEBANG_LIMIT_MACOS if platform == "darwin" else SHEBANG_LIMIT
    direct = f"#!{program} {header.arguments}".rstrip().encode("utf-8", "surrogateescape")
    if len(direct) + 1 <= limit and not re.search(r"\s", program):
        return direct + header.newline + header.coding + header.body
    if not _PYTHON.fullmatch(re.split(r"[/\\]", program)[-1]):
        return None  # the lines below are a string to Python only
    trampoline = add_arguments(shebang_lines(program, platform, header.coding), header)
    if header.arguments and not trampoline.startswith(b"#!/bin/sh\n"):
        return None
    return trampoline + header.body


def relocatable_script(header: Header, name: str) -> bytes | None:
    """Return the whole script for a Python that lies beside it, wherever that is; None for any other program."""
    if not _PYTHON.fullmatch(name):
        return None
    return add_arguments(relocatable_shebang_lines(name, header.coding), header) + header.body


def add_arguments(lines: bytes, header: Header) -> bytes:
    """Return lines of `sh` that start a Python with the arguments that it was given in a first line."""
    words = "".join(f" {shlex.quote(word)}" for word in header.arguments.split())
    return lines.replace(b' "$0" "$@"', f'{words} "$0" "$@"'.encode())
