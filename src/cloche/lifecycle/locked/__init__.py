"""Environments with the packages of a lock file: whether one is up to date, and the plan that updates it.

An up-to-date environment is only read, and each of its files is checked only if something has changed since the last time.
Otherwise `update` plans a new tree, which also contains every file of the old one that belongs to no package: notes, Jupyter
kernels, edited activation scripts.
"""

from __future__ import annotations

import os

from cloche.apply.file_list import DamagedImage
from cloche.apply.staging import recover_destination, staging_directories, stem_beside, sweep_slots
from cloche.fs import list_names, read_at_most
from cloche.fs.manifests import MANIFEST, parse_manifest, read_manifest, sha256_of
from cloche.lifecycle.locked.up_to_date import known_differences, record_up_to_date, recorded_answer, signatures_of
from cloche.model import VERSION
from cloche.model.distribution import METADATA_SUFFIXES
from cloche.model.operations import Copy, Link, MakeDir, Write
from cloche.model.plan import Plan
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.destination import find_python_mismatch, inspect_destination, refuse_other_kind
from cloche.planning.plan_at import collect_scripts, environment_of, plan_at
from cloche.planning.pyvenv_cfg import ADDED_KEY, RECORD_KEYS, settings_for
from cloche.plugins import is_built_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.fs.signatures import Signature
    from cloche.lifecycle.locked.up_to_date import Answer
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host
    from cloche.model.package_change import PackageChange
    from cloche.model.plan import Blueprint, Target
    from cloche.planning.destination import Destination
    from cloche.planning.plan_cache import PlanCache
    from cloche.session import Session

UNCOMPARED = frozenset((*RECORD_KEYS, "cloche"))
"""The settings in `pyvenv.cfg` that may differ in an environment that is up to date."""


def remove_leftovers(destination: str) -> None:
    """Undo and remove what a killed run left at a destination: an environment that is up to date is never staged again."""
    target = os.path.realpath(destination)
    if staging_directories(target):
        sweep_slots(stem_beside(target))
        recover_destination(target)


def plan_locked(blueprint: Blueprint, target: Target, session: Session) -> Plan:
    """Return the plan that creates an environment from a lock file, or that updates the existing one.

    :raises ClocheError: any refusal.
    """
    if plan := plan_unless_outdated(blueprint, target, session):
        return plan
    check_stored_images(blueprint)
    from cloche.lifecycle.locked.update import plan_update

    return plan_update(blueprint, target, inspect_destination(target.destination, session.host), session)


def plan_unless_outdated(blueprint: Blueprint, target: Target, session: Session) -> Plan | None:
    """Return the plan that creates an environment from a lock file, or that changes nothing; None if one has to be updated.

    :raises ClocheError: any refusal.
    """
    destination = inspect_destination(target.destination, session.host)
    if destination.state != "environment" or target.existing != "keep":
        check_stored_images(blueprint)
        plan = plan_at(blueprint, target, session.host)
        return replace(plan, changes=tuple(added(blueprint.images)))
    if find_python_mismatch(destination, blueprint.interpreter, blueprint.layout):
        return plan_at(blueprint, target, session.host)  # refuses it
    refuse_other_kind(blueprint, destination)
    return plan_if_up_to_date(blueprint, target, destination, session)


def check_stored_images(blueprint: Blueprint) -> None:
    """Check that the store still has the images of a blueprint, which may be a cached one, before they are used.

    :raises DamagedImage: it has lost one, so the spec has to be resolved again.
    """
    from cloche.store.check import check_own_files

    for image in blueprint.all_images:
        if image.root and (reason := check_own_files(image.root)):
            raise DamagedImage(f"`{image.root}` is damaged: {reason}")


def added(images: Iterable[Image]) -> Iterable[PackageChange]:
    """Return the changes of a new environment."""
    from cloche.model.package_change import PackageChange

    return (PackageChange(image.distribution, "", image.version) for image in images)


def plan_if_up_to_date(blueprint: Blueprint, target: Target, destination: Destination, session: Session) -> Plan | None:
    """Return the plan that changes nothing, if an environment is what the request asks for; otherwise None.

    :raises DamagedImage: the store has lost an image that the environment has to be compared with.
    """
    host, cache, root = session.host, session.plan_cache, destination.target
    environment = environment_of(blueprint, destination.location, target, host)
    if not (has_settings(destination, blueprint, target, environment, host) and has_entries(root, blueprint)):
        return None
    about_scripts = (environment.location, environment.prompt, blueprint.interpreter, blueprint.activators)
    question = repr((VERSION, target.extra_packages, about_scripts, [*map(question_about, blueprint.images)]))
    recorded = recorded_answer(root, question, cache)
    answer = recorded if recorded and all(is_built_in(activator.source) for activator in blueprint.activators) else None
    own_scripts, activators, left_out = answer = answer or scripts_of(blueprint, environment)
    if not all(os.path.exists(os.path.join(root, path)) for path in own_scripts):
        return None
    if recorded != answer:
        check_stored_images(blueprint)
        here = replace(environment, location=root)
        signatures = compare_packages(here, blueprint, target, {*own_scripts}, cache)
        if signatures is None:
            return None
        record_up_to_date(root, question, answer, signatures, cache)
    return Plan(
        environment=environment,
        target=root,
        strategy="nothing",
        outcome="up to date",
        operations=(),
        creator=blueprint.creator,
        seeder=blueprint.seeder,
        images=blueprint.images,
        activators=tuple(activators),
        link_mode=target.link_mode,
        chosen_because=blueprint.chosen_because,
        notes=tuple(left_out),
    )


