"""An environment under diagnosis, and the findings about it."""

from __future__ import annotations

from cloche.lifecycle.examination import is_same_file
from cloche.lifecycle.lost_targets import find_lost_targets, seeds_of
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.relocation import Relocation, moved_parent, spellings
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from cloche.lifecycle.examination import Examination
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.lost_targets import LostSeed, LostTarget
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host, Interpreter


@value
class Finding:
    """One problem of an environment."""

    code: str
    """The kind of problem: a key of `diagnosis.CODES`."""
    path: str
    """The affected file or directory: relative to the root if it is inside the environment."""
    message: str
    """The problem, as a lower-case fragment."""
    remedy: str
    """How to repair it."""
    repairable: str = "no"
    """`yes` if `cloche doctor --fix` repairs it, else `no`."""


@value
class Case:
    """An environment under diagnosis."""

    info: EnvironmentInfo
    host: Host
    examination: Examination
    replacement: Interpreter | None
    """An interpreter to rebase onto, if the environment does not work with its own."""

    @property
    def environment(self) -> Environment:
        return self.info.environment

    @property
    def root(self) -> str:
        return self.info.environment.location

    @property
    def overlay(self) -> Overlay:
        return Overlay(self.root)

    @property
    def lost_targets(self) -> list[LostTarget]:
        """The directories that no longer exist, to which links of installed packages lead."""
        return find_lost_targets(self.environment)

    @property
    def lost_seeds(self) -> list[LostSeed]:
        """The seeds that were links to a cache that was removed."""
        return seeds_of(self.lost_targets)

    @property
    def old_roots(self) -> list[str]:
        """The recorded roots that are not where the environment is now."""
        return [root for root in self.info.recorded_roots if not is_same_file(root, self.root)]

    @property
    def relocation(self) -> Relocation:
        """The relocation from the old roots, and from parent directories that were moved with them, to the current root."""
        roots = [root for root in spellings(self.old_roots) if not is_same_file(root, self.root)]
        return Relocation(
            tuple((root, self.root) for root in roots),
            tuple(pair for root in roots for pair in moved_parent(root, self.root)),
        )


FIX = "`cloche doctor --fix`"
