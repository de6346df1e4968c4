"""An importer for the modules of cloche that a tool's environment does not have, and only for those.

`_directories.py` in this directory contains their names and directories.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.metadata import DistributionFinder, MetadataPathFinder

from virtualenv._directories import DIRECTORIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from importlib.metadata import Distribution
    from types import ModuleType


class BorrowedFinder:
    """Finds modules in cloche's own environment, after all other finders."""

    @staticmethod
    def find_spec(
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if path is not None or name not in DIRECTORIES:
            return None
        if not os.path.isdir(DIRECTORIES[name]):
            raise ModuleNotFoundError(
                f"`{name}`, which the stand-in for virtualenv needs, no longer exists in `{DIRECTORIES[name]}`: "
                "install cloche there again, or reinstall virtualenv here with pip",
                name=name,
            )
        return PathFinder.find_spec(name, [DIRECTORIES[name]])

    @staticmethod
    def find_distributions(context: DistributionFinder.Context | None = None) -> Iterable[Distribution]:
        """Return the metadata of a borrowed distribution by name; a list of all distributions does not include it."""
        module = ((context and context.name) or "").lower().replace("-", "_")
        if context is None or module not in DIRECTORIES:
            return ()
        borrowed = DistributionFinder.Context(name=context.name, path=[DIRECTORIES[module]])
        return MetadataPathFinder.find_distributions(borrowed)


def install_finder() -> None:
    """Make the borrowed modules importable."""
    if DIRECTORIES and BorrowedFinder not in sys.meta_path:
        sys.meta_path.append(BorrowedFinder)  # type: ignore[arg-type]
