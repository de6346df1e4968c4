"""Create an environment: its blueprint, the plan for its destination, and the transaction that puts it in place."""

from __future__ import annotations

import os
from time import perf_counter

from cloche.apply import DestinationChanged, apply
from cloche.apply.staging import recover_destination
from cloche.errors import ClocheError, DestinationError
from cloche.fs.locks import DirectoryLock
from cloche.model.plan import Result
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.plan_at import plan_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.model.distribution import Image
    from cloche.model.plan import Blueprint, EnvironmentSpec, Plan, Request
    from cloche.session import Session


def create(request: Request, session: Session) -> Result:
    """Create an environment, or bring an existing one up to date.

    :raises ClocheError: any refusal or failure; the destination is then unchanged.
    """
    started = perf_counter()
    if is_locked(request.spec):
        from cloche.lifecycle.locked import remove_leftovers

        remove_leftovers(request.target.destination)
    blueprint = session.blueprint(request.spec, request.target)
    try:
        plan = plan_or_recover(blueprint, request, session)
        if plan.strategy != "nothing":
            if session.is_cached and needs_compiling(plan, request.spec):
                blueprint = session.resolve(request.spec)
                plan = plan_or_recover(blueprint, request, session)
            plan = put_in_place(plan, blueprint, request, session)
    except (ClocheError, OSError) as error:
        if not concerns_images(error, blueprint.all_images):
            raise
        blueprint = session.resolve(request.spec)  # an image was damaged or replaced in the meantime
        plan = put_in_place(plan_or_recover(blueprint, request, session), blueprint, request, session)
    result = Result(environment=plan.environment, plan=plan, seconds=perf_counter() - started)
    session.activators = blueprint.activators
    if plan.strategy != "nothing":
        record_use(plan, session)
        session.notify_created(result)
    session.observe_plugins()
    return replace(result, warnings=tuple(session.warnings), compiled=tuple(sorted(session.store.compiled)))


def plan(request: Request, session: Session) -> Plan:
    """Return the plan that `create` would apply; nothing is written at or near the destination.

    :raises ClocheError: any refusal.
    """
    return plan_for(session.blueprint(request.spec, request.target), request, session)


def plan_for(blueprint: Blueprint, request: Request, session: Session) -> Plan:
    """Return the plan that makes the destination of a request the environment that a blueprint describes."""
    if is_locked(request.spec):
        from cloche.lifecycle.locked import plan_locked

        plan = plan_locked(blueprint, request.target, session)
    else:
        plan = plan_at(blueprint, request.target, session.host)
    if plan.strategy == "nothing":
        return plan
    link_mode = session.link_mode(request.target.link_mode, blueprint.all_images)
    return plan if plan.link_mode == link_mode else replace(plan, link_mode=link_mode)


def plan_or_recover(blueprint: Blueprint, request: Request, session: Session) -> Plan:
    """Return the plan for a request; if the destination is refused, first undo what a killed run left."""
    try:
        return plan_for(blueprint, request, session)
    except DestinationError:
        if not recover_destination(os.path.realpath(request.target.destination)):
            raise
        return plan_for(blueprint, request, session)


def put_in_place(plan: Plan, blueprint: Blueprint, request: Request, session: Session) -> Plan:
    """Apply a plan; return it. If the destination exists, or changes meanwhile, lock it and plan again."""
    if plan.strategy == "new":
        try:
            apply(plan.operations, plan.target, plan.strategy, link_mode=plan.link_mode)
        except DestinationChanged:
            pass  # another run created something there first
        else:
            return plan
    with DirectoryLock(plan.target):
        recover_destination(plan.target)
        plan = plan_or_recover(blueprint, request, session)
        if plan.strategy == "nothing":
            return plan  # another run has just created the same
        session.announce(announcements(plan))
        try:
            apply(plan.operations, plan.target, plan.strategy, link_mode=plan.link_mode)
        except DestinationChanged:
            raise ClocheError(
                f"`{plan.environment.location}` keeps changing while the environment is created",
                hint="find out which program writes to it, stop it, and try again",
            ) from None
    return plan


def record_use(plan: Plan, session: Session) -> None:
    """Record in the store that an environment uses its images."""
    session.store.mark_installed(plan.images)
    if plan.link_mode == "symlink" and plan.images:
        from cloche.store.links import record_links

        record_links(session.store, plan.environment.location)


def is_locked(spec: EnvironmentSpec) -> bool:
    """Return whether a lock file determines the packages of an environment."""
    return spec.wanted is not None and spec.wanted.lock is not None


def needs_compiling(plan: Plan, spec: EnvironmentSpec) -> bool:
    """Return whether bytecode of the images is missing, and is needed now."""
    is_allowed = spec.wanted is None or spec.wanted.compile != "never"
    return is_allowed and any(image.bytecode == "missing" for image in plan.images)


def concerns_images(error: Exception, images: Iterable[Image]) -> bool:
    """Return whether an error may be due to images that were damaged or replaced after the run chose them."""
    from cloche.apply.file_list import DamagedImage
    from cloche.store.check import check_image

    return isinstance(error, DamagedImage) or any(map(check_image, images))


def announcements(plan: Plan) -> list[str]:
    """Return a message for each package that a plan removes and that cloche did not install."""
    return [
        f"{change.distribution} {change.old} is not in the lock file and is removed"
        + (f"; {change.installer} installed it" if change.installer else "")
        for change in plan.changes
        if not change.new and change.installer != "cloche"
    ]
