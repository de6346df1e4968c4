"""The edits of an environment that an upgrade has staged beside the old one: its paths, and what it keeps of the old one."""

from __future__ import annotations

import os
import posixpath
import stat
from typing import TYPE_CHECKING

from cloche.fs.manifests import MANIFEST
from cloche.lifecycle.embedded_paths import relocate_tree, retarget_scripts
from cloche.lifecycle.embedded_paths.recorded_roots import environment_of_program, program_of_script
from cloche.lifecycle.loose_files import manifest_with_kept_files
from cloche.lifecycle.overlay import Overlay, parent_directories
from cloche.lifecycle.reader import LIBRARY_NAME
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.recorded_command import relocate_command, with_recorded_packages
from cloche.lifecycle.relocation import Relocation, spellings
from cloche.lifecycle.relocation_context import relocation_context
from cloche.lifecycle.tool_edits import with_edits_of
from cloche.lifecycle.tree import file_with_status
from cloche.lifecycle.upgrade.carried_files import PathMapping
from cloche.model.operations import Copy, CopyTree, Link, MakeDir, Rewrite, Run, SetMode, Write
from cloche.model.value import replace
from cloche.planning.pyvenv_cfg import COMMAND_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.tree import File
    from cloche.lifecycle.upgrade.plan import UpgradePlan
    from cloche.lifecycle.upgrade.successors import Successors
    from cloche.model.operations import Operation
    from cloche.model.plan import Plan
    from cloche.session import Session


def relocatable_files(
    staged: str, created: Iterable[Operation], carried: Iterable[Operation], config: str
) -> Iterable[File] | None:
    """Return the staged files that may contain an embedded path: files of images do not.

    None if all of them may, because a program has written them.

    :param created: the operations that create the environment. What they write is for its future path, except for settings
        of other programs in `pyvenv.cfg`.
    :param carried: those that carry over files of the old environment.
    :param config: the path of `pyvenv.cfg`.
    """
    found = {}
    copied = (item for item in created if not isinstance(item, Write) or item.path == config)
    for operation in (*copied, *carried):
        if isinstance(operation, (Run, CopyTree)):
            return None
        if isinstance(operation, (Copy, Link, Rewrite, Write)):
            status = os.lstat(os.path.join(staged, operation.path))
            if stat.S_ISDIR(status.st_mode):
                return None
            found[operation.path] = file_with_status(operation.path, status)
    return found.values()


def unmark_requested(
    overlay: Overlay, found: Iterable[InstalledDistribution], installed: Iterable[InstalledDistribution]
) -> None:
    """Remove `REQUESTED` (PEP 376) from packages that the user did not request.

    pip writes it for every package that is named on its command line.
    """
    dependencies = {
        distribution.key
        for distribution in installed
        if not distribution.requested and not distribution.metadata.endswith(".egg-link")
    }
    for distribution in found:
        if distribution.key in dependencies:
            overlay.remove(f"{distribution.metadata}/REQUESTED")


