"""Artifacts: the wheels and source distributions that a lock file names."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Mapping


@value
class Artifact:
    """One file that a lock file names."""

    distribution: str
    """Normalized (PEP 503)."""
    version: str
    file_name: str
    """The file name of a wheel or source distribution, validated."""
    url: str = ""
    """Absolute URL; empty if only the index knows it."""
    path: str = ""
    """Absolute path of a local file; empty if it is remote."""
    size: int | None = None
    """In bytes; None if the lock file does not say it."""
    hashes: Mapping[str, str] = {}
    """Algorithm → lower-case hex digest; a requirements file without hashes has none."""
    index: str = ""
    """The index that the lock file names for it; empty if it names none."""
