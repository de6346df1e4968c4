"""Move or copy an environment, with everything inside that names its path.

A whole new tree is created at the destination first, of hard links where possible, and verified. Only then is the old one
removed. Whatever goes wrong until then, the old one is not touched.
"""

from __future__ import annotations

import os
import stat
from shlex import quote
from typing import TYPE_CHECKING

from cloche.apply import DestinationChanged, apply
from cloche.apply.staging import recover_environment
from cloche.errors import ClocheError, DestinationError
from cloche.fs.locks import DirectoryLock
from cloche.lifecycle import external_references
from cloche.lifecycle.embedded_paths import relocate
from cloche.lifecycle.examination import activations, examine, modules_of, same
from cloche.lifecycle.info import environment_info
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.reader import read
from cloche.lifecycle.relocation import Relocation, within
from cloche.lifecycle.repair import writer_for
from cloche.model.operations import CopyTree, SetMode
from cloche.model.value import replace, value
from cloche.planning.destination import absolute_path, contains_current_directory, inspect_destination, is_mount_point

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from cloche.lifecycle.examination import Examined
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.model.environment import Environment
    from cloche.model.operations import Operation
    from cloche.planning.destination import Destination
    from cloche.session import Session

    Action: TypeAlias = Literal["move", "copy"]


@value
class MovePlan:
    """Every decision about a move or a copy; nothing is done yet."""

    action: Action
    info: EnvironmentInfo
    """Of the environment at its old path."""
    destination: Destination
    operations: tuple[Operation, ...]
    changed: tuple[str, ...]
    """Files and links that will be different at the new path."""
    residue: tuple[str, ...]
    """Files that will still name the old path."""
    mentions: tuple[str, ...]
    """External references to the old path, which are not changed."""

    @property
    def source(self) -> str:
        return self.info.environment.location


def plan_move(path: str, to: str, action: Action, session: Session) -> MovePlan:
    """Decide how to move or copy an environment.

    :raises DestinationError: there is no environment, or it cannot be moved to that path.
    """
    host = session.host
    source = absolute_path(path, host)
    if os.path.islink(source):
        real = os.path.realpath(source)
        raise DestinationError(
            f"`{source}` is a symbolic link to `{real}`", hint=f"move that: `cloche move {quote(real)} …`"
        )
    recover_environment(source)
    destination = inspect_destination(absolute_path(to, host), host)
    refuse_move(source, destination, action, session)
    info = environment_info(source, session)
    old = [source, os.path.realpath(source), *info.recorded_roots]
    relocation = Relocation(tuple((root, destination.location) for root in dict.fromkeys(old)))
    overlay = Overlay(source)
    moved = replace(info.environment, location=destination.location)
    writer = writer_for(info, moved, relocation, os.path.basename(source), session)
    residue = relocate(overlay, writer)
    overlay.update_checksums()
    tree = CopyTree(source, tuple(overlay.changed), "hardlink" if action == "move" else "clone")
    operations = [tree, *overlay.operations]
    if destination.state == "absent":  # an existing directory keeps its own permissions
        operations.append(SetMode(".", stat.S_IMODE(os.stat(source).st_mode)))
    return MovePlan(
        action=action,
        info=info,
        destination=destination,
        operations=tuple(operations),
        changed=tuple(overlay.changed),
        residue=tuple(residue),
        mentions=tuple(external_references.mentions(source, host)) if action == "move" else (),
    )


def refuse_move(source: str, destination: Destination, action: Action, session: Session) -> None:
    """:raises DestinationError: the environment cannot leave where it is, or cannot be put there."""
    if destination.state not in ("absent", "empty"):
        raise DestinationError(
            f"`{destination.location}` already exists", hint="choose a path that does not exist, or an empty directory"
        )
    if within(os.path.realpath(destination.target), os.path.realpath(source)):
        raise DestinationError(
            f"`{destination.location}` is inside `{source}`", hint="choose a path outside the environment"
        )
    if action == "copy":
        return
    if is_mount_point(source):
        raise DestinationError(f"`{source}` is a mount point and cannot be moved", hint="`--copy` copies what is in it")
    if os.path.isdir(source) and contains_current_directory(source, session.host):
        raise DestinationError(
            f"the current directory is inside `{source}`, which would be removed",
            hint="change to another directory and try again",
        )
    if os.path.isdir(source) and not os.access(os.path.dirname(source), os.W_OK):
        raise DestinationError(
            f"`{os.path.dirname(source)}` is not writable, so nothing can be moved out of it",
            hint="`--copy` leaves the original where it is",
        )


def move_environment(plan: MovePlan, session: Session) -> Environment:
    """Carry out the plan; return the environment at its new path.

    :raises ClocheError: it failed, or the environment did not work there; everything is as it was.
    """
    host, old = session.host, plan.info.environment
    modules = modules_of(plan.info.distributions)
    before = examine(old, host, modules)
    led_here = set(activations(old, host))
    moved: list[Environment] = []

    def verify() -> None:
        try:
            moved.append(verify_move(plan, session, before, modules, led_here))
        except ClocheError as error:
            raise ClocheError(
                f"`{plan.source}` would not work in its new place: {error.message}",
                hint=error.hint or "it is where it was, unchanged",
            ) from error

    with DirectoryLock(plan.source):
        try:
            apply(
                plan.operations,
                plan.destination.target,
                "merge" if plan.destination.immovable else "new",
                verify,
                moved_from=plan.source if plan.action == "move" else "",
            )
        except DestinationChanged:
            raise DestinationError(
                f"something else has been put at `{plan.destination.location}`", hint="choose another path"
            ) from None
    return moved[0]


def verify_move(
    plan: MovePlan, session: Session, before: Examined, modules: list[str], led_here: set[str]
) -> Environment:
    """Return the environment at its new path.

    :raises ClocheError: something that worked at the old path does not work there.
    """
    host = session.host
    environment = read(plan.destination.location, host, session.probes)
    refuse_broken(environment, before, examine(environment, host, modules))
    for script in activations(environment, host):
        if script not in led_here:
            raise ClocheError(f"the activation script {script} does not lead to `{environment.location}`")
    return environment


def refuse_broken(environment: Environment, before: Examined, after: Examined) -> None:
    """:raises ClocheError: what worked before does not work now."""
    if before.failure:
        return
    if after.failure:
        raise ClocheError(f"its Python does not start: {after.failure}")
    if not same(after.prefix, environment.location):
        raise ClocheError(f"its Python reports `{after.prefix}` as its prefix")
    if lost := sorted(set(after.unresolvable) - set(before.unresolvable)):
        raise ClocheError(f"its scripts cannot import `{lost[0]}`")
    if after.seed and not before.seed:
        raise ClocheError(f"pip does not run: {after.seed}")