def rewrite_staged_paths(
    upgrade: UpgradePlan,
    staged: str,
    plan: Plan,
    found: Sequence[InstalledDistribution],
    successors: Successors,
    files: Iterable[File] | None,
    session: Session,
) -> Overlay:
    """Return the edits that replace embedded paths in a staged environment with its future path and new directories.

    :param found: the distributions in it that are not installed from images.
    :param files: the files that may contain such a path; None for all.
    """
    location, old, new = plan.environment.location, upgrade.info.environment.layout, plan.environment.layout
    roots = [(staged, location)]
    if old.purelib != new.purelib:
        old_roots = spellings([*upgrade.info.recorded_roots, location])
        roots += ((f"{root}/{old.purelib}", f"{location}/{new.purelib}") for root in old_roots)
    roots += upgrade.case.relocation.roots
    overlay = Overlay(staged)
    environment = replace(plan.environment, location=location)
    context = relocation_context(
        upgrade.info, environment, Relocation(tuple(roots)), os.path.basename(location), session
    )
    relocate_tree(overlay, replace(context, generated={}, prompts=None), files)
    names = set(new.names)
    stale = []
    for row in (row for distribution in found for row in distribution.rows):
        if row.path.startswith(f"{new.bin}/"):
            program = program_of_script(overlay, row.path)
            name = os.path.basename(program.replace("\\", "/"))
            is_fixed = environment.placement == "relocatable" and environment_of_program(program, new.bin) == location
            if PYTHON_NAME.fullmatch(name) and (name not in names or is_fixed):
                stale.append(row.path)
    retarget_scripts(overlay, environment, stale, upgrade.interpreter.platform)
    before = Overlay(upgrade.location)
    copied = {distribution.metadata for distribution in successors.copied}
    again = [item for item in all_kept(upgrade) if item.metadata not in copied]
    for row in (row for distribution in again for row in distribution.rows):
        if row.path.startswith(f"{old.bin}/"):  # the script was installed again
            path = path_mapping_for(upgrade, plan).path(row.path)
            if (content := overlay.content(path)) is not None:
                overlay.write(path, with_edits_of(before.content(row.path) or b"", content))
    unmark_requested(overlay, found, successors.installed)
    kept = upgrade.inventory.kept if upgrade.inventory else ()
    overlay.write(MANIFEST, manifest_with_kept_files(overlay.text(MANIFEST), kept, before, overlay))
    config = environment.layout.config
    settings = dict(upgrade.info.settings)
    if COMMAND_KEY in settings:
        settings[COMMAND_KEY] = relocate_command(settings[COMMAND_KEY], upgrade.case.relocation)
    overlay.write_text(config, with_recorded_packages(overlay.text(config), settings, upgrade.seeds))
    overlay.update_checksums(location)
    return overlay


def kept_directories(upgrade: UpgradePlan, staged: str, plan: Plan) -> list[Operation]:
    """Return the operations that keep empty directories, and the permissions of all directories except Python's own.

    A service may write its logs to an empty directory, and permissions may keep other users out.
    """
    mapping, entries = path_mapping_for(upgrade, plan), upgrade.info.tree.entries
    library = mapping.old.purelib.partition("/")[0]
    parents = {path.rpartition("/")[0] for path in entries}
    directories = {".": os.lstat(upgrade.location).st_mode}
    directories |= {path: status.st_mode for path, status in entries.items() if stat.S_ISDIR(status.st_mode)}
    created: list[MakeDir] = []
    modes: list[SetMode] = []
    usual = stat.S_IMODE(os.lstat(os.path.join(staged, *plan.environment.layout.purelib.split("/"))).st_mode)
    for path, mode in sorted(directories.items()):
        if path in parents and stat.S_IMODE(mode) == usual:
            continue  # nothing that creates a directory in the staged environment gives it other permissions
        new = posixpath.normpath(mapping.path(path))
        staged_directory = os.path.join(staged, new)
        name = posixpath.basename(path)
        in_library = path.partition("/")[0] == library and not path.startswith(f"{mapping.old.purelib}/")
        own = in_library or name == "__pycache__" or LIBRARY_NAME.fullmatch(name)
        is_created = path != "." and path not in parents and not own and not os.path.lexists(staged_directory)
        if is_created:
            created.append(MakeDir(new))
        if is_created or has_other_mode(staged_directory, mode):
            modes.append(SetMode(new, stat.S_IMODE(mode)))
    modes.reverse()  # deepest first, because the new permissions of a parent may forbid changes below it
    return [*parent_directories(created), *created, *modes]


def has_other_mode(directory: str, mode: int) -> bool:
    """Return whether a path is a directory, not a link, with other permissions."""
    try:
        actual = os.lstat(directory).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(actual) and stat.S_IMODE(actual) != stat.S_IMODE(mode)


def all_kept(upgrade: UpgradePlan) -> tuple[InstalledDistribution, ...]:
    """Return the distributions that the new environment has to have, apart from those that it is created with."""
    assert upgrade.inventory is not None
    return (*upgrade.inventory.carried, *upgrade.inventory.reinstalled)


def path_mapping_for(upgrade: UpgradePlan, plan: Plan) -> PathMapping:
    """Return the mapping of paths from the old environment to the planned one."""
    version = ".".join(upgrade.info.recorded_version.split(".")[:2])
    return PathMapping(
        upgrade.info.environment.layout, plan.environment.layout, version, upgrade.interpreter.python_version
    )
