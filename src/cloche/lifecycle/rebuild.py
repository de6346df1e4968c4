"""Rebuild an environment for a Python of another ABI, with the distributions that are installed in it.

A complete environment is created beside the old one, verified, and exchanged with it in one step. Losses are known before
the exchange.
"""

from __future__ import annotations

import os
import posixpath
import stat
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cloche.apply import apply, rehearse
from cloche.errors import ClocheError, SeedError
from cloche.fs.checksums import MANIFEST, foreign_files, format_manifest, parse_manifest, sha256_of, was_edited
from cloche.fs.locks import DirectoryLock
from cloche.lifecycle.embedded_paths import (
    environment_of_program,
    generated_file_states,
    program_of_script,
    relocate_tree,
    retarget_scripts,
)
from cloche.lifecycle.examination import examine, failing_activations, modules_of
from cloche.lifecycle.info import SEEDS
from cloche.lifecycle.installed import installed_distributions
from cloche.lifecycle.inventory import Loss, PathMapping, carry_operations, pip_arguments
from cloche.lifecycle.move import refuse_broken
from cloche.lifecycle.overlay import Overlay, parent_directories
from cloche.lifecycle.reader import LIBRARY_NAME, copied_links
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.relocation import Relocation, spellings
from cloche.lifecycle.repair import relocation_context
from cloche.lifecycle.startup_code import refuse_distributions, startup_code_in, startup_rule
from cloche.lifecycle.tool_edits import with_edits_of
from cloche.lifecycle.upgrade import UpgradeResult, lost_requirements, refuse_losses, verification_error
from cloche.model.operations import MakeDir, Remove, SetMode
from cloche.model.options import PORTABLE_OPTIONS
from cloche.model.plan import EnvironmentSpec, Request, Target, Wanted
from cloche.model.value import replace
from cloche.planning.destination import describes_environment, read_settings, refuse_running_cloche
from cloche.planning.plan_at import plan_at
from cloche.programs.pip import command_of_pip, run_pip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal, TypeAlias

    from cloche.lifecycle.examination import Examination
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.inventory import Inventory
    from cloche.lifecycle.upgrade import Losses, UpgradePlan
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.model.plan import Plan
    from cloche.session import Session

    Commit: TypeAlias = Literal["yes", "no"]
    """With `no`, the new environment is created and verified, then discarded."""


def rebuild(
    upgrade: UpgradePlan, session: Session, *, losses: Losses = "refused", commit: Commit = "yes"
) -> UpgradeResult:
    """Create a new environment beside the old one, and exchange them.

    :raises ClocheError: a package cannot be kept and losses are not allowed, or the new environment does not work, or
        cloche itself runs from the old one; nothing was changed.
    """
    inventory = upgrade.inventory
    assert inventory is not None
    refuse_running_cloche(upgrade.location, session.host, "an upgrade to another Python")
    request = request_for(upgrade, session)
    allowed: Losses = losses if commit == "yes" else "allowed"
    refuse_losses(inventory.losses, allowed)
    blueprint = session.blueprint(request.spec)
    notes = tuple(activator_notes(upgrade, session))
    already_failing = failing_activations(upgrade.info.environment, session.host) if inventory.kept else []
    lost = [*inventory.losses]
    with DirectoryLock(upgrade.location):
        plan = plan_at(blueprint, request.target, session.host)

        def complete(staged: str) -> list[Operation]:
            failed, installed = install_with_pip(
                inventory.reinstalled, staged, plan, session, losses=losses, commit=commit
            )
            lost.extend(failed)
            here = replace(plan.environment, location=staged)
            names = {distribution.key for distribution in installed}
            found = installed_distributions(here)
            if request.spec.startup_code == "refuse":
                added = [distribution for distribution in found if distribution.key in names]
                code = startup_code_in(here, added, upgrade.interpreter.version)
                refuse_distributions(code, request.spec.startup_packages)
            rewrite_staged_paths(upgrade, staged, plan, found, installed, session).apply()
            lost.extend(missing_packages(inventory, found, lost))
            lost.extend(unmet_after(upgrade, staged, found, plan, session))
            refuse_losses(lost, allowed)
            verify_rebuilt(plan.environment, staged, found, upgrade, session)
            return kept_directories(upgrade, staged, plan)

        def verify() -> None:
            verify_rebuilt(plan.environment, plan.environment.location, (), upgrade, session)
            if failing := [
                script
                for script in failing_activations(plan.environment, session.host)
                if script not in already_failing
            ]:
                raise verification_error(plan.environment, f"the activation script {failing[0]} does not activate it")

        links = [path for path, _ in copied_links(upgrade.info.environment)]
        operations = [
            *map(Remove, links),
            *new_operations(upgrade, plan),
            *carried_operations(upgrade, plan),
        ]
        link_mode = session.link_mode(plan.link_mode)
        if commit == "yes":
            apply(operations, plan.target, plan.strategy, verify, link_mode=link_mode, complete=complete)
        else:
            rehearse(operations, plan.target, plan.strategy, complete, link_mode=link_mode)
    return UpgradeResult(plan.environment, tuple(lost), notes=notes)


