"""Distributions: their names, their entry points, and the images that they become."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    Bytecode: TypeAlias = Literal["complete", "missing"]
    """Of an image; `missing` leaves it to Python's first import. For the next environment the image is made with all of it."""


@value
class EntryPoint:
    """A console script that a wheel declares (entry points specification, `console_scripts` and `gui_scripts`)."""

    name: str
    module: str
    attribute: str
    kind: str = "console"
    """`console` or `gui`."""


def normalised(name: str) -> str:
    """Return a distribution's name as names are compared (PEP 503)."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


@value
class Image:
    """An unpacked wheel in the store, ready to be laid into environments of one ABI; immutable."""

    distribution: str
    """Normalised name: `pip`."""
    version: str
    root: str
    """Directory in the store; see `cloche.store.images`."""
    entry_points: tuple[EntryPoint, ...]
    dist_info: str
    """Name of its metadata directory: `pip-26.3.dist-info`."""
    files: int
    """Number of files in the tree."""
    size: int
    """Their size in bytes."""
    bytecode: Bytecode = "complete"
