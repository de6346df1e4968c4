"""The results of planning: a blueprint, which is valid for every destination, and a plan for one; and the result of a run."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal, TypeAlias

    from cloche.model.distribution import Image
    from cloche.model.environment import Environment, Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import LinkMode, Operation
    from cloche.model.request import EnvironmentSpec

    Strategy: TypeAlias = Literal["new", "exchange", "merge", "merge-emptied", "nothing"]
    """How a staging tree gets to its destination (see `cloche.apply.transaction`).

    `new` renames it to a destination that is absent or empty, `exchange` exchanges it with the existing directory, `merge`
    adds it to that directory entry by entry, and `merge-emptied` does the same after emptying the directory. With `nothing`,
    the destination already is what the plan describes.
    """


@value
class ChosenComponent:
    """A component of a plugin that was chosen for an environment."""

    name: str
    item: Any
    """The object itself, or a reference to it, `"package.module:attribute"`."""
    selected: str = "by default"
    """`by name` or `by default`. It is an error if a component that the user chose by name refuses or fails; a component that
    is used by default is left out instead."""
    source: str = ""
    """Its plugin and distribution, for people."""
    options: Mapping[str, object] = {}
    """The values that the user chose for the options that it declares."""


@value
class Blueprint:
    """Everything about an environment that does not depend on its destination."""

    spec: EnvironmentSpec
    """The request that it was resolved from."""
    interpreter: Interpreter
    chosen_because: str
    """The project file that requests this interpreter, for people: "`.python-version` in /home/me/project"; empty if none
    does, and after `-p`."""
    layout: Layout
    creator: str
    operations: tuple[Operation, ...]
    """The operations of the creator, without seeds and scripts."""
    seeder: str | None
    images: tuple[Image, ...]
    activators: tuple[ChosenComponent, ...]
    """The activators to ask for scripts. Each may still refuse the interpreter when the environment is planned."""

    @property
    def is_locked(self) -> bool:
        """Whether the images are those of a lock file, so that an environment must have no others."""
        return self.spec.wanted is not None and self.spec.wanted.lock is not None


@value
class PackageChange:
    """A distribution that a plan adds, removes or changes."""

    distribution: str
    """Normalized (PEP 503)."""
    old: str
    """The installed version; empty if it is added."""
    new: str
    """The version after the run; empty if it is removed."""
    installer: str = ""
    """For a removed one, the tool that had installed it: `pip`; empty if it is not recorded."""


@value
class Plan:
    """Everything that a run will do: `--dry-run` prints it, and `cloche.apply` performs it."""

    environment: Environment
    target: str
    """Absolute path of the root directory: the environment's location, or the target of a symbolic link there."""
    strategy: Strategy
    outcome: str
    """The result in one word, for people: `created`, `replaced`, `refreshed`, `added`."""
    operations: tuple[Operation, ...]
    creator: str
    seeder: str | None
    images: tuple[Image, ...]
    activators: tuple[str, ...]
    link_mode: LinkMode
    chosen_because: str = ""
    changes: tuple[PackageChange, ...] = ()
    """The distributions that differ from the existing environment, if the request has a lock file; sorted by name."""
    notes: tuple[str, ...] = ()
    """What was left out or differs from the request, and why; one line each."""

    @property
    def is_update(self) -> bool:
        """Whether it brings the packages of an existing environment into line with a lock file."""
        return self.outcome in ("updated", "repaired", "up to date")

    @property
    def way(self) -> Strategy:
        """The name of `strategy` in version 0.1, kept for code that uses it."""
        return self.strategy


@value
class Result:
    """The result of a run that created an environment."""

    environment: Environment
    plan: Plan
    seconds: float
    """Elapsed time, without the start of the Python process."""
    warnings: tuple[str, ...] = ()
