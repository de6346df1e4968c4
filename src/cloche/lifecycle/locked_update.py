"""The plan that updates an existing environment to another lock file, or repairs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.apply.file_list import read_file_list
from cloche.apply.staging import NAME_PREFIX, SLOTS
from cloche.fs import list_names, read_at_most
from cloche.fs.checksums import MANIFEST, foreign_files, format_manifest, parse_manifest
from cloche.lifecycle.activation_scripts import shells_by_script
from cloche.lifecycle.embedded_paths import walk_files
from cloche.lifecycle.installed import installed_distributions
from cloche.lifecycle.inventory import kept_files, loose_files
from cloche.lifecycle.reader import read_environment
from cloche.model.operations import CopyTree, InstallTree, MakeDir, Remove, Write
from cloche.model.plan import PackageChange
from cloche.model.value import replace
from cloche.planning.clearing import OWN_DIRECTORIES, find_marker, refuse_unreadable
from cloche.planning.destination import is_relocatable, refuse_running_cloche
from cloche.planning.plan_at import plan_at
from cloche.planning.pyvenv_cfg import ADDED_KEY
from cloche.store.bytecode import bytecode_path
from cloche.store.installation import find_damage, image_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.model.operations import Operation
    from cloche.model.plan import Blueprint, Plan, Target
    from cloche.planning.destination import Destination
    from cloche.session import Session

USER_FILES = (".gitignore", "CACHEDIR.TAG")
"""Files that cloche writes into a new environment, and keeps in an existing one."""


def plan_update(blueprint: Blueprint, target: Target, destination: Destination, session: Session) -> Plan:
    """Return the plan that gives an existing environment exactly the packages of a blueprint.

    A new tree replaces the environment. If its directory cannot be replaced, or is also used for something else, only what
    differs is replaced, step by step.

    :raises DestinationError: cloche itself runs from the environment.
    """
    refuse_running_cloche(destination.location, session.host, "an update from a lock file")
    old = read_environment(destination.location, session.host, session.probes)
    installed = installed_distributions(old)
    wanted = {image.distribution for image in blueprint.images}
    kept = [item for item in installed if target.extra_packages == "kept" and item.key not in wanted]
    dropped = [item for item in installed if item not in kept]
    shells = shells_by_script(list_names(old.path_to(old.layout.bin)), old, session)
    edited = kept_files(old, shells)
    if is_relocatable(destination.settings):
        target = replace(target, placement="relocatable")
    if destination.immovable or is_in_use(destination, session):
        plan = plan_merge(blueprint, target, destination, old, dropped, kept, edited, session)
    else:
        loose = {*loose_files(destination.target, old.layout, shells, dropped)}
        owned = {path for item in kept for path in files_of(item, destination.target, old)}
        plan = plan_exchange(blueprint, target, destination, loose | owned, edited, session)
    changes = tuple(package_changes(dropped, blueprint.images))
    return replace(plan, changes=changes, outcome="updated" if changes else "repaired", images=blueprint.images)


def is_in_use(destination: Destination, session: Session) -> bool:
    """Return whether the directory of an environment is also used for something else, such as a project or a checkout."""
    skipped = OWN_DIRECTORIES[session.host.os_name]
    return ADDED_KEY in destination.settings or bool(find_marker(destination.target, skipped=skipped))


def package_changes(dropped: Iterable[InstalledDistribution], images: Iterable[Image]) -> Iterator[PackageChange]:
    """Yield the differences between the distributions that are replaced and those that replace them, sorted by name."""
    before = {item.key: item for item in dropped}
    after = {image.distribution: image for image in images}
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None or old.version != new.version:
            yield PackageChange(
                name,
                old.version if old else "",
                new.version if new else "",
                old.installer if old and not new else "",
            )


# A new tree that replaces the old one


def plan_exchange(
    blueprint: Blueprint,
    target: Target,
    destination: Destination,
    kept: AbstractSet[str],
    edited: Sequence[str],
    session: Session,
) -> Plan:
    """Return the plan that replaces an environment with a new tree, which also contains the kept files of the old one.

    A kept file stays the same file, by a hard link, so that a program that has it open goes on writing to it.
    """
    root = destination.target
    plan = plan_at(blueprint, replace(target, existing="replace-anything"), session.host)
    files, directories = written_paths(plan.operations)
    theirs = {*edited, *(name for name in USER_FILES if os.path.lexists(os.path.join(root, name)))}
    kept = {path for path in kept if path not in files and path not in directories} | theirs
    staging = (f"{NAME_PREFIX}{number}" for number in range(SLOTS))
    copied = CopyTree(root, (*paths_without(root, kept), *staging), "hardlink")
    created = [operation for operation in plan.operations if getattr(operation, "path", "") not in theirs]
    return replace(plan, operations=(copied, *created))


def written_paths(operations: Iterable[Operation]) -> tuple[set[str], set[str]]:
    """Return the files and the directories that operations create."""
    files: set[str] = set()
    directories: set[str] = set()
    for operation in operations:
        if isinstance(operation, InstallTree):
            prefix = "" if operation.path == "." else f"{operation.path}/"
            listed = read_file_list(operation.file_list)
            files |= {f"{prefix}{path}" for path in listed.paths}
            directories |= {f"{prefix}{path}" for path in listed.directories}
        elif isinstance(operation, MakeDir):
            directories.add(operation.path)
        else:
            files.add(getattr(operation, "path", ""))
    return files, directories


def paths_without(root: str, kept: AbstractSet[str]) -> list[str]:
    """Return the paths below `root` to leave out so that only these files, and directories without files, remain.

    A directory in which no file remains is left out as a whole: an empty one would be a namespace package.

    :raises DestinationError: a directory cannot be read.
    """
    left_out: list[str] = []

    def visit(below: str) -> bool:
        """Add what is left out below a directory; return whether a file remains."""
        first = len(left_out)
        remains = False
        try:
            with os.scandir(os.path.join(root, below)) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            refuse_unreadable(error)
            return False
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                remains |= visit(path)
            elif path in kept:
                remains = True
            else:
                left_out.append(path)
        if below and not remains and len(left_out) > first:
            del left_out[first:]
            left_out.append(below)
        return remains

    visit("")
    return left_out


# Changes to a directory that stays


def plan_merge(
    blueprint: Blueprint,
    target: Target,
    destination: Destination,
    old: Environment,
    dropped: Iterable[InstalledDistribution],
    kept: Iterable[InstalledDistribution],
    edited: Sequence[str],
    session: Session,
) -> Plan:
    """Return the plan that replaces only what differs in an environment whose directory has to stay."""
    root = destination.target
    planned = plan_at(blueprint, target, session.host, {image.distribution for image in blueprint.images})
    here = replace(planned.environment, location=root)
    versions = {item.key: item for item in dropped}
    intact = {
        image.distribution
        for image in blueprint.images
        if image.distribution in versions and is_intact(image, planned.environment, here)
    }
    plan = plan_at(blueprint, target, session.host, intact)
    removed = {path for item in dropped if item.key not in intact for path in files_of(item, root, old)}
    for item in (*kept, *(item for item in dropped if item.key in intact)):
        removed -= files_of(item, root, old)
    everything = {file.path for file in walk_files(root)}
    gone = paths_without(root, everything - removed) if removed else []
    files, _ = written_paths(plan.operations)
    operations: list[Operation] = []
    for operation in plan.operations:
        if isinstance(operation, Write) and operation.path == MANIFEST:
            hashes = parse_manifest(operation.content.decode("utf-8", "surrogateescape"))
            current = {path: digest for path, digest in hashes.items() if path in files or path not in removed}
            foreign = foreign_files(operation.content.decode("utf-8", "surrogateescape"))
            operations.append(replace(operation, content=format_manifest(current, foreign)))
        elif getattr(operation, "path", "") not in edited:
            operations.append(operation)
    return replace(plan, operations=(*(Remove(path) for path in gone), *operations))


def is_intact(image: Image, environment: Environment, here: Environment) -> bool:
    """Return whether an environment has an image exactly as it would be installed."""
    if find_damage(image, here):
        return False
    return all(
        read_at_most(here.path_to(operation.path), len(operation.content) + 1) == operation.content
        for operation in image_operations(image, environment)
        if isinstance(operation, Write)
    )


def files_of(item: InstalledDistribution, root: str, environment: Environment) -> set[str]:
    """Return the existing files of a distribution, with the bytecode of its modules, relative to the root."""
    tag = environment.interpreter.cache_tag if environment.interpreter else ""
    paths = {row.path for row in item.rows if not row.path.startswith(("/", "../"))}
    paths |= {bytecode_path(path, tag) for path in paths if path.endswith(".py")}
    metadata = os.path.join(root, item.metadata)
    if os.path.isdir(metadata):
        paths |= {f"{item.metadata}/{file.path}" for file in walk_files(metadata)}
    else:
        paths.add(item.metadata)
    return {path for path in paths if os.path.lexists(os.path.join(root, path))}
