"""An environment that is looked into, and what is found to be wrong with it: values, and no judgement."""

from __future__ import annotations

from cloche.lifecycle.examination import is_same_file
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.relocation import Relocation, moved_parent
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from cloche.lifecycle.examination import Examination
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host, Interpreter


@value
class Finding:
    """Something that is wrong."""

    code: str
    """Which kind of trouble; the reference has them all."""
    path: str
    """What has it: relative to the root where it is inside."""
    message: str
    """What is wrong, as a lower-case fragment."""
    remedy: str
    """What would mend it."""
    repairable: str = "no"
    """`yes` if `cloche doctor --fix` does it."""


@value
class Case:
    """An environment that is looked into."""

    info: EnvironmentInfo
    host: Host
    examination: Examination
    replacement: Interpreter | None
    """What could take the place of a base that is gone."""

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
    def old_roots(self) -> list[str]:
        """The places that files in it take for its root and that are another."""
        return [root for root in self.info.recorded_roots if not is_same_file(root, self.root)]

    @property
    def relocation(self) -> Relocation:
        """From all of these to where it is, with the directories around it that went along."""
        return Relocation(
            tuple((root, self.root) for root in self.old_roots),
            tuple(pair for root in self.old_roots for pair in moved_parent(root, self.root)),
        )


FIX = "`cloche doctor --fix`"
