"""The inputs of a decision: what was read to make it, recorded by the code that reads.

A result may be reused as long as every recorded input is unchanged. Code that reads a file or directory to decide
something records it *before* it reads, so that a change in between is noticed later. Nobody lists what other code may
have read: a component that does not say what it reads makes the inputs incomplete, and the result is not reused.
"""

from __future__ import annotations

import os

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    Signature: TypeAlias = tuple[object, ...] | str | None
    """What differs after a change; None for what does not exist."""

    Recorded: TypeAlias = tuple[tuple[str, str, Signature], ...]
    """(kind, name, signature) of each input; kind is a key of `SIGNATURES`, `variable` or `variables`."""


class Inputs:
    """Records inputs. Every method returns at once if the input is recorded already: the first signature counts."""

    def __init__(self) -> None:
        self._signatures: dict[tuple[str, str], Signature] = {}
        self.undeclared: list[str] = []
        """Components that do not say what they read, for people; the inputs are incomplete if there is one."""

    def path(self, path: str) -> None:
        """Record a file, or the list of names in a directory. It need not exist: its absence is an input as well."""
        self._record("path", path)

    def entries(self, path: str) -> None:
        """Record a file, or a directory with the files in it, but not with what is in its own directories."""
        self._record("entries", path)

    def variable(self, environ: Mapping[str, str], name: str) -> str:
        """Record an environment variable and return its value, empty if it is not set."""
        text = environ.get(name)
        self._signatures.setdefault(("variable", name), text)
        return text or ""

    def variables(self, environ: Mapping[str, str], prefixes: tuple[str, ...]) -> None:
        """Record all environment variables whose names start in one of these ways, those that are not set included."""
        self._signatures.setdefault(("variables", " ".join(prefixes)), matching(environ, prefixes))

    def _record(self, kind: str, path: str) -> None:
        if (kind, path) not in self._signatures:
            self._signatures[kind, path] = SIGNATURES[kind](path)

    def update(self, other: Inputs) -> None:
        """Record everything that `other` has recorded."""
        self._signatures = {**other._signatures, **self._signatures}
        self.undeclared += other.undeclared

    @property
    def recorded(self) -> Recorded:
        """The inputs as plain values."""
        return tuple((kind, name, signature) for (kind, name), signature in self._signatures.items())


class Unrecorded(Inputs):
    """Records nothing, for decisions that are not kept."""

    def variable(self, environ: Mapping[str, str], name: str) -> str:
        return environ.get(name, "")

    def variables(self, environ: Mapping[str, str], prefixes: tuple[str, ...]) -> None:
        pass

    def _record(self, kind: str, path: str) -> None:
        pass


UNRECORDED = Unrecorded()


def unchanged(recorded: Iterable[tuple[str, str, Signature]], environ: Mapping[str, str]) -> bool:
    """Return whether all inputs are as they were recorded.

    :raises KeyError: a kind of input that this version does not know.
    """
    for kind, name, signature in recorded:
        if kind == "variable":
            now: Signature = environ.get(name)
        elif kind == "variables":
            now = matching(environ, tuple(name.split(" ")))
        else:
            now = SIGNATURES[kind](name)
        if now != signature:
            return False
    return True


def matching(environ: Mapping[str, str], prefixes: tuple[str, ...]) -> str:
    """Return the variables whose names start in one of these ways, as one text."""
    return repr(sorted((name, text) for name, text in environ.items() if name.startswith(prefixes)))


def path_signature(path: str) -> Signature:
    """Return what differs if a file, or the list of names in a directory, was changed; links are followed."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return signature_of(status)


def signature_of(status: os.stat_result) -> Signature:
    """Return identity, size and times of a file. On Windows `st_ctime` is the time of creation, and says nothing."""
    changed = status.st_ctime_ns if os.name == "posix" else 0
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, changed


def entries_signature(path: str) -> Signature:
    """Return what differs if a file was changed, or in a directory a file or the list of names."""
    own = path_signature(path)
    try:
        names = sorted(os.listdir(path))
    except (OSError, ValueError):
        return own
    return own, *((name, path_signature(os.path.join(path, name))) for name in names)


SIGNATURES = {"entries": entries_signature, "path": path_signature}
