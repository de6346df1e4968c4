"""Parse and write the header of a script: a `#!` line, or lines of `sh` that execute the interpreter.

All forms that installers write are supported. Nothing here reads or writes a file.
"""

from __future__ import annotations

import re

from cloche.model.value import Value
from cloche.shells import posix
from cloche.store.installation import fits_shebang, relocatable_shebang_lines, shebang_lines


class Header(Value):
    """The header of a script, and the rest of the script."""

    form: str
    """`direct` (the first line names the program) or `shell` (lines of `sh` execute it).

    distlib, pip, uv, setuptools and cloche write the form `shell` if the kernel cannot execute the form `direct`.
    """
    program: str
    """The program that runs the script, as the header spells it."""
    arguments: str
    """The arguments of the program: `-E` in `#!/usr/bin/python -E`."""
    coding: bytes
    """The line that declares the encoding (PEP 263), newline included; empty if there is none."""
    body: bytes
    """Everything after the header."""
    newline: bytes = b"\n"
    """The line ending of the first line."""


_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")
"""A line that declares the encoding (PEP 263)."""
_EXEC = re.compile(r"""(?:'''exec'|"exec"|exec)\s+(?P<command>.*\S)\s+(?:"\$0"|\$0)\s+(?:"\$@"|\$@)""")
"""A line of `sh` that executes a program with the script and its arguments, for each way in which tools write it."""
_ENV = re.compile(r"/(?:usr/)?bin/env\s+(?:-S\s*|--split-string[=\s]\s*)?(?=/)")
"""An `env` that only starts the program after it, which has an absolute path."""
_PYTHON = re.compile(r"(?:python|pypy|graalpy)[\w.]*?(?:\.exe)?", re.IGNORECASE)
"""The file name of a Python."""


def parse_header(content: bytes) -> Header | None:
    """Return the header of a script; None if the file is not a script, or is a shell script of another form."""
    if not content.startswith(b"#!"):
        return None
    line, newline, body = content.partition(b"\n")
    if line.endswith(b"\r"):
        newline = b"\r\n"
    words = _ENV.sub("", line[2:].strip().decode("utf-8", "surrogateescape"))
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
    """Split a `#!` line into program, separator and arguments, as `str.partition` does.

    The program ends at the first white space, or after a Python in a path that contains white space.
    """
    if match := re.match(r"(.*[/\\]" + _PYTHON.pattern + r")(\s+|$)", words, re.IGNORECASE):
        return match[1], match[2], words[match.end() :]
    return words.partition(" ")


def parse_shell_header(body: bytes) -> Header | None:
    """Return the header of a script whose first line names `sh`; None if it is an ordinary shell script.

    The next lines are `exec PYTHON "$0" "$@"`, in quotes that make it a string literal to Python.
    """
    coding = b""
    lines = body.split(b"\n", 4)
    for index, line in enumerate(lines[:4]):
        if _CODING.match(line):
            coding = line + b"\n"
            continue
        text = line.decode("utf-8", "surrogateescape").strip()
        match = _EXEC.fullmatch(text)
        if match is None:
            continue
        words = posix.split_command(match["command"]) or unescaped_program(match["command"])
        if not words:
            return None
        rest = lines[index + 1 :]
        if not (rest and rest[0].strip() in (b"' '''", b'"""', b"'''")):
            return None
        return Header("shell", words[0], " ".join(words[1:]), coding, b"\n".join(rest[1:]))
    return None


def unescaped_program(command: str) -> list[str]:
    """Return the words of a command that is a path in double quotes, in which distlib and pip escape nothing."""
    return [command[1:-1]] if re.fullmatch(r'"[^"]*"', command) and "$(" not in command else []


def script_with_program(header: Header, program: str, platform: str) -> bytes | None:
    """Return the script for another program; None if neither a `#!` line nor `sh` can execute that.

    The form depends on what the kernel of the platform supports, not on the old form.
    """
    if platform == "win32":
        quoted = f'"{program}"' if " " in program else program
        line = f"#!{quoted} {header.arguments}".rstrip().encode("utf-8", "surrogateescape")
        return line + header.newline + header.coding + header.body
    if fits_shebang(program, platform, header.arguments):
        line = f"#!{program} {header.arguments}".rstrip().encode("utf-8", "surrogateescape")
        return line + header.newline + header.coding + header.body
    if not _PYTHON.fullmatch(re.split(r"[/\\]", program)[-1]):
        return None  # the `sh` lines are a string literal to Python only
    shell_lines = add_arguments(shebang_lines(program, platform, header.coding), header)
    if header.arguments and not shell_lines.startswith(b"#!/bin/sh\n"):
        return None
    return shell_lines + header.body


def relocatable_script(header: Header, name: str) -> bytes | None:
    """Return the script for a Python that it finds in its own directory at run time; None for any other program."""
    if not _PYTHON.fullmatch(name):
        return None
    return add_arguments(relocatable_shebang_lines(name, header.coding), header) + header.body


def add_arguments(lines: bytes, header: Header) -> bytes:
    """Return lines of `sh` with the arguments of a header added to the command."""
    words = "".join(f" {posix.quote_for_python_too(word)}" for word in header.arguments.split())
    return lines.replace(b' "$0" "$@"', f'{words} "$0" "$@"'.encode())
