"""Makes the modules of cloche importable that a tool's environment lacks, and nothing else.

`_places.py` beside this file has their names and directories.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.metadata import DistributionFinder, MetadataPathFinder

from virtualenv._places import PLACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from importlib.metadata import Distribution
    from types import ModuleType


class Borrowed:
    """Finds modules in cloche's own environment, after all other finders."""

    @staticmethod
    def find_spec(
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if path is not None or name not in PLACES:
            return None
        if not os.path.isdir(PLACES[name]):
            raise ModuleNotFoundError(
                f"`{name}`, which the stand-in for virtualenv needs, does not exist any more in `{PLACES[name]}`: "
                "install cloche there again, or reinstall virtualenv here with pip",
                name=name,
            )
        return PathFinder.find_spec(name, [PLACES[name]])

    @staticmethod
    def find_distributions(context: DistributionFinder.Context | None = None) -> Iterable[Distribution]:
        """Return the metadata of a distribution that is asked for by name. Lists show only what is installed here."""
        module = ((context and context.name) or "").lower().replace("-", "_")
        if context is None or module not in PLACES:
            return ()
        there = DistributionFinder.Context(name=context.name, path=[PLACES[module]])
        return MetadataPathFinder.find_distributions(there)


def lend() -> None:
    """Make the borrowed modules importable."""
    if PLACES and Borrowed not in sys.meta_path:
        sys.meta_path.append(Borrowed)  # type: ignore[arg-type]
