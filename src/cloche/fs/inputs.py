"""The inputs of a decision: the files and variables that it depends on, recorded by the code that reads them.

A result may be reused as long as every recorded input is unchanged. Code that reads a file or directory to decide
something records it *before* it reads, so that a change in between is noticed later. No code lists what other code may
read: a component that does not declare its inputs makes them incomplete, and the result is not reused.
"""

from __future__ import annotations

from cloche.fs.signatures import SIGNATURES, matching_variables
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.fs.signatures import Recorded, Signature


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
