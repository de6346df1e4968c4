"""Lends a tool's Python the modules of cloche that its environment lacks, by name; nothing else becomes importable.

`_places.py` beside this file says where each of them stands.
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
    """Finds modules that stand in cloche's own environment, after every other finder has found nothing."""

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
                f"`{name}`, which the stand-in for virtualenv uses, is gone from `{PLACES[name]}`: "
                "install cloche there again, or reinstall virtualenv here with pip",
                name=name,
            )
        return PathFinder.find_spec(name, [PLACES[name]])

    @staticmethod
    def find_distributions(context: DistributionFinder.Context | None = None) -> Iterable[Distribution]:
        """Yield the metadata of a distribution if it is asked for by name: lists show what is really installed."""
        module = ((context and context.name) or "").lower().replace("-", "_")
        if context is None or module not in PLACES:
            return ()
        there = DistributionFinder.Context(name=context.name, path=[PLACES[module]])
        return MetadataPathFinder.find_distributions(there)


def lend() -> None:
    """Make what is borrowed importable."""
    if PLACES and Borrowed not in sys.meta_path:
        sys.meta_path.append(Borrowed)  # type: ignore[arg-type]