def request_for(upgrade: UpgradePlan, session: Session) -> Request:
    """Return the request for an environment with the same options as the old one, for the new Python."""
    info = upgrade.info
    environment, settings = info.environment, info.settings
    executable = environment.path_to(environment.layout.executable)
    is_copied = os.path.isfile(executable) and not os.path.islink(executable)
    shells = {info.shells[name.lower()].name for name in info.activators}
    offered = {component.name for component in session.registry.all("activator")}
    chosen = tuple(sorted(shells & offered)) if offered - shells or not shells else None
    startup_code, startup_packages = startup_rule(settings, session)
    spec = EnvironmentSpec(
        pythons=(upgrade.interpreter.executable,),
        creator="portable" if info.is_portable else "copy" if is_copied and environment.os_name != "nt" else None,
        wanted=upgrade.locked or (Wanted(upgrade.seeds, dependencies="omitted") if upgrade.seeds else None),
        activators=usable_activators(chosen, upgrade.interpreter, session) if chosen is not None else None,
        site_packages="system" if settings.get("include-system-site-packages", "").lower() == "true" else "isolated",
        options={
            option.name: settings[option.name]
            for option in PORTABLE_OPTIONS
            if info.is_portable and option.name in settings
        },
        startup_code=startup_code,
        startup_packages=startup_packages,
    )
    is_described = describes_environment(read_settings(environment.location))  # else `pyvenv.cfg` was lost
    target = Target(
        destination=environment.location,
        existing="replace" if is_described else "replace-anything",
        prompt=settings.get("prompt"),
        placement=environment.placement,
        vcs_ignore=os.path.lexists(os.path.join(environment.location, ".gitignore")),
    )
    return Request(spec, target)


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
    return [operation for operation in plan.operations if getattr(operation, "path", "") not in upgrade.inventory.kept]


def carried_operations(upgrade: UpgradePlan, plan: Plan) -> list[Operation]:
    """Return the operations for files that are kept, except for paths that the new environment has itself."""
    assert upgrade.inventory is not None
    mapping = path_mapping_for(upgrade, plan)
    taken = {
        operation.path
        for operation in new_operations(upgrade, plan)
        if hasattr(operation, "path") and not isinstance(operation, MakeDir)
    }
    platform = upgrade.interpreter.platform
    return [
        operation
        for operation in carry_operations(upgrade.inventory, upgrade.info, mapping, platform)
        if isinstance(operation, MakeDir) or getattr(operation, "path", "") not in taken
    ]


def path_mapping_for(upgrade: UpgradePlan, plan: Plan) -> PathMapping:
    """Return the mapping of paths from the old environment to the planned one."""
    version = ".".join(upgrade.info.recorded_version.split(".")[:2])
    return PathMapping(
        upgrade.info.environment.layout, plan.environment.layout, version, upgrade.interpreter.python_version
    )


