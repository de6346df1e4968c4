"""Rebuild an environment for a Python of another ABI, with the distributions that are installed in it.

A complete environment is created beside the old one, verified, and exchanged with it in one step. Losses are known before
the exchange.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from cloche.apply import apply, rehearse
from cloche.apply.file_list import DamagedImage
from cloche.errors import ClocheError
from cloche.fs.case import key_in
from cloche.fs.locks import DirectoryLock
from cloche.lifecycle.create import blueprint_for
from cloche.lifecycle.editable_modules import modules_of_editables
from cloche.lifecycle.examination import examine, modules_of
from cloche.lifecycle.installed import installed_distributions
from cloche.lifecycle.installed_startup_code import refuse_distributions, startup_code_in
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.reader import copied_links
from cloche.lifecycle.recorded_command import (
    recorded_compile_policy,
    recorded_find_links,
    recorded_link_mode,
    seeds_like,
)
from cloche.lifecycle.upgrade.carried_files import carry_operations
from cloche.lifecycle.upgrade.losses import broken_editables, missing_packages, refuse_losses, unmet_after
from cloche.lifecycle.upgrade.plan import UpgradeResult
from cloche.lifecycle.upgrade.staged_environment import (
    all_kept,
    kept_directories,
    path_mapping_for,
    relocatable_files,
    rewrite_staged_paths,
)
from cloche.lifecycle.upgrade.successors import find_successors, installed_like
from cloche.lifecycle.upgrade.verification import import_key_for, started_rebuilt, verify_rebuilt
from cloche.model.operations import MakeDir, Remove, Write
from cloche.model.plan import EnvironmentSpec, Request, Target
from cloche.model.value import Value, replace
from cloche.planning.clearing import plan_replacement, refuse_running_cloche
from cloche.planning.destination import describes_environment, inspect_destination, read_settings
from cloche.planning.kept_options import gets_gitignore
from cloche.planning.plan_at import plan_at
from cloche.planning.pyvenv_cfg import portable_options, sees_system_packages, settings_of_others
from cloche.store.installation import image_operations
from cloche.store.links import record_links
from cloche.store.recorded_successors import record_import
from cloche.store.startup_code import refuse_startup_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.upgrade.losses import Losses
    from cloche.lifecycle.upgrade.plan import UpgradePlan
    from cloche.lifecycle.upgrade.successors import Successors
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.model.plan import Blueprint, Plan, Wanted
    from cloche.session import Session
    from cloche.store.images.lookup import Checked


ACTION = "an upgrade to another Python"
"""What replaces the environment, for messages."""


def rebuild(upgrade: UpgradePlan, session: Session, *, losses: Losses = "refused") -> UpgradeResult:
    """Create a new environment beside the old one, and exchange them.

    :raises ClocheError: a package cannot be kept and losses are not allowed, or the new environment does not work, or
        cloche itself runs from the old one; nothing was changed.
    """

    def exchange(new: NewEnvironment) -> None:
        plan = new.plan
        warnings = apply(
            new.operations, plan.target, plan.strategy, new.verify, link_mode=new.link_mode, complete=new.complete
        )
        session.warn(warnings)
        if new.link_mode == "symlink" and new.all_images:
            record_links(session.store, upgrade.location)

    return with_new_environment(exchange, upgrade, session, losses)


def rehearse_rebuild(upgrade: UpgradePlan, session: Session) -> UpgradeResult:
    """Create a new environment, verify and discard it; return the result that `rebuild` would have.

    :raises ClocheError: as for `rebuild`, but losses are only listed in the result.
    """

    def discard(new: NewEnvironment) -> None:
        rehearse(new.operations, new.plan.target, new.plan.strategy, new.complete, link_mode=new.link_mode)

    return with_new_environment(discard, upgrade, session, "allowed")


def with_new_environment(
    finish: Callable[[NewEnvironment], None], upgrade: UpgradePlan, session: Session, losses: Losses
) -> UpgradeResult:
    """Build a new environment and call a function that does something with it; start again if an image is damaged."""

    def attempt(checked: Checked) -> UpgradeResult:
        content = choose_content(upgrade, session, losses, checked)
        with DirectoryLock(upgrade.location, upgrade.case.identity):
            new = NewEnvironment(upgrade, content, session, losses)
            finish(new)
        session.store.mark_installed(new.images)
        return UpgradeResult(new.plan.environment, tuple(new.lost), notes=content.notes)

    try:
        return attempt("lists")
    except DamagedImage:
        return attempt("all")


class Content(Value):
    """What a new environment is going to contain."""

    request: Request
    blueprint: Blueprint
    successors: Successors
    notes: tuple[str, ...]
    """Messages about what it is not going to contain."""


def choose_content(upgrade: UpgradePlan, session: Session, losses: Losses, checked: Checked) -> Content:
    """Choose what the new environment is going to contain.

    :param checked: which files of images are checked; a damaged image is built again.
    :raises ClocheError: a package cannot be kept and losses are not allowed, or cloche itself runs from the old environment.
    """
    inventory = upgrade.inventory
    assert inventory is not None
    refuse_running_cloche(upgrade.location, session.host, ACTION)
    request = request_for_upgrade(upgrade, session)
    refuse_losses(inventory.losses, losses)
    blueprint = blueprint_for(request.spec, session).blueprint
    notes = tuple(activator_notes(upgrade, session))
    successors = find_successors(
        inventory,
        upgrade.roots,
        upgrade.interpreter,
        session,
        losses=losses,
        checked=checked,
        policy=recorded_compile_policy(upgrade.info.settings),
        find_links=recorded_find_links(upgrade.info.settings),
    )
    policy, allowed = request.spec.startup_rule
    if policy == "refuse":
        rebuilt = {item.metadata for item in inventory.reinstalled}
        added = [image for metadata, image in successors.images.items() if metadata in rebuilt]
        refuse_startup_code(added, allowed)
    return Content(request, blueprint, successors, notes)


class NewEnvironment:
    """The environment that replaces the old one: its operations, and the steps of its transaction."""

    def __init__(self, upgrade: UpgradePlan, content: Content, session: Session, losses: Losses) -> None:
        """Plan the environment, while the directory of the old one is locked."""
        assert upgrade.inventory is not None
        self.upgrade = upgrade
        self.content = content
        self.session = session
        self.losses = losses
        self.lost = [*upgrade.inventory.losses, *content.successors.losses]
        """The losses that are known so far."""
        target = content.request.target
        destination = inspect_destination(target.destination, session.host)
        replaced = plan_replacement(destination, target.existing, upgrade.interpreter, session.host, ACTION)
        self.plan = plan_at(content.blueprint, target, session.host, replaced=replaced)
        self.images = images_for(content.successors, content.blueprint, upgrade, session)
        self.link_mode = session.link_mode(self.plan.link_mode, [image.root for image in self.all_images])
        self._packages = [
            operation for image in self.images for operation in image_operations(image, self.plan.environment)
        ]
        self._created = new_operations(upgrade, self.plan)
        self._carried = carried_operations(upgrade, content.successors, self.plan)

    @property
    def all_images(self) -> tuple[Image, ...]:
        """The images of the packages, of the seeds and of the runtime."""
        return (*self.images, *self.content.blueprint.all_images)

    @property
    def operations(self) -> list[Operation]:
        links = [path for path, _ in copied_links(self.upgrade.info.environment)]
        return [*map(Remove, links), *self._created, *self._packages, *self._carried]

    def complete(self, staged: str) -> list[Operation]:
        """Complete and verify the environment in a staging tree; return the operations for what its directories keep.

        :raises ClocheError: a package is lost and losses are not allowed, or the environment does not work.
        """
        plan, upgrade, session = self.plan, self.upgrade, self.session
        found = self._complete_packages(staged)
        known = import_key_for(
            upgrade, (*self.content.blueprint.images, *self.images), self.content.successors, found, session
        )
        with started_rebuilt(plan.environment, staged, known, session) as python:
            kept = kept_directories(upgrade, staged, plan)  # while Python starts
            editables = modules_of_editables(found, Overlay(staged))
            after = python.finish(modules_of(found), editable={name for names in editables.values() for name in names})
        assert upgrade.inventory is not None
        self.lost += missing_packages(upgrade.inventory, found, self.lost)
        self.lost += unmet_after(upgrade, found, after)
        self.lost += broken_editables(upgrade, found, editables, after)
        refuse_losses(self.lost, self.losses)
        verify_rebuilt(plan.environment, staged, after, found, upgrade, session)
        if known and not (after.unresolvable or after.seed):
            record_import(known, session.store)
        return kept

    def _complete_packages(self, staged: str) -> list[InstalledDistribution]:
        """Install with pip what no image contains, and rewrite the paths in all packages; return the distributions."""
        plan, upgrade, successors = self.plan, self.upgrade, self.content.successors
        if successors.installed:
            from cloche.lifecycle.upgrade.pip_requests import install_with_pip

            links = recorded_find_links(upgrade.info.settings)
            self.lost += install_with_pip(
                successors.installed, staged, plan, self.session, losses=self.losses, find_links=links
            )
        here = replace(plan.environment, location=staged)
        written = {posixpath.dirname(path) for path in written_metadata(self._packages)}
        others = installed_distributions(here, written)
        self._refuse_startup_code(here, others)
        config = plan.environment.layout.config
        files = None if successors.installed else relocatable_files(staged, self._created, self._carried, config)
        overlay = rewrite_staged_paths(upgrade, staged, plan, others, successors, files, self.session)
        self.session.warn(overlay.apply())
        from_images = {image.distribution for image in self.images}
        return [*others, *(item for item in all_kept(upgrade) if item.key in from_images)]

    def _refuse_startup_code(self, here: Environment, distributions: Iterable[InstalledDistribution]) -> None:
        """Refuse packages that pip has installed and that have startup code, if the user refuses such packages.

        :raises StartupCodeRefused: there is one.
        """
        policy, allowed = self.content.request.spec.startup_rule
        if policy == "refuse":
            names = {distribution.key for distribution in self.content.successors.installed}
            added = [distribution for distribution in distributions if distribution.key in names]
            refuse_distributions(startup_code_in(here, added, self.upgrade.interpreter.version), allowed)

    def verify(self) -> None:
        """Verify the environment at its final path. Kept scripts are unchanged there, and others are as `create` writes them.

        :raises ClocheError: it does not work.
        """
        environment = self.plan.environment
        after = examine(environment, self.session.host, seed=False)
        verify_rebuilt(environment, environment.location, after, (), self.upgrade, self.session)


def request_for_upgrade(upgrade: UpgradePlan, session: Session) -> Request:
    """Return the request for an environment with the same options as the old one, for the new Python."""
    info = upgrade.info
    environment, settings = info.environment, info.settings
    executable = environment.path_to(environment.layout.executable)
    is_copied = os.path.isfile(executable) and not os.path.islink(executable)
    shells = {info.shells[name.lower()].name for name in info.activators}
    offered = {component.name for component in session.registry.all("activator")}
    has_all = shells and not usable_activators(sorted(offered - shells), upgrade.interpreter, session)
    spec = EnvironmentSpec(
        pythons=(upgrade.interpreter.executable,),
        creator="portable" if info.is_portable else "copy" if is_copied and environment.os_name != "nt" else None,
        wanted=upgrade.locked or wanted_seeds(upgrade),
        activators=None if has_all else usable_activators(sorted(shells & offered), upgrade.interpreter, session),
        site_packages="system" if sees_system_packages(settings) else "isolated",
        options=portable_options(settings),
        startup_rule=upgrade.rule,
    )
    is_described = describes_environment(read_settings(environment.location))  # else `pyvenv.cfg` was lost
    target = Target(
        destination=environment.location,
        existing="replace" if is_described else "replace-anything",
        prompt=environment.prompt if environment.naming == "chosen" else None,
        placement=environment.placement,
        vcs_ignore=gets_gitignore(settings, environment.location),
        link_mode=recorded_link_mode(settings),
        extra_settings=settings_of_others(settings),
    )
    return Request(spec, target)


def wanted_seeds(upgrade: UpgradePlan) -> Wanted | None:
    """Return the request for the new seeds of an environment; None if it gets none."""
    return seeds_like(upgrade.info.settings, upgrade.seeds) if upgrade.seeds else None


def activator_notes(upgrade: UpgradePlan, session: Session) -> Iterator[str]:
    """Yield a note for each activation script that the new environment lacks, because its activator is not installed."""
    offered = {component.name for component in session.registry.all("activator")}
    kept = {os.path.basename(path) for path in upgrade.inventory.kept} if upgrade.inventory else set()
    for name in upgrade.info.activators:
        if name not in kept and (shell := upgrade.info.shells[name.lower()].name) not in offered:
            yield f"`{name}` is not in the new environment: activator `{shell}` is not installed"


def usable_activators(names: Sequence[str], interpreter: Interpreter, session: Session) -> tuple[str, ...]:
    """Return the activators, of these names, that can be loaded and accept the interpreter."""
    found = []
    for name in names:
        try:
            if session.registry.find("activator", name).load().refusal(interpreter) is None:
                found.append(name)
        except ClocheError:
            continue
    return tuple(found)


def new_operations(upgrade: UpgradePlan, plan: Plan) -> list[Operation]:
    """Return the operations that create the new environment, without files that are kept from the old one."""
    assert upgrade.inventory is not None
    key_of = key_in(upgrade.location)
    kept = {*map(key_of, upgrade.inventory.kept)}
    return [operation for operation in plan.operations if key_of(getattr(operation, "path", "")) not in kept]


def images_for(successors: Successors, blueprint: Blueprint, upgrade: UpgradePlan, session: Session) -> list[Image]:
    """Return the images to install for the distributions of the old environment, with the metadata that it has for them."""
    seeds, root = blueprint.images, upgrade.location
    return installed_like(successors.images, seeds, all_kept(upgrade), root, upgrade.interpreter, session.store)


def written_metadata(operations: Iterable[Operation]) -> Iterator[str]:
    """Yield the files that these operations write into the metadata of packages."""
    for operation in operations:
        if isinstance(operation, Write) and posixpath.dirname(operation.path).endswith(".dist-info"):
            yield operation.path


def carried_operations(upgrade: UpgradePlan, successors: Successors, plan: Plan) -> list[Operation]:
    """Return the operations for files that are copied, except for paths that the new environment has itself."""
    assert upgrade.inventory is not None
    mapping = path_mapping_for(upgrade, plan)
    key_of = key_in(upgrade.location)
    taken = {
        key_of(operation.path)
        for operation in new_operations(upgrade, plan)
        if hasattr(operation, "path") and not isinstance(operation, MakeDir)
    }
    platform = upgrade.interpreter.platform
    return [
        operation
        for operation in carry_operations(successors.copied, upgrade.inventory, upgrade.info, mapping, platform)
        if isinstance(operation, MakeDir) or key_of(getattr(operation, "path", "")) not in taken
    ]
