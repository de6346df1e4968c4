"""Shims: the files on PATH with which version managers start the active version of a program.

A shim is recognized by its exact form: a link to mise, or a script in which every line is one that the version manager
writes. Any other script is a wrapper, which the probe runs like an executable.
"""

from __future__ import annotations

import os
import stat

from cloche.discovery.installation_roots import mise_data_directory
from cloche.fs import read_at_most
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from cloche.model.interpreter import Host

MAX_SHIM_BYTES = 4096
"""The maximum size of a shim that is a script, in bytes."""

BASH = "#!/usr/bin/env bash"

PYENV_LINES = frozenset(
    (
        *("", BASH, "set -e", '[ -n "$PYENV_DEBUG" ] && set -x', 'program="${0##*/}"'),
        *('if [ "$program" = "python" ]; then', 'if [[ "$program" = "python"* ]]; then', "for arg; do"),
        *('case "$arg" in', "-c* | -- ) break ;;", "*/* )", 'if [ -f "$arg" ]; then', 'export PYENV_DIR="${arg%/*}"'),
        *('export PYENV_FILE_ARG="$arg"', "break", "fi", ";;", "esac", "done"),
        *("SHIM_PATH=${0%/*}", 'export _PYENV_SHIM_PATH="$SHIM_PATH"'),
    )
)
"""The lines of the shims of all versions of pyenv, without indentation; lines that contain paths are left out."""

MAX_LINKS = 8
"""How many links to follow from one that may lead to mise."""


class Shim(Value):
    """A shim, and how to find out which executable it starts."""

    manager: str
    """`pyenv`, `asdf` or `mise`."""
    command: tuple[str, ...]
    """The command that prints the path of the executable; empty if the version manager is not installed."""
    of_version: str = ""
    """If the command prints the names of the active versions instead, separated by `:`: the path of the executable of a
    version, with `{}` for its name."""


def find_shim(path: str, host: Host) -> Shim | None:
    """Return the shim at a path, None if the file is not a shim."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISLNK(status.st_mode) and status.st_size > MAX_SHIM_BYTES:
        return None
    name = os.path.basename(path)
    if program := _linked_mise(path, host):
        return Shim("mise", (program, "which", name))
    lines = _lines(path)
    return _pyenv_shim(lines, name) or _asdf_shim(lines, name, host)


def _linked_mise(path: str, host: Host) -> str:
    """Return the executable of mise that a link leads to, empty if it leads to something else.

    mise acts as a shim if it is started under another name. Its own name is not always `mise`: all links in the directory
    of its shims lead to it.
    """
    data = mise_data_directory(host.environ)
    in_shims = bool(data) and os.path.dirname(path) == os.path.join(os.path.normpath(data), "shims")
    first = ""
    for _ in range(MAX_LINKS):
        try:
            path = os.path.normpath(os.path.join(os.path.realpath(os.path.dirname(path)), os.readlink(path)))
        except (OSError, ValueError):  # the end of the chain
            break
        first = first or path
        if os.path.basename(path) in ("mise", "mise.exe"):
            return path
    return first if in_shims else ""


def _lines(path: str) -> list[str]:
    """Return the lines of a script, without indentation; an empty list for any other file."""
    content = read_at_most(path, MAX_SHIM_BYTES + 1) or b""
    if not content.startswith(BASH.encode()) or len(content) > MAX_SHIM_BYTES:
        return []
    return [line.strip() for line in os.fsdecode(content).rstrip("\n").split("\n")]


def _pyenv_shim(lines: list[str], name: str) -> Shim | None:
    """Return the shim of a script that `pyenv rehash` has written."""
    program = _between('exec "', lines[-1] if lines else "", '" exec "$program" "$@"')
    root = next((root for line in lines if (root := _between('export PYENV_ROOT="', line, '"'))), "")
    with_root = {f'export PYENV_ROOT="{root}"', f'if [[ $SHIM_PATH != "{root}/shims" ]]; then'}
    if not root or not os.path.isabs(program) or not (PYENV_LINES | with_root).issuperset(lines[:-1]):
        return None
    if not os.path.isfile(program):
        return Shim("pyenv", ())
    command = ("/usr/bin/env", f"PYENV_ROOT={root}", program, "version-name")  # takes a quarter of the time of `which`
    return Shim("pyenv", command, os.path.join(root, "versions", "{}", "bin", name))


def _asdf_shim(lines: list[str], name: str, host: Host) -> Shim | None:
    """Return the shim of a script that `asdf reshim` has written.

    It starts asdf by its path (before asdf 0.16) or by its name.
    """
    last = (lines[-1] if lines else "").removesuffix(" # asdf_allow: ' asdf '")
    words = last.split(" ")
    comments = [line for line in lines[1:-1] if line]
    if (
        not comments
        or not all(line.startswith("# asdf-plugin: ") and len(line.split(" ")) == 4 for line in comments)
        or len(words) != 5
        or (words[0], words[2], words[4]) != ("exec", "exec", '"$@"')
        or words[1].rpartition("/")[2] != "asdf"
        or words[3] != f'"{name}"'
    ):
        return None
    program = words[1] if os.path.isabs(words[1]) else _on_path("asdf", host)
    return Shim("asdf", (program, "which", name) if os.path.isfile(program) else ())


def _on_path(name: str, host: Host) -> str:
    """Return the path of a command in an absolute entry of PATH, empty if there is none."""
    for directory in host.environ.get("PATH", "").split(":"):
        if os.path.isabs(directory) and os.access(path := os.path.join(directory, name), os.X_OK):
            return path
    return ""


def _between(before: str, line: str, after: str) -> str:
    """Return the text between the start and the end of a line; empty if the line has another form."""
    if line.startswith(before) and line.endswith(after) and len(line) > len(before) + len(after):
        return line[len(before) : -len(after)]
    return ""
