"""The plan that updates an existing environment to another lock file, or repairs it."""

from __future__ import annotations

import os
from operator import attrgetter
from typing import TYPE_CHECKING

from cloche.apply.file_list import read_file_list
from cloche.apply.staging import NAME_PREFIX, SLOTS
from cloche.fs import list_names, read_at_most
from cloche.fs.manifests import MANIFEST, files_from_other_tools, format_manifest, parse_manifest
from cloche.lifecycle.embedded_paths.activation_scripts import shells_by_script
from cloche.lifecycle.installed import installed_distributions, site_directories
from cloche.lifecycle.locked.changes import package_changes
from cloche.lifecycle.locked.up_to_date import known_differences
from cloche.lifecycle.loose_files import LooseFiles, files_with_edits, manifest_with_kept_files
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.reader import read_environment
from cloche.lifecycle.tree import walk_files
from cloche.model.distribution import METADATA_SUFFIXES
from cloche.model.operations import CopyTree, InstallTree, MakeDir, Remove, Write
from cloche.model.value import replace
from cloche.planning.clearing import OWN_DIRECTORIES, Replacement, find_marker, refuse_running_cloche
from cloche.planning.destination import refuse_unreadable
from cloche.planning.merging import scripts_of_other_tools
from cloche.planning.plan_at import plan_at
from cloche.planning.pyvenv_cfg import ADDED_KEY
from cloche.store.bytecode import bytecode_path
from cloche.store.installation import image_operations
from cloche.store.installed_images import find_damage

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.model.operations import Operation
    from cloche.model.plan import Blueprint, Plan, Target
    from cloche.planning.destination import Destination
    from cloche.session import Session
    from cloche.shells import ShellFamily

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
    shells = shells_by_script(list_names(old.path_to(old.layout.bin)), old, session)
    edited = files_with_edits(old, shells)
    if destination.immovable or is_in_use(destination, session):
        dropped, kept = split_installed(old, blueprint, target)
        plan = plan_merge(blueprint, target, destination, old, dropped, kept, edited, session)
        after: Sequence[Image] = blueprint.images
    else:
        plan, dropped, after = plan_new_tree(blueprint, target, destination, old, shells, edited, session)
    plan = replace(plan, operations=tuple(with_kept_files(plan.operations, edited, old)))
    changes = tuple(package_changes(dropped, after, plan.operations, old))
    return replace(plan, changes=changes, outcome="updated" if changes else "repaired", images=blueprint.images)


def with_kept_files(operations: Sequence[Operation], edited: Sequence[str], old: Environment) -> Iterator[Operation]:
    """Yield operations, with a manifest that also lists the files that another tool wrote and that are kept."""
    overlay = Overlay(old.location)
    written, _ = written_paths(operations)
    scripts = scripts_of_other_tools(old.location, old.layout.bin) if overlay.content(MANIFEST) is None else {}
    kept = {*edited, *scripts, *files_from_other_tools(overlay.text(MANIFEST))} - written
    for operation in operations:
        if isinstance(operation, Write) and operation.path == MANIFEST:
            text = operation.content.decode("utf-8", "surrogateescape")
            existing = sorted(path for path in kept if overlay.content(path) is not None)
            operation = replace(operation, content=manifest_with_kept_files(text, existing, overlay, overlay))
        yield operation


def unchanged_metadata(operations: Iterable[Operation], root: str) -> set[str]:
    """Return the metadata directories of an environment whose RECORD is the one that operations write."""
    return {
        os.path.dirname(operation.path)
        for operation in operations
        if isinstance(operation, Write)
        and operation.path.endswith(".dist-info/RECORD")
        and read_at_most(os.path.join(root, operation.path), len(operation.content) + 1) == operation.content
    }


def intact_operations(
    blueprint: Blueprint,
    environment: Environment,
    destination: Destination,
    unchanged: Container[str],
    session: Session,
) -> set[Operation]:
    """Return the operations that would install what an environment already has: its files are kept instead.

    :param environment: the new environment, which has the same path.
    :param unchanged: the metadata directories whose RECORD would not change.
    """
    here = replace(environment, location=destination.target)
    damaged = {*known_differences(destination.target, session.plan_cache).values()}
    intact: set[Operation] = set()
    for image in blueprint.images:
        sites = {environment.layout.purelib, environment.layout.platlib}
        if image.distribution in damaged or not any(f"{site}/{image.dist_info}" in unchanged for site in sites):
            continue
        operations = image_operations(image, environment)
        if is_installed_as_planned(image, operations, here) and has_bytecode(operations, destination.target):
            intact.update(operations)
    return intact


