"""The virtualenv that is installed in an environment, and which files belong to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche import DestinationError
from cloche.fs.records import parse_rows
from cloche.model.metadata import parse_metadata_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche import Environment


def metadata_directory(environment: Environment) -> str:
    """Return the absolute path of the metadata directory of the installed `virtualenv`; empty if there is none."""
    site = environment.path_to(environment.layout.purelib)
    for name in sorted(os.listdir(site)) if os.path.isdir(site) else ():
        if name.endswith(".dist-info") and parse_metadata_name(name)[0] == "virtualenv":
            return os.path.join(site, name)
    return ""


def version_of(metadata: str) -> str:
    """Return the version in the name of a metadata directory; empty for an empty name."""
    return parse_metadata_name(os.path.basename(metadata))[1]


def pieces_of_virtualenv(environment: Environment) -> tuple[list[str], str]:
    """Return the paths of the installed virtualenv, relative to the root, and its version; both empty without one.

    :raises DestinationError: it could not be restored exactly.
    """
    site = environment.layout.purelib
    metadata = metadata_directory(environment)
    if not metadata:
        if os.path.lexists(environment.path_to(f"{site}/virtualenv")):
            raise DestinationError(
                f"`{environment.path_to(f'{site}/virtualenv')}` belongs to no installed distribution",
                hint="move it away, or install virtualenv with pip",
            )
        return [], ""
    pieces = dict.fromkeys([f"{site}/{os.path.basename(metadata)}"])
    for path in recorded_paths(metadata):
        first, _, rest = path.partition("/")
        if first == ".." or os.path.isabs(path):
            inside = os.path.relpath(os.path.join(environment.path_to(site), path), environment.location)
            piece = inside.replace(os.sep, "/")
        else:
            piece = f"{site}/{first}"
        if piece not in pieces and not belongs_to_virtualenv(environment, piece, rest):
            raise DestinationError(
                f"virtualenv {version_of(metadata)} in `{environment.location}` has files that cannot be moved, "
                f"such as `{path}`",
                hint="reinstall it with pip, not in editable mode",
            )
        if os.path.lexists(environment.path_to(piece)):
            pieces[piece] = None
    return list(pieces), version_of(metadata)


def belongs_to_virtualenv(environment: Environment, piece: str, rest: str) -> bool:
    """Return whether a path belongs to virtualenv: its package, or one of its scripts."""
    package = f"{environment.layout.purelib}/virtualenv"
    return (piece == package and bool(rest)) or piece.startswith(f"{environment.layout.bin}/virtualenv")


def recorded_paths(metadata: str) -> Iterator[str]:
    """Yield the paths in a distribution's RECORD, relative to site-packages.

    :raises DestinationError: the RECORD cannot be read.
    """
    try:
        with open(os.path.join(metadata, "RECORD"), encoding="utf-8", newline="") as file:
            yield from [row[0].replace("\\", "/") for row in parse_rows(file.read()) if row[0]]
    except OSError:
        raise DestinationError(
            f"`{metadata}` has no RECORD, so its files are not known", hint="reinstall virtualenv there with pip"
        ) from None
