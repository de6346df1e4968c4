"""What was decided: a blueprint, which does not depend on a place, a plan, which does, and the result."""

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

    Strategy: TypeAlias = Literal["new", "exchange", "merge", "merge-emptied"]
    """How a staged tree reaches its place (see `cloche.apply.transaction`).

    `new` renames it onto a destination that is absent or empty, `exchange` exchanges it for the directory that exists,
    `merge` adds it to that directory entry by entry, and `merge-emptied` does the same after removing what is in there.
    """


@value
class ChosenComponent:
    """A component of a plugin that was selected."""

    name: str
    item: Any
    """The object itself, or its `"package.module:attribute"`, which is loaded when it is used."""
    selected: str = "by default"
    """`by name` if the user named it: then a refusal or failure is an error, otherwise the component is left out."""
    source: str = ""
    """The plugin and distribution that offer it, for people."""
    options: Mapping[str, object] = {}
    """What the user chose among the options that it declares."""


@value
class Blueprint:
    """Everything that is decided about an environment before its place is known."""

    spec: EnvironmentSpec
    """What was asked for."""
    interpreter: Interpreter
    chosen_because: str
    """What chose this interpreter, for people: "`.python-version` in /home/me/project"; empty if `-p` did."""
    layout: Layout
    creator: str
    operations: tuple[Operation, ...]
    """The creator's."""
    seeder: str | None
    images: tuple[Image, ...]
    activators: tuple[ChosenComponent, ...]
    """Those to ask for scripts. Whether one refuses the interpreter is asked for each plan."""


@value
class Plan:
    """Every decision taken and nothing done: what `--dry-run` prints and `cloche.apply` carries out."""

    environment: Environment
    target: str
    """Absolute path of the directory to fill: the environment's own, or what its symbolic link points to."""
    strategy: Strategy
    """How the new tree reaches its place."""
    outcome: str
    """The result in one word, for people: `created`, `replaced`, `refreshed`, `added`."""
    operations: tuple[Operation, ...]
    creator: str
    seeder: str | None
    images: tuple[Image, ...]
    activators: tuple[str, ...]
    link_mode: LinkMode
    chosen_because: str = ""
    notes: tuple[str, ...] = ()
    """What was left out or is otherwise than asked, and why."""

    @property
    def way(self) -> Strategy:
        """The name of `strategy` in version 0.1, kept for code that uses it."""
        return self.strategy


@value
class Result:
    """What happened."""

    environment: Environment
    plan: Plan
    seconds: float
    """Wall time in this process."""
    warnings: tuple[str, ...] = ()