def has_bytecode(operations: Iterable[Operation], root: str) -> bool:
    """Return whether an environment has the bytecode that operations would install, or what Python wrote in its place."""
    files, _ = written_paths(operations)
    return all(os.path.exists(os.path.join(root, path)) for path in files if path.endswith(".pyc"))


def with_bytecode(paths: Iterable[str], tag: str) -> set[str]:
    """Return paths, together with the paths of bytecode for the modules among them."""
    paths = {*paths}
    return paths | {bytecode_path(path, tag) for path in paths if path.endswith(".py")}


def split_installed(
    old: Environment, blueprint: Blueprint, target: Target, unchanged: Container[str] = ()
) -> tuple[list[InstalledDistribution], list[InstalledDistribution]]:
    """Return the installed distributions that are replaced or removed, and those that are kept.

    :param unchanged: metadata directories of distributions that the new tree contains as they are; they are left out.
    """
    wanted = {image.distribution for image in blueprint.images}
    installed = installed_distributions(old, unchanged, refuse_unreadable)
    kept = [item for item in installed if target.extra_packages == "kept" and item.key not in wanted]
    return [item for item in installed if item not in kept], kept


def nameless_metadata(old: Environment, known: Iterable[InstalledDistribution]) -> Iterator[str]:
    """Yield the paths of metadata that describes none of the known distributions, such as what a killed pip left."""
    described = {item.metadata for item in known}
    for site in site_directories(old.layout):
        for name in list_names(old.path_to(site)):
            path = f"{site}/{name}"
            if name.endswith(METADATA_SUFFIXES) and path not in described:
                yield path


def is_in_use(destination: Destination, session: Session) -> bool:
    """Return whether the directory of an environment is also used for something else, such as a project or a checkout."""
    skipped = OWN_DIRECTORIES[session.host.os_name]
    return ADDED_KEY in destination.settings or bool(find_marker(destination.target, skipped=skipped))


# A new tree that replaces the old one


def plan_new_tree(
    blueprint: Blueprint,
    target: Target,
    destination: Destination,
    old: Environment,
    shells: Mapping[str, ShellFamily],
    edited: Sequence[str],
    session: Session,
) -> tuple[Plan, list[InstalledDistribution], list[Image]]:
    """Return the plan that replaces an environment, the distributions that it removes, and the images that replace them.

    Distributions that are in both are kept: they are not installed again.
    """
    root = destination.target
    plan = plan_at(blueprint, replace(target, existing="replace"), session.host, replaced=Replacement())
    unchanged = unchanged_metadata(plan.operations, root)
    dropped, kept = split_installed(old, blueprint, target, unchanged)
    intact = intact_operations(blueprint, plan.environment, destination, unchanged, session)
    owned = with_bytecode(written_paths(intact)[0], blueprint.interpreter.cache_tag)
    for item in kept:
        owned |= distribution_files(item, root, old)
    remnants = set()
    if target.extra_packages != "kept":
        remnants = {*nameless_metadata(old, (*dropped, *kept))} - unchanged
    replaced = tuple(f"{path}/" for path in (*unchanged, *remnants))
    loose = LooseFiles(root, old.layout, shells, dropped)

    def is_kept(path: str, is_link: bool) -> bool:
        is_replaced = path in remnants or path.startswith(replaced)
        return path in owned or (not is_replaced and loose.has(path, is_link=is_link))

    operations = tuple(operation for operation in plan.operations if operation not in intact)
    plan = plan_exchange(replace(plan, operations=operations), destination, is_kept, remnants, edited)
    sites = (blueprint.layout.purelib, blueprint.layout.platlib)
    names = {path.rpartition("/")[2] for path in unchanged if path.rpartition("/")[0] in sites}
    return plan, dropped, [image for image in blueprint.images if image.dist_info not in names]


def plan_exchange(
    plan: Plan,
    destination: Destination,
    is_kept: Callable[[str, bool], bool],
    remnants: Iterable[str],
    edited: Sequence[str],
) -> Plan:
    """Return a plan for a new environment with the kept files of the one that it replaces.

    A kept file stays the same file, by a hard link or in its directory, so that a program that has it open goes on writing
    to it.

    :param is_kept: decides, by its path and whether it is a link, whether to keep a file that the plan does not create.
    :param remnants: paths of metadata that describes no package, perhaps directories without files.
    """
    root = destination.target
    files, directories = written_paths(plan.operations)
    theirs = {*edited, *(name for name in USER_FILES if os.path.lexists(os.path.join(root, name)))}

    def remains(path: str, entry: os.DirEntry[str]) -> bool:
        """Sockets and pipes do not remain: they belong to a running process."""
        if path not in theirs and (path in files or path in directories):
            return False  # nearly all of them
        is_link = entry.is_symlink()
        if path not in theirs and not is_kept(path, is_link):
            return False
        return is_link or entry.is_file(follow_symlinks=False)

    staging = (f"{NAME_PREFIX}{number}" for number in range(SLOTS))
    copied = CopyTree(root, (*paths_without(root, remains), *remnants, *staging), "hardlink")
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


