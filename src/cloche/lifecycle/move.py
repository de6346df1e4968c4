"""Move or copy an environment, with everything inside that names its path.

A complete tree is created at the destination first, with hard links where possible, and verified. The original is removed
only after that. If anything fails before that, the original is unchanged.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cloche.apply import DestinationChanged, NotTakenOver, apply
from cloche.errors import ClocheError, DestinationError
from cloche.fs import contains_path, is_mount_point
from cloche.fs.locks import DirectoryLock, identity_of
from cloche.lifecycle import external_references
from cloche.lifecycle.embedded_paths import files_to_relocate, relocate_tree
from cloche.lifecycle.examination import examine, failing_activations, modules_of, refuse_new_damage, started_python
from cloche.lifecycle.info import environment_info
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.reader import read_environment
from cloche.lifecycle.relocation import Relocation, refuse_other_encoding, spellings
from cloche.lifecycle.relocation_context import relocation_context
from cloche.model.operations import CopyTree, SetMode
from cloche.model.value import Value, replace
from cloche.planning.destination import absolute_path, contains_current_directory, inspect_destination
from cloche.shells import quote_word
from cloche.store.links import is_environment_recorded, record_links

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from cloche.fs.locks import Identity
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.model.environment import Environment
    from cloche.model.operations import Operation
    from cloche.planning.destination import Destination
    from cloche.session import Session

    Action: TypeAlias = Literal["move", "copy"]


class MovePlan(Value):
    """Every decision about a move or a copy. Nothing has been changed yet."""

    action: Action
    info: EnvironmentInfo
    """The environment at its old path."""
    destination: Destination
    operations: tuple[Operation, ...]
    changed: tuple[str, ...]
    """Files and links whose content changes."""
    unchanged_mentions: tuple[str, ...]
    """Files that will still name the old path."""
    external_references: tuple[str, ...]
    """External references to the old path, which are not changed."""
    outdated_records: tuple[str, ...]
    """Messages about files outside that no longer describe what is in the environment."""
    identity: Identity | None
    """That of the environment's directory when it was read (see `fs.locks.identity_of`)."""

    @property
    def source(self) -> str:
        return self.info.environment.location


def plan_move(path: str, to: str, action: Action, session: Session) -> MovePlan:
    """Decide how to move or copy an environment.

    :raises DestinationError: there is no environment at `path`, or it cannot be moved to `to`.
    """
    host = session.host
    source = absolute_path(path, host)
    if os.path.islink(source):
        real = os.path.realpath(source)
        raise DestinationError(
            f"`{source}` is a symbolic link to `{real}`",
            hint=f"move its target: `cloche move {quote_word(real, os.name)} …`",
        )
    identity = identity_of(source)
    destination = inspect_destination(absolute_path(to, host), host)
    refuse_other_encoding(source, destination.location)
    refuse_move(source, destination, action, session)
    info = environment_info(source, session)
    old = spellings([source, *info.recorded_roots])
    relocation = Relocation(tuple((root, destination.location) for root in old))
    overlay = Overlay(source)
    moved = replace(info.environment, location=destination.location)
    context = relocation_context(info, moved, relocation, os.path.basename(source), session)
    remaining = relocate_tree(overlay, context, files_to_relocate(info.tree, info.distributions, info.settings))
    overlay.update_checksums(destination.location)
    linked = external_references.linked_distributions(info)
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
        unchanged_mentions=tuple(remaining),
        external_references=tuple(external_references.find_external_references([source], [source], host, linked))
        if action == "move"
        else (),
        outdated_records=tuple(external_references.outdated_records(linked, overlay.changed)),
        identity=identity,
    )


def refuse_move(source: str, destination: Destination, action: Action, session: Session) -> None:
    """Refuse a source that cannot be moved, and a destination that cannot be used.

    :raises DestinationError: it is refused.
    """
    if destination.state not in ("absent", "empty"):
        raise DestinationError(
            f"`{destination.location}` already exists", hint="choose a path that does not exist, or an empty directory"
        )
    if any(character in destination.location and character not in source for character in "\r\n"):
        raise DestinationError(
            f"`{destination.location}` contains a line break, and scripts name the environment on one line",
            hint="choose a path without it",
        )
    if contains_path(source, destination.target):
        raise DestinationError(
            f"`{destination.location}` is inside `{source}`", hint="choose a path outside the environment"
        )
    if action == "copy":
        return
    if is_mount_point(source):
        raise DestinationError(f"`{source}` is a mount point and cannot be moved", hint="`--copy` copies its content")
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
    """Move or copy an environment as planned; return it at its new path.

    :raises ClocheError: an operation failed, or the environment does not work at the new path; nothing was changed.
    """
    moved: list[Environment] = []

    def verify() -> None:
        try:
            moved.append(verify_move(plan, session))
        except ClocheError as error:
            raise ClocheError(
                f"`{plan.source}` would not work at its new path: {error.message}; it was not moved",
                hint=error.hint,
            ) from error

    with DirectoryLock(plan.source, plan.identity):
        try:
            left = apply(
                plan.operations,
                plan.destination.target,
                "merge" if plan.destination.immovable else "new",
                verify,
                moved_from=plan.source if plan.action == "move" else "",
            )
        except DestinationChanged:
            raise DestinationError(
                f"another process has changed `{plan.destination.location}`", hint="choose another path"
            ) from None
    session.warn(left)
    if is_environment_recorded(session.store, plan.source):
        record_links(session.store, plan.destination.location)
    session.notify_moved(moved[0], plan.source)
    return moved[0]


def verify_move(plan: MovePlan, session: Session) -> Environment:
    """Verify a moved environment, and return it at its new path.

    :raises ClocheError: something that worked at the old path does not work at the new path.
    :raises NotTakenOver: something does not work, and the old environment is no longer there to compare.
    """
    host = session.host
    modules = modules_of(plan.info.distributions)
    environment = read_environment(plan.destination.location, host, session.probes)
    with started_python(environment, host) as python:  # the shells run beside it
        failing = failing_activations(environment, host)
        after = python.finish(modules)
    refuse_new_damage(environment, lambda: examine(environment_before(plan), host, modules), after)
    if failing:
        failing_before = failing_activations(environment_before(plan), host)
        for script in failing:
            if script not in failing_before:
                raise ClocheError(f"the activation script {script} does not activate `{environment.location}`")
    return environment


def environment_before(plan: MovePlan) -> Environment:
    """Return the environment at its old path.

    :raises NotTakenOver: it is no longer there.
    """
    if not os.path.isdir(plan.source):
        raise NotTakenOver
    return plan.info.environment
