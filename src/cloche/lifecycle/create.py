"""Create an environment: its blueprint, the plan for its destination, and the transaction that puts it in place."""

from __future__ import annotations

import os
from time import perf_counter

from cloche.apply import DestinationChanged, apply
from cloche.apply.staging import recover_destination
from cloche.errors import ClocheError, DestinationError, human_size
from cloche.lifecycle.cached_blueprints import valid_entry
from cloche.model.plan import Request, Result
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.destination import read_settings
from cloche.planning.plan_at import plan_at
from cloche.planning.plan_cache import consults_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.lifecycle.cached_blueprints import Check, Resolved, Reuse
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Host
    from cloche.model.plan import Blueprint, EnvironmentSpec, Plan, Target
    from cloche.session import Session


def create_environment(request: Request, session: Session) -> tuple[Result, Resolved]:
    """Create an environment, or bring an existing one up to date.

    :raises ClocheError: any refusal or failure; the destination is then unchanged.
    """
    started = perf_counter()
    images: Check = "checked"
    if has_lock_file(request.spec):
        from cloche.lifecycle.locked import remove_leftovers

        remove_leftovers(request.target.destination)
        images = "unchecked"  # an environment that is up to date needs none of them
    request = with_kept_options(request, session.host)
    resolved = blueprint_for(request.spec, session, request.target, reuse=reuse_for(request.spec), images=images)
    try:
        plan, resolved = create_from(resolved, request, session)
    except (ClocheError, OSError) as error:
        if not concerns_images(error, resolved.blueprint.all_images):
            raise
        # an image was damaged or replaced in the meantime
        plan, resolved = create_from(resolve_again(request, session), request, session)
    result = Result(environment=plan.environment, plan=plan, seconds=perf_counter() - started)
    if plan.strategy != "nothing":
        record_use(plan, session)
        if resolved.has_created_hooks:
            session.notify_created(result)
    session.collect_plugin_problems()
    compiled = tuple(sorted(session.store.compiled))
    return replace(result, warnings=tuple(session.warnings), compiled=compiled), resolved


def blueprint_for(
    spec: EnvironmentSpec,
    session: Session,
    target: Target | None = None,
    *,
    reuse: Reuse = "decided",
    images: Check = "checked",
) -> Resolved:
    """Return the blueprint for a spec, from the plan cache if its inputs are unchanged.

    :param target: where the environment is going to be; seeds that are already installed there need no images.
    :param reuse: whether a cached blueprint is also returned if a server chose some of its files.
    :param images: whether it is also returned if the store has lost some of its images.
    :raises ClocheError: any refusal.
    """
    entry = valid_entry(spec, session, reuse, images)
    if entry is not None:
        return entry[0]
    from cloche.lifecycle.resolving import entry_of_other_directory, resolve_spec

    resolved = entry_of_other_directory(spec, session, reuse, images) if consults_project(spec) else None
    return resolved or resolve_spec(spec, session, target)


def with_kept_options(request: Request, host: Host) -> Request:
    """Return a request with the options that the environment at its destination keeps, because the user did not set them.

    An environment that is replaced has only the options of the request.
    """
    settings = read_settings(request.target.destination) if request.target.existing == "keep" else {}
    if not settings:
        return request
    from cloche.planning.kept_options import with_options_from

    return with_options_from(settings, request, host)


def create_from(resolved: Resolved, request: Request, session: Session) -> tuple[Plan, Resolved]:
    """Create the environment of a blueprint; return the applied plan and its blueprint.

    A cached blueprint is resolved again if its packages have to be compiled, or if a server chose some of its files.
    """
    plan = plan_or_recover(resolved.blueprint, request, session)
    if plan is not None and plan.strategy == "nothing":
        return plan, resolved
    if resolved.is_cached:
        images = resolved.blueprint.images if plan is None else plan.images
        if resolved.blueprint.server_choices or needs_compiling(images, request.spec):
            resolved = resolve_again(request, session)
            plan = plan_or_recover(resolved.blueprint, request, session)
    return put_in_place(plan, resolved, request, session)


def plan_environment(request: Request, session: Session) -> tuple[Plan, Resolved]:
    """Return the plan that `create_environment` would apply; nothing is written at or near the destination.

    :raises ClocheError: any refusal.
    """
    request = with_kept_options(request, session.host)
    resolved = blueprint_for(request.spec, session, request.target, reuse=reuse_for(request.spec))
    plan = plan_for(resolved.blueprint, request, session)
    if resolved.is_cached and resolved.blueprint.server_choices and plan.strategy != "nothing":
        from cloche.lifecycle.resolving import resolve_spec

        resolved = resolve_spec(request.spec, session, request.target)
        plan = plan_for(resolved.blueprint, request, session)
    return plan, resolved


def resolve_again(request: Request, session: Session) -> Resolved:
    """Resolve the spec of a request for a run that installs all of its packages, so all of their images are needed."""
    from cloche.lifecycle.resolving import resolve_spec

    return resolve_spec(request.spec, session)


def plan_for(blueprint: Blueprint, request: Request, session: Session) -> Plan:
    """Return the plan that makes the destination of a request the environment that a blueprint describes."""
    if has_lock_file(request.spec):
        from cloche.lifecycle.locked import plan_locked

        return complete_plan(plan_locked(blueprint, request.target, session), blueprint, request, session)
    return complete_plan(plan_at(blueprint, request.target, session.host), blueprint, request, session)