def install_with_pip(
    wanted: Sequence[InstalledDistribution],
    staged: str,
    plan: Plan,
    session: Session,
    *,
    losses: Losses,
    commit: Commit,
) -> tuple[list[Loss], Sequence[InstalledDistribution]]:
    """Install exactly these distributions into a staged environment with pip; return losses and what was installed.

    If pip cannot install all of them at once, it installs each on its own.

    :raises ClocheError: pip failed, and losses are not allowed.
    """
    if not wanted:
        return [], ()
    error = install([word for distribution in wanted for word in pip_arguments(distribution)], staged, plan, session)
    if not error:
        return [], wanted
    if losses == "refused" and commit == "yes":
        names = ", ".join(f"{distribution.key} {distribution.version}" for distribution in wanted)
        raise ClocheError(
            f"pip cannot install all of {names}: {error}",
            hint="`--allow-loss` continues without what is not available; nothing was changed",
        )
    lost = []
    installed = []
    for distribution in wanted:
        if reason := install(pip_arguments(distribution), staged, plan, session):
            lost.append(Loss(f"{distribution.name} {distribution.version}", f"pip: {reason}"))
        else:
            installed.append(distribution)
    return lost, installed


def install(requirements: Sequence[str], staged: str, plan: Plan, session: Session) -> str:
    """Run `pip install` for a staged environment; return its error message, empty if it succeeded.

    The environment's own pip is used if it has one, else one from the store that supports its Python.
    """
    from cloche.store.runnable_pip import runnable_pip

    layout, host = plan.environment.layout, session.host
    python = os.path.join(staged, *layout.executable.split("/"))
    own = os.path.join(staged, *layout.purelib.split("/"), "pip")
    interpreter = plan.environment.interpreter
    assert interpreter is not None
    try:
        pip = "" if os.path.isdir(own) else runnable_pip(interpreter, Wanted(), session.store)
    except SeedError as error:
        return error.message
    command = command_of_pip(python, interpreter.version, pip)
    arguments = ["install", "--no-deps", "--no-compile", "--no-warn-script-location", "--ignore-installed"]
    arguments += [f"--find-links={directory}" for directory in session.store.readable_directories("wheels")]
    with TemporaryDirectory(prefix="cloche-") as directory:
        return run_pip(command, [*arguments, *requirements], host, directory, timeout=None).problem


def unmark_requested(
    overlay: Overlay, found: Iterable[InstalledDistribution], installed: Iterable[InstalledDistribution]
) -> None:
    """Remove `REQUESTED` (PEP 376) from packages that the user did not request.

    pip writes it for every package that is named on its command line.
    """
    dependencies = {
        distribution.key
        for distribution in installed
        if distribution.requested == "no" and not distribution.metadata.endswith(".egg-link")
    }
    for distribution in found:
        if distribution.key in dependencies:
            overlay.remove(f"{distribution.metadata}/REQUESTED")


def rewrite_staged_paths(
    upgrade: UpgradePlan,
    staged: str,
    plan: Plan,
    found: Iterable[InstalledDistribution],
    installed: Iterable[InstalledDistribution],
    session: Session,
) -> Overlay:
    """Return the edits that replace embedded paths in a staged environment with its future path and new directories.

    :param found: the distributions in it.
    :param installed: the distributions of the old environment that pip reinstalled in it.
    """
    found = list(found)
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
    relocate_tree(overlay, replace(context, generated={}, prompts=None))
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
    for row in (row for distribution in installed for row in distribution.rows):
        if row.path.startswith(f"{old.bin}/"):  # pip has installed the script again
            path = path_mapping_for(upgrade, plan).path(row.path)
            if (content := overlay.content(path)) is not None:
                overlay.write(path, with_edits_of(before.content(row.path) or b"", content))
    unmark_requested(overlay, found, installed)
    overlay.write(MANIFEST, manifest_with_kept_files(upgrade, overlay))
    overlay.update_checksums(location)
    return overlay