def has_settings(
    destination: Destination, blueprint: Blueprint, target: Target, environment: Environment, host: Host
) -> bool:
    """Return whether the `pyvenv.cfg` of an environment says what it would say if it were created now."""
    settings = settings_for(target, blueprint, environment, host, added_to_directory=ADDED_KEY in destination.settings)
    return all(destination.settings.get(key) == text for key, text in settings.items() if key not in UNCOMPARED)


def has_entries(root: str, blueprint: Blueprint) -> bool:
    """Return whether an environment has the files, directories and links of a blueprint."""
    operations = blueprint.operations
    paths = (operation.path for operation in operations if isinstance(operation, (Copy, MakeDir, Write)))
    copies = (operation.path for operation in operations if isinstance(operation, Copy))
    return (
        all(leads_to_target(root, operation) for operation in operations if isinstance(operation, Link))
        and not any(os.path.islink(os.path.join(root, path)) for path in copies)  # they were not created by `copy`
        and all(os.path.exists(os.path.join(root, path)) for path in paths)
    )


def compare_packages(
    here: Environment, blueprint: Blueprint, target: Target, own_scripts: set[str], cache: PlanCache
) -> dict[str, Signature] | None:
    """Return the signatures of what changes with the packages, by path; None if they are not as they should be.

    :param own_scripts: the paths of activation scripts, which users may edit.
    """
    from cloche.store.installed_images import find_damage

    names = {image.distribution for image in blueprint.images}
    if not names.isdisjoint(known_differences(here.location, cache).values()):
        return None
    if not has_wanted_packages(here, blueprint, target):
        return None
    try:
        watched = watched_paths(here, blueprint.images, own_scripts)
        signatures = signatures_of(here.location, watched)  # before the comparison, during which something may change
        is_intact = generated_files_are_intact(here.location, own_scripts) and not any(
            find_damage(image, here) for image in blueprint.images
        )
    except (OSError, ValueError):
        return None
    return dict(zip(watched, signatures, strict=True)) if is_intact else None


def leads_to_target(root: str, link: Link) -> bool:
    """Return whether a link leads to its target; where links are not supported, there may be a file instead."""
    path = os.path.join(root, link.path)
    try:
        found = os.stat(path)
        return not os.path.islink(path) or os.path.samestat(
            found, os.stat(os.path.join(os.path.dirname(path), link.target))
        )
    except OSError:
        return False


def scripts_of(blueprint: Blueprint, environment: Environment) -> Answer:
    """Return the paths of the activation scripts, the names of the activators, and why others were left out."""
    scripts, activators, left_out = collect_scripts(blueprint.activators, environment, blueprint.interpreter)
    return [f"{blueprint.layout.bin}/{script.name}" for script in scripts], activators, left_out


def question_about(image: Image) -> tuple[object, ...]:
    """Return everything about an image that decides whether an environment has it."""
    return image.root, image.dist_info, image.left_out, image.metadata


def has_wanted_packages(environment: Environment, blueprint: Blueprint, target: Target) -> bool:
    """Return whether an environment has the metadata of the packages that it should have, and no others."""
    wanted = {image.dist_info for image in blueprint.images}
    installed = {
        name
        for site in {environment.layout.purelib, environment.layout.platlib}
        for name in list_names(environment.path_to(site))
        if name.endswith(METADATA_SUFFIXES)
    }
    return wanted <= installed if target.extra_packages == "kept" else wanted == installed


def watched_paths(environment: Environment, images: Iterable[Image], editable: set[str]) -> list[str]:
    """Return the paths whose signatures show that the packages or the generated files may have changed.

    :param editable: the paths of activation scripts, which users may edit.
    :raises OSError, ValueError: an image was removed or damaged, or a file is missing.
    """
    from cloche.store.installed_images import changeable_paths

    sites = {environment.layout.purelib, environment.layout.platlib}
    generated = manifest_of(environment.location).keys() - editable
    return sorted({MANIFEST, *sites, *generated, *changeable_paths(images, environment)})


def manifest_of(root: str) -> dict[str, str]:
    """Return the hashes of the files that cloche generated for packages, and of activation scripts.

    `pyvenv.cfg` is compared by its settings; users may edit `.gitignore`.
    """
    return {path: digest for path, digest in parse_manifest(read_manifest(root)).items() if "/" in path}


def generated_files_are_intact(root: str, editable: set[str]) -> bool:
    """Return whether every file that cloche generated for a package exists and is unmodified.

    :param editable: the paths of activation scripts, which users may edit.
    """
    if not os.path.isfile(os.path.join(root, MANIFEST)):
        return False
    for path, digest in manifest_of(root).items():
        if path in editable:
            continue
        generated = read_at_most(os.path.join(root, path), 1 << 26)
        if generated is None or sha256_of(generated) != digest:
            return False
    return True
