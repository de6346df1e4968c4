"""An environment under diagnosis, and the findings about it."""

from __future__ import annotations

import os
from functools import cached_property

from cloche.fs import is_same_file, is_within
from cloche.lifecycle.doctor.lost_targets import find_lost_targets, seeds_of
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.relocation import Relocation, moved_parent, spellings
from cloche.model.value import TYPE_CHECKING, Value
from cloche.shells import quote_words

if TYPE_CHECKING:
    from cloche.fs.locks import Identity
    from cloche.lifecycle.doctor.lost_targets import LostSeed, LostTarget
    from cloche.lifecycle.examination import Examination
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.overlay import Files
    from cloche.lifecycle.tree import Tree
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host, Interpreter


class Finding(Value):
    """One problem of an environment."""

    code: str
    """The kind of problem: a key of `diagnosis.CODES`."""
    path: str
    """The affected file or directory: relative to the root if it is inside the environment."""
    message: str
    """The problem, as a lower-case fragment."""
    remedy: str
    """How to repair it."""
    repairable: bool = False
    """Whether `cloche doctor --fix` repairs it."""


class RepairResult(Value):
    """The result of a repair."""

    findings: tuple[Finding, ...]
    """The findings before the repair."""
    remaining: tuple[Finding, ...]
    """The findings after it."""
    notes: tuple[str, ...] = ()
    """What is left for the user to do: files, inside and outside, that still contain the old path, and seeds that are not
    available."""

    @property
    def repaired(self) -> tuple[Finding, ...]:
        """The findings that were repaired."""
        remaining = {(finding.code, finding.path) for finding in self.remaining}
        return tuple(finding for finding in self.findings if (finding.code, finding.path) not in remaining)


class Case(Value):
    """An environment under diagnosis."""

    info: EnvironmentInfo
    host: Host
    examination: Examination
    replacement: Interpreter | None
    """An interpreter to rebase onto, if the environment does not work with its own."""
    identity: Identity | None = None
    """That of its directory when it was read (see `fs.locks.identity_of`)."""

    @property
    def environment(self) -> Environment:
        return self.info.environment

    @property
    def root(self) -> str:
        return self.info.environment.location

    @property
    def files(self) -> Files:
        """The files as they are now, only to be read: `repair.Repairs.overlay` is for edits."""
        return Overlay(self.root)

    @property
    def tree(self) -> Tree:
        return self.info.tree

    @cached_property
    def lost_targets(self) -> list[LostTarget]:
        """The directories that no longer exist, to which links of installed packages lead."""
        return find_lost_targets(self.environment, self.tree)

    @cached_property
    def lost_seeds(self) -> list[LostSeed]:
        """The seeds that were links to a cache that was removed."""
        return seeds_of(self.lost_targets)

    @cached_property
    def old_roots(self) -> list[str]:
        """The recorded roots that are not where the environment is now."""
        return [root for root in self.info.recorded_roots if not is_same_file(root, self.root)]

    @cached_property
    def relocation(self) -> Relocation:
        """The relocation from the old roots, and from parent directories that were moved with them, to the current root."""
        roots = [root for root in spellings(self.old_roots) if not is_same_file(root, self.root)]
        return Relocation(
            tuple((root, self.root) for root in roots),
            tuple(pair for root in roots for pair in moved_parent(root, self.root)),
        )

    def command(self, *words: str) -> str:
        """Return a command as it is typed in a shell, in backticks."""
        return f"`{quote_words(words, self.host.os_name)}`"

    @property
    def fix(self) -> str:
        """The command that repairs this environment, from whichever directory it is run."""
        return self.command("cloche", "doctor", "--fix", self.root)

    @property
    def can_be_rebased(self) -> bool:
        """Whether there is an interpreter to restore the environment with; if not, the finding about its base says so."""
        return self.environment.interpreter is not None or self.replacement is not None

    @property
    def has_moved_base(self) -> bool:
        """Whether the base was moved together with the environment, and works at its new path."""
        home = self.info.settings.get("home", "")
        new = self.relocation.path(home)
        return (
            new != home
            and self.replacement is not None
            and is_same_file(os.path.dirname(self.replacement.executable), new)
        )

    def is_in_lost_base(self, path: str) -> bool:
        """Return whether a path is in the directories of a base interpreter that no longer exists."""
        settings = self.info.settings
        if self.environment.interpreter is not None:
            return False
        directories = (settings.get("home", ""), settings.get("base-prefix", ""))
        return any(directory and is_within(path, directory) for directory in directories)


ONLY_YOU = "only you can decide"
"""The beginning of a remedy if cloche must not choose for the user. It lists the alternatives, with their commands if any."""


def missing_directory(path: str) -> str:
    """Return the topmost missing directory above a missing absolute path; the path itself if its directory exists.

    That is the cause if many paths below it are missing.
    """
    while not os.path.exists(parent := os.path.dirname(path)):
        path = parent
    return path


def and_more(count: int) -> str:
    """Return the end of a message that names one of several things."""
    return f", and {count - 1} more" if count > 1 else ""
