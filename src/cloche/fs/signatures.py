"""Signatures of inputs: values that change when a file, a directory or a variable changes.

`cloche.fs.inputs` records them; a later run compares them here.
"""

from __future__ import annotations

import os

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    Signature: TypeAlias = tuple[object, ...] | str | None
    """A value that changes when the input changes; None for an input that does not exist."""

    Recorded: TypeAlias = tuple[tuple[str, str, Signature], ...]
    """(kind, name, signature) of each input; kind is a key of `SIGNATURES`, `variable`, `variables` or `current directory`."""


def are_unchanged(recorded: Iterable[tuple[str, str, Signature]], environ: Mapping[str, str], cwd: str = "") -> bool:
    """Return whether all inputs are as they were recorded.

    :param cwd: the current directory.
    :raises KeyError: this version does not know a kind of input.
    """
    for kind, name, signature in recorded:
        if kind == "variable":
            now: Signature = environ.get(name)
        elif kind == "variables":
            now = matching_variables(environ, tuple(name.split(" ")))
        elif kind == "current directory":
            now = cwd
        else:
            now = SIGNATURES[kind](name)
        if now != signature:
            return False
    return True


def matching_variables(environ: Mapping[str, str], prefixes: tuple[str, ...]) -> str:
    """Return the variables whose names start with one of these prefixes, as one text."""
    return repr(sorted((name, text) for name, text in environ.items() if name.startswith(prefixes)))


def path_signature(path: str, directory: int | None = None) -> Signature:
    """Return a value that changes with a file, or with the list of names in a directory; follow links.

    :param directory: an open descriptor of the directory that a relative path is in.
    """
    try:
        status = os.stat(path, dir_fd=directory)
    except (OSError, ValueError):
        return None
    return signature_of(status)


def signature_of(status: os.stat_result) -> tuple[int, int, int, int, int]:
    """Return identity, size and times of a file. On Windows, `st_ctime` is the creation time, so it is left out."""
    changed = status.st_ctime_ns if os.name == "posix" else 0
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, changed


def entries_signature(path: str) -> Signature:
    """Return a value that changes with a file or, for a directory, with its list of names and the files in it."""
    own = path_signature(path)
    try:
        names = sorted(os.listdir(path))
    except (OSError, ValueError):
        return own
    if os.stat not in os.supports_dir_fd:
        return own, *((name, path_signature(os.path.join(path, name))) for name in names)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return own, *((name, None) for name in names)
    try:
        return own, *((name, path_signature(name, descriptor)) for name in names)
    finally:
        os.close(descriptor)


def tree_signature(path: str, *, only_names: bool = False) -> Signature:
    """Return a value that changes with the files of a project; see `Inputs.tree`."""
    from cloche.fs import trees

    return trees.tree_signature(path, signature_of, only_names=only_names)


def layout_signature(path: str) -> Signature:
    """Return a value that changes with the files of a project whose modules count by name only."""
    return tree_signature(path, only_names=True)


SIGNATURES = {
    "entries": entries_signature,
    "layout": layout_signature,
    "path": path_signature,
    "tree": tree_signature,
}
