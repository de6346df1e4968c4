"""Move an environment, or copy it, with everything inside that names its place.

A whole new tree is made at the destination first, of hard links where there can be some, and proved to work; only then
is the old one taken away. Whatever goes wrong until then, the old one has not been touched.
"""

from __future__ import annotations

import os
import stat
from shlex import quote
from typing import TYPE_CHECKING

from cloche.apply.executor import perform
from cloche.apply.hold import TreeLock
from cloche.apply.transaction import DestinationChanged, Transaction, take_away
from cloche.errors import ClocheError, DestinationError
from cloche.lifecycle import external_references
from cloche.lifecycle.embedded_paths import relocate
from cloche.lifecycle.examination import activations, examine, modules_of, same
from cloche.lifecycle.info import environment_info
from cloche.lifecycle.overlay import Overlay, failure
from cloche.lifecycle.reader import read
from cloche.lifecycle.relocation import Relocation, within
from cloche.lifecycle.repair import recover, writer_for
from cloche.model.operations import CopyTree
from cloche.model.value import replace, value
from cloche.planning.destination import absolute, inspect, is_mount_point, stands_in

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from cloche.lifecycle.examination import Examined
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.model.environment import Environment
    from cloche.model.operations import Operation
    from cloche.planning.destination import Destination
    from cloche.session import Session

    Deed: TypeAlias = Literal["move", "copy"]


@value
class Moving:
    """Every decision about a move, and nothing done."""

    deed: Deed
    portrait: EnvironmentInfo
    destination: Destination
    operations: tuple[Operation, ...]
    changed: tuple[str, ...]
    """Files and links that will be other than they are."""
    residue: tuple[str, ...]
    """Files that will still name the old place."""
    mentions: tuple[str, ...]
    """What outside names it, and is not touched."""

    @property
    def source(self) -> str:
        return self.portrait.environment.location


def plan(path: str, to: str, deed: Deed, session: Session) -> Moving:
    """Decide how an environment gets to a place.

    :raises DestinationError: there is no environment, or the place cannot have one.
    """
    host = session.host
    source = absolute(path, host)
    if os.path.islink(source):
        real = os.path.realpath(source)
        raise DestinationError(
            f"`{source}` is a symbolic link to `{real}`", hint=f"move that: `cloche move {quote(real)} …`"
        )
    recover(source)
    destination = inspect(absolute(to, host), host)
    refuse(source, destination, deed, session)
    portrait = environment_info(source, session)
    old = [source, os.path.realpath(source), *portrait.recorded_roots]
    relocation = Relocation(tuple((root, destination.location) for root in dict.fromkeys(old)))
    draft = Overlay(source)
    moved = replace(portrait.environment, location=destination.location)
    writer = writer_for(portrait, moved, relocation, os.path.basename(source), session)
    residue = relocate(draft, writer)
    draft.seal()
    tree = CopyTree(source, tuple(draft.changed), "hardlink" if deed == "move" else "clone")
    return Moving(
        deed=deed,
        portrait=portrait,
        destination=destination,
        operations=(tree, *draft.operations),
        changed=tuple(draft.changed),
        residue=tuple(residue),
        mentions=tuple(external_references.mentions(source, host)) if deed == "move" else (),
    )


def refuse(source: str, destination: Destination, deed: Deed, session: Session) -> None:
    """:raises DestinationError: the environment cannot leave where it is, or not go there."""
    if destination.state not in ("absent", "empty"):
        raise DestinationError(
            f"`{destination.location}` is there already", hint="name a place where nothing is, or an empty directory"
        )
    if within(os.path.realpath(destination.target), os.path.realpath(source)):
        raise DestinationError(
            f"`{destination.location}` lies in `{source}`", hint="choose a place outside of what is to go there"
        )
    if deed == "copy":
        return
    if is_mount_point(source):
        raise DestinationError(f"`{source}` is a mount point and cannot be moved", hint="`--copy` copies what is in it")
    if os.path.isdir(source) and stands_in(source, session.host):
        raise DestinationError(
            f"the current directory lies in `{source}`, and would be gone", hint="go somewhere else, and try again"
        )
    if os.path.isdir(source) and not os.access(os.path.dirname(source), os.W_OK):
        raise DestinationError(
            f"`{os.path.dirname(source)}` cannot be written, so nothing can be moved out of it",
            hint="`--copy` leaves the original where it is",
        )


def carry_out(moving: Moving, session: Session) -> Environment:
    """Do it; return the environment at its new place.

    :raises ClocheError: it failed, or the environment did not work there; all is as it was.
    """
    host, portrait = session.host, moving.portrait
    modules = modules_of(portrait.distributions)
    before = examine(portrait.environment, host, modules)
    led_here = set(activations(portrait.environment, host))
    target = moving.destination.target

    def prove() -> Environment:
        environment = read(moving.destination.location, host, session.probes)
        refuse_broken(environment, before, examine(environment, host, modules))
        wrong = [script for script in activations(environment, host) if script not in led_here]
        if wrong:
            raise ClocheError(f"the activation script {wrong[0]} does not lead to `{environment.location}`")
        return environment

    with TreeLock(moving.source), Transaction(target, "merge" if moving.destination.fixed else "new") as transaction:
        make(moving, transaction)
        try:
            with transaction.disturbed():
                environment = prove()
            if moving.deed == "move":
                take_away(moving.source)
        except BaseException as error:
            transaction.revert()
            if isinstance(error, OSError):
                raise failure(moving.source, error) from error
            if isinstance(error, ClocheError):
                raise ClocheError(
                    f"`{moving.source}` would not work in its new place: {error.message}",
                    hint=error.hint or "it is where it was, unchanged",
                ) from error
            raise
    return environment


def make(moving: Moving, transaction: Transaction) -> None:
    """Make the whole new tree, all or nothing.

    :raises ClocheError: the system refused, or something else stands there by now.
    """
    try:
        with transaction.disturbed():
            perform(moving.operations, transaction.ground, "auto")
        os.chmod(transaction.ground.root, stat.S_IMODE(os.stat(moving.source).st_mode))
        transaction.commit()
    except DestinationChanged:
        raise DestinationError(
            f"something else has been put at `{moving.destination.location}`", hint="choose another place"
        ) from None
    except OSError as error:
        raise failure(transaction.target, error) from error


def refuse_broken(environment: Environment, before: Examined, after: Examined) -> None:
    """:raises ClocheError: what worked in the old place does not in the new one."""
    if before.failure:
        return
    if after.failure:
        raise ClocheError(f"its Python does not start: {after.failure}")
    if not same(after.prefix, environment.location):
        raise ClocheError(f"its Python takes `{after.prefix}` for its place")
    if lost := sorted(set(after.unresolvable) - set(before.unresolvable)):
        raise ClocheError(f"its scripts cannot import `{lost[0]}`")
    if after.seed and not before.seed:
        raise ClocheError(f"pip does not run: {after.seed}")