def plan_unless_update(blueprint: Blueprint, request: Request, session: Session) -> Plan | None:
    """Return the plan for a request; None if it updates an environment from a lock file.

    An update is planned only once, under the lock of the environment, because it has to look at everything in it.
    """
    if not has_lock_file(request.spec):
        return plan_for(blueprint, request, session)
    from cloche.lifecycle.locked import plan_unless_outdated

    plan = plan_unless_outdated(blueprint, request.target, session)
    return plan and complete_plan(plan, blueprint, request, session)


def complete_plan(plan: Plan, blueprint: Blueprint, request: Request, session: Session) -> Plan:
    """Return a plan with the link mode that its images allow, after a check that it fits on the disk.

    :raises DestinationError: the copies of its images clearly do not fit on the disk.
    """
    if plan.strategy == "nothing":
        return plan
    link_mode = session.link_mode(
        request.target.link_mode, [image.root for image in blueprint.all_images if image.root]
    )
    plan = plan if plan.link_mode == link_mode else replace(plan, link_mode=link_mode)
    refuse_full_disk(plan, blueprint.all_images)
    return plan


def refuse_full_disk(plan: Plan, images: Sequence[Image]) -> None:
    """Refuse a new tree whose files are copies that clearly do not fit on the disk.

    Links and clones need no space, so nothing is refused if the images are on the same device, unless copies are wanted.

    :raises DestinationError: they do not fit.
    """
    if plan.link_mode == "symlink" or plan.strategy not in ("new", "exchange") or not images:
        return
    parent = os.path.dirname(plan.target)
    try:
        if plan.link_mode != "copy" and os.stat(parent).st_dev == os.stat(images[0].root).st_dev:
            return
    except OSError:  # the parent does not exist yet, or an image was removed
        pass
    from cloche.fs.free_space import device_of, lacking_space
    from cloche.model.operations import InstallTree

    trees = [item for item in plan.operations if isinstance(item, InstallTree) and not item.without]
    try:
        device = None if plan.link_mode == "copy" else device_of(parent)
        needed = sum(tree.size for tree in trees if device_of(tree.source) != device)
    except OSError:
        return
    if (free := lacking_space(parent, needed)) is not None:
        raise DestinationError(
            f"the environment does not fit on the disk: it needs at least {human_size(needed)} in `{parent}`, "
            f"but only {human_size(free)} is free",
            hint="free some space, or choose a directory on another disk",
        )


def plan_or_recover(blueprint: Blueprint, request: Request, session: Session) -> Plan | None:
    """Return `plan_unless_update`; if the destination is refused, first undo what a killed run left."""
    try:
        return plan_unless_update(blueprint, request, session)
    except DestinationError:
        if not recover_destination(os.path.realpath(request.target.destination)):
            raise
        return plan_unless_update(blueprint, request, session)


def put_in_place(plan: Plan | None, resolved: Resolved, request: Request, session: Session) -> tuple[Plan, Resolved]:
    """Apply a plan; return it and its blueprint. If the destination exists, or changes meanwhile, lock it and plan again.

    :param plan: None for an update, which has not been planned yet.
    """
    environ = session.host.environ
    if plan is not None and plan.strategy == "new":
        try:
            session.warn(apply(plan.operations, plan.target, plan.strategy, link_mode=plan.link_mode, environ=environ))
        except DestinationChanged:
            pass  # another run created something there first
        else:
            return plan, resolved
    from cloche.fs.locks import DirectoryLock

    target = os.path.realpath(request.target.destination) if plan is None else plan.target
    with DirectoryLock(target):
        recover_destination(target)
        current = with_kept_options(request, session.host)  # the environment may have been created in the meantime
        if current.spec != request.spec:
            resolved = resolve_again(current, session)
        plan = plan_for(resolved.blueprint, current, session)
        if plan.strategy == "nothing":
            return plan, resolved  # another run has just created the same
        session.announce(announcements(plan))
        try:
            session.warn(apply(plan.operations, plan.target, plan.strategy, link_mode=plan.link_mode, environ=environ))
        except DestinationChanged:
            raise ClocheError(
                f"`{plan.environment.location}` keeps changing while the environment is being created",
                hint="find out which program writes to it, stop it, and try again",
            ) from None
    return plan, resolved


def record_use(plan: Plan, session: Session) -> None:
    """Record in the store that an environment uses its images."""
    session.store.mark_installed(plan.images)
    if plan.link_mode == "symlink" and plan.images:
        from cloche.store.links import record_links

        record_links(session.store, plan.environment.location)


def has_lock_file(spec: EnvironmentSpec) -> bool:
    """Return whether a lock file determines the packages of an environment."""
    return spec.wanted is not None and spec.wanted.lock is not None


def reuse_for(spec: EnvironmentSpec) -> Reuse:
    """Return which cached blueprints tell whether an environment is up to date; `--download` asks the servers again."""
    return "decided" if spec.wanted is not None and spec.wanted.network == "newest" else "any"


def needs_compiling(images: Iterable[Image], spec: EnvironmentSpec) -> bool:
    """Return whether bytecode of the images is missing, and is needed now."""
    is_allowed = spec.wanted is None or spec.wanted.compile != "never"
    return is_allowed and any(image.bytecode == "missing" for image in images)


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