def manifest_with_kept_files(upgrade: UpgradePlan, overlay: Overlay) -> bytes:
    """Return the manifest of a staged environment with the hashes of kept files that another creator wrote.

    Edited files of cloche have the hash of what cloche writes, so that they still count as edited.
    """
    assert upgrade.inventory is not None
    text, old = overlay.text(MANIFEST), Overlay(upgrade.location)
    states = generated_file_states(old)
    foreign = [path for path in upgrade.inventory.kept if states.get(path, "foreign") == "foreign"]
    recorded = parse_manifest(old.text(MANIFEST))
    hashes = parse_manifest(text)
    for path in foreign:
        was_true = path not in recorded or not was_edited(old.content(path) or b"", recorded[path])
        hashes[path] = sha256_of(overlay.content(path) or b"") if was_true else recorded[path]
    return format_manifest(hashes, foreign_files(text) | set(foreign))


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
    for path, mode in sorted(directories.items()):
        new = posixpath.normpath(mapping.path(path))
        staged_directory = os.path.join(staged, new)
        own = path.partition("/")[0] == library or LIBRARY_NAME.fullmatch(posixpath.basename(path))
        is_created = path != "." and path not in parents and not own and not os.path.lexists(staged_directory)
        if is_created:
            created.append(MakeDir(new))
        if is_created or (os.path.isdir(staged_directory) and not os.path.islink(staged_directory)):
            modes.append(SetMode(new, stat.S_IMODE(mode)))
    modes.reverse()  # deepest first, because the new permissions of a parent may forbid changes below it
    return [*parent_directories(created), *created, *modes]


def missing_packages(inventory: Inventory, found: Iterable[InstalledDistribution], lost: Sequence[Loss]) -> list[Loss]:
    """Return the packages that a staged environment should have but lacks, or has in another version.

    :param found: the distributions in it.
    """
    staged_versions = {distribution.key: distribution.version for distribution in found}
    known = {loss.item for loss in lost}
    return [
        Loss(
            f"{distribution.name} {distribution.version}",
            f"the new environment has {staged_versions.get(distribution.key, 'no version')}",
        )
        for distribution in (*inventory.carried, *inventory.reinstalled)
        if f"{distribution.name} {distribution.version}" not in known
        and staged_versions.get(distribution.key) != distribution.version
        and not distribution.editable
    ]


def unmet_after(
    upgrade: UpgradePlan, staged: str, found: Sequence[InstalledDistribution], plan: Plan, session: Session
) -> list[Loss]:
    """Return the packages in a staged environment with requirements that were met before and are not met any more."""
    after = examine(replace(plan.environment, location=staged), session.host, seed="no")
    return [] if after.failure else lost_requirements(upgrade, found, after.path, after.user_site)


def verify_rebuilt(
    environment: Environment,
    location: str,
    found: Iterable[InstalledDistribution],
    upgrade: UpgradePlan,
    session: Session,
) -> None:
    """Verify the new environment in the directory `location`: its staging tree, or its final path.

    :param found: the distributions whose scripts are verified; they do not depend on the path.
    :raises ClocheError: something that worked in the old environment does not work in the new one.
    """
    actual, host = replace(environment, location=location), session.host
    is_staged = location != environment.location
    modules = modules_of(found)
    after = examine(actual, host, modules, parents="imported", seed="yes" if is_staged else "no")
    if after.failure:
        raise verification_error(environment, f"its Python does not start: {after.failure}")
    if after.version[:2] != upgrade.interpreter.version[:2]:
        raise verification_error(
            environment, f"its Python is {'.'.join(map(str, after.version))}, not {upgrade.interpreter.version_text}"
        )
    if is_staged:
        before: list[Examination] = []

        def examine_old() -> Examination:
            before.append(examine(upgrade.info.environment, host, modules, parents="imported"))
            return before[0]

        try:
            refuse_broken(actual, examine_old, after)
        except ClocheError as error:
            lost = {*after.unresolvable} - {*(before[0].unresolvable if before else ())}
            raise verification_error(environment, error.message, missing_modules_hint(lost, upgrade)) from None


def missing_modules_hint(modules: set[str], upgrade: UpgradePlan) -> str:
    """Return the hint for packages whose scripts cannot import these modules; empty if there are none."""
    owners = [
        distribution.key for distribution in upgrade.info.distributions if modules & {*modules_of([distribution])}
    ]
    if seeds := [name for name in owners if name in SEEDS]:
        return f"`--seeds` brings {' and '.join(seeds)} up to date"
    uninstalled = f"`python -m pip uninstall {' '.join(owners)}` in it, and install again afterwards"
    return uninstalled if owners else ""