def paths_without(root: str, remains: Callable[[str, os.DirEntry[str]], bool]) -> list[str]:
    """Return the paths below `root` to leave out so that only these files, and directories without files, remain.

    A directory in which no file remains is left out as a whole: an empty one would be a namespace package.

    :param remains: decides, by its path, whether an entry that is not a directory remains.
    :raises DestinationError: a directory cannot be read.
    """
    left_out: list[str] = []

    def visit(below: str) -> bool:
        """Add what is left out below a directory; return whether a file remains."""
        first = len(left_out)
        any_remains = False
        try:
            with os.scandir(os.path.join(root, below)) as scanned:
                entries = sorted(scanned, key=attrgetter("name"))
        except OSError as error:
            refuse_unreadable(error)
            return False
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                any_remains |= visit(path)
            elif remains(path, entry):
                any_remains = True
            else:
                left_out.append(path)
        if below and not any_remains and len(left_out) > first:
            del left_out[first:]
            left_out.append(below)
        return any_remains

    visit("")
    return left_out


# Changes to a directory that stays


def plan_merge(
    blueprint: Blueprint,
    target: Target,
    destination: Destination,
    old: Environment,
    dropped: Sequence[InstalledDistribution],
    kept: Sequence[InstalledDistribution],
    edited: Sequence[str],
    session: Session,
) -> Plan:
    """Return the plan that replaces only what differs in an environment whose directory has to stay."""
    root = destination.target
    planned = plan_at(blueprint, target, session.host, {image.distribution for image in blueprint.images})
    here = replace(planned.environment, location=root)
    damaged = {*known_differences(root, session.plan_cache).values()}
    versions = {item.key: item for item in dropped if item.key not in damaged}
    intact = {
        image.distribution
        for image in blueprint.images
        if image.distribution in versions
        and is_installed_as_planned(image, image_operations(image, planned.environment), here)
    }
    plan = plan_at(blueprint, target, session.host, intact)
    removed = {path for item in dropped if item.key not in intact for path in distribution_files(item, root, old)}
    for item in (*kept, *(item for item in dropped if item.key in intact)):
        removed -= distribution_files(item, root, old)
    gone = paths_without(root, lambda path, _: path not in removed) if removed else []
    if target.extra_packages != "kept":
        gone += nameless_metadata(old, (*dropped, *kept))
    files, _ = written_paths(plan.operations)
    operations: list[Operation] = []
    for operation in plan.operations:
        if isinstance(operation, Write) and operation.path == MANIFEST:
            hashes = parse_manifest(operation.content.decode("utf-8", "surrogateescape"))
            current = {path: digest for path, digest in hashes.items() if path in files or path not in removed}
            others = files_from_other_tools(operation.content.decode("utf-8", "surrogateescape"))
            operations.append(replace(operation, content=format_manifest(current, others)))
        elif getattr(operation, "path", "") not in edited:
            operations.append(operation)
    return replace(plan, operations=(*(Remove(path) for path in gone), *operations))


def is_installed_as_planned(image: Image, operations: Iterable[Operation], here: Environment) -> bool:
    """Return whether an environment has an image exactly as these operations would install it."""
    if find_damage(image, here):
        return False
    return all(
        read_at_most(here.path_to(operation.path), len(operation.content) + 1) == operation.content
        for operation in operations
        if isinstance(operation, Write)
    )


def distribution_files(item: InstalledDistribution, root: str, environment: Environment) -> set[str]:
    """Return the existing files of a distribution, with the bytecode of its modules, relative to the root."""
    tag = environment.interpreter.cache_tag if environment.interpreter else ""
    paths = with_bytecode((row.path for row in item.rows if not row.path.startswith(("/", "../"))), tag)
    metadata = os.path.join(root, item.metadata)
    if os.path.isdir(metadata):
        paths |= {f"{item.metadata}/{file.path}" for file in walk_files(metadata)}
    else:
        paths.add(item.metadata)
    return {path for path in paths if os.path.lexists(os.path.join(root, path))}
