"""The inputs of a decision: the files and variables that it depends on, recorded by the code that reads them.

A result may be reused as long as every recorded input is unchanged. Code that reads a file or directory to decide
something records it *before* it reads, so that a change in between is noticed later. No code lists what other code may
read: a component that does not declare its inputs makes them incomplete, and the result is not reused.
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


class Inputs:
    """A record of inputs. An input that is recorded already keeps its first signature."""

    def __init__(self, cwd: str = "") -> None:
        self._cwd = cwd
        self._signatures: dict[tuple[str, str], Signature] = {}
        self.undeclared: list[str] = []
        """Descriptions of components that do not declare their inputs; if there are any, the inputs are incomplete."""
        self.server_choices: list[str] = []
        """Descriptions of files that a server chose for a version, because no hash decides. The server may choose others
        next time, so the result may only be compared with an environment that was created from it."""

    def path(self, path: str) -> None:
        """Record a file, or the list of names in a directory. If it does not exist, its absence is recorded."""
        self._record("path", path)

    def entries(self, path: str) -> None:
        """Record a file, or a directory with the files in it, but without the contents of its subdirectories."""
        self._record("entries", path)

    def tree(self, path: str, *, only_names: bool) -> None:
        """Record all files of a project.

        :param only_names: whether modules count by name only, and hidden entries in the root not at all.
        """
        self._record("layout" if only_names else "tree", path)

    def current_directory(self) -> None:
        """Record the current directory."""
        self._signatures["current directory", ""] = self._cwd

    def variable(self, environ: Mapping[str, str], name: str) -> str:
        """Record an environment variable and return its value, empty if it is not set."""
        text = environ.get(name)
        self._signatures.setdefault(("variable", name), text)
        return text or ""

    def variables(self, environ: Mapping[str, str], prefixes: tuple[str, ...]) -> None:
        """Record all environment variables whose names start with one of these prefixes, even those not set yet."""
        self._signatures.setdefault(("variables", " ".join(prefixes)), matching_variables(environ, prefixes))

    def _record(self, kind: str, path: str) -> None:
        if (kind, path) not in self._signatures:
            self._signatures[kind, path] = SIGNATURES[kind](path)

    def update(self, other: Inputs) -> None:
        """Record everything that `other` has recorded."""
        self._signatures = {**other._signatures, **self._signatures}
        self.undeclared += other.undeclared
        self.server_choices += other.server_choices

    @property
    def recorded(self) -> Recorded:
        """The recorded inputs as plain values."""
        return tuple((kind, name, signature) for (kind, name), signature in self._signatures.items())


class Unrecorded(Inputs):
    """A record that stays empty, for decisions that are not cached."""

    def current_directory(self) -> None:
        pass

    def variable(self, environ: Mapping[str, str], name: str) -> str:
        return environ.get(name, "")

    def variables(self, environ: Mapping[str, str], prefixes: tuple[str, ...]) -> None:
        pass

    def _record(self, kind: str, path: str) -> None:
        pass


UNRECORDED = Unrecorded()


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
