"""Rebuild an environment for a Python of another ABI, with what is installed in it.

A whole environment is created beside the old one, verified, and exchanged with it in one step. What cannot be kept is
known before that.
"""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

from cloche.apply import apply, rehearse
from cloche.apply.staging import is_staging_inside
from cloche.errors import ClocheError, reason_of
from cloche.fs.locks import DirectoryLock
from cloche.lifecycle.embedded_paths import program_of, relocate, retargeted, root_of_program
from cloche.lifecycle.examination import activations, examine, modules_of
from cloche.lifecycle.info import SEEDS
from cloche.lifecycle.installed import in_site, sites
from cloche.lifecycle.inventory import Loss, Translation, carrying_operations, requirement
from cloche.lifecycle.move import refuse_broken
from cloche.lifecycle.overlay import Overlay, parents
from cloche.lifecycle.reader import LIBRARY
from cloche.lifecycle.rebase import NAME
from cloche.lifecycle.relocation import Relocation
from cloche.lifecycle.repair import writer_for
from cloche.lifecycle.upgrade import Upgraded, broken
from cloche.model.operations import MakeDir, SetMode
from cloche.model.request import EnvironmentSpec, Request, Target, Wanted
from cloche.model.value import replace
from cloche.planning.destination import refuse_running_cloche
from cloche.planning.plan_at import plan_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal, TypeAlias

    from cloche.lifecycle.installed import Installed
    from cloche.lifecycle.inventory import Inventory
    from cloche.lifecycle.upgrade import Upgrade
    from cloche.model.environment import Environment, Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.model.plan import Plan
    from cloche.session import Session

    Losses: TypeAlias = Literal["refused", "allowed"]
    """Whether something may be lost."""

    Commit: TypeAlias = Literal["yes", "no"]
    """With `no` the new environment is created and compared, and thrown away."""


def rebuild(upgrade: Upgrade, session: Session, *, losses: Losses = "refused", commit: Commit = "yes") -> Upgraded:
    """Build a new environment beside the old one, and exchange them.

    :raises ClocheError: a package cannot be kept and losses are not allowed, or the new environment does not work, or
        cloche itself runs from the old one; nothing was changed.
    """
    inventory = upgrade.inventory
    assert inventory is not None
    refuse_running_cloche(upgrade.location, session.host, "an upgrade to another Python")
    request = request_for(upgrade, session)
    refuse_losses(inventory.losses, losses, commit)
    blueprint = session.blueprint(request.spec)
    notes = tuple(activator_notes(upgrade, session))
    astray = activations(upgrade.info.environment, session.host) if inventory.edited else []
    lost = [*inventory.losses]
    with DirectoryLock(upgrade.location):
        made = plan_at(blueprint, request.target, session.host)

        def complete(staged: str) -> list[Operation]:
            failed, installed = install_with_pip(inventory.anew, staged, made, session, losses=losses, commit=commit)
            lost.extend(failed)
            settle_paths(upgrade, staged, made, installed, session).apply()
            lost.extend(missing_packages(inventory, staged, made, lost))
            refuse_losses(lost, losses, commit)
            verify_rebuilt(made.environment, staged, upgrade, session)
            return kept_directories(upgrade, staged, made)

        def verify() -> None:
            verify_rebuilt(made.environment, made.environment.location, upgrade, session)
            if wrong := [one for one in activations(made.environment, session.host) if one not in astray]:
                raise broken(made.environment, f"{wrong[0]} does not lead to it")

        operations = [*new_operations(upgrade, made), *carried_operations(upgrade, made)]
        link_mode = session.link_mode(made.link_mode)
        if commit == "yes":
            apply(operations, made.target, made.strategy, verify, link_mode=link_mode, complete=complete)
        else:
            rehearse(operations, made.target, made.strategy, complete, link_mode=link_mode)
    return Upgraded(made.environment, tuple(lost), notes=notes)


def refuse_losses(lost: Sequence[Loss], losses: Losses, commit: Commit) -> None:
    """Refuse losses that are not allowed.

    :raises ClocheError: there is one.
    """
    if lost and losses == "refused" and commit == "yes":
        shown = "; ".join(f"{one.what}: {one.why}" for one in lost)
        raise ClocheError(
            f"not everything can be kept: {shown}", hint="`--allow-loss` continues without it; nothing was changed"
        )


def request_for(upgrade: Upgrade, session: Session) -> Request:
    """Return the request for an environment like the one there is, for the new Python."""
    info = upgrade.info
    environment, settings = info.environment, info.settings
    executable = environment.path_to(environment.layout.executable)
    is_copied = os.path.isfile(executable) and not os.path.islink(executable)
    shells = {info.shells[name.lower()].name for name in info.activators}
    offered = {one.name for one in session.registry.all("activator")}
    chosen = tuple(sorted(shells & offered)) if offered - shells or not shells else None
    spec = EnvironmentSpec(
        pythons=(upgrade.interpreter.executable,),
        creator="copy" if is_copied and environment.os_name != "nt" else None,
        wanted=Wanted(upgrade.seeds) if upgrade.seeds else None,
        activators=usable_activators(chosen, upgrade.interpreter, session) if chosen is not None else None,
        site_packages="system" if settings.get("include-system-site-packages", "").lower() == "true" else "isolated",
    )
    target = Target(
        destination=environment.location,
        existing="replace",
        prompt=settings.get("prompt"),
        placement=environment.placement,
        vcs_ignore=os.path.lexists(os.path.join(environment.location, ".gitignore")),
    )
    return Request(spec, target)


def activator_notes(upgrade: Upgrade, session: Session) -> Iterator[str]:
    """Yield which activation scripts the new environment will not have, because no activator writes them."""
    offered = {one.name for one in session.registry.all("activator")}
    for name in upgrade.info.activators:
        if (shell := upgrade.info.shells[name.lower()].name) not in offered:
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


def new_operations(upgrade: Upgrade, made: Plan) -> list[Operation]:
    """Return the operations that create the new environment, but for scripts that are kept because they were edited."""
    assert upgrade.inventory is not None
    return [one for one in made.operations if getattr(one, "path", "") not in upgrade.inventory.edited]


def carried_operations(upgrade: Upgrade, made: Plan) -> list[Operation]:
    """Return the operations for what is kept; what the new environment brings itself is left to it."""
    assert upgrade.inventory is not None
    translation = translation_of(upgrade, made)
    taken = {one.path for one in new_operations(upgrade, made) if hasattr(one, "path") and not isinstance(one, MakeDir)}
    platform = upgrade.interpreter.platform
    return [
        one
        for one in carrying_operations(upgrade.inventory, upgrade.info, translation, platform)
        if isinstance(one, MakeDir) or getattr(one, "path", "") not in taken
    ]


def translation_of(upgrade: Upgrade, made: Plan) -> Translation:
    version = ".".join(upgrade.info.recorded_version.split(".")[:2])
    return Translation(
        upgrade.info.environment.layout, made.environment.layout, version, upgrade.interpreter.python_version
    )


def install_with_pip(
    wanted: Sequence[Installed], staged: str, made: Plan, session: Session, *, losses: Losses, commit: Commit
) -> tuple[list[Loss], Sequence[Installed]]:
    """Let pip install exactly these distributions into a staged environment; return what it could not and could install.

    :raises ClocheError: pip failed, and nothing may be lost.
    """
    if not wanted:
        return [], ()
    ran = run_pip([word for one in wanted for word in requirement(one)], staged, made, session)
    if not ran:
        return [], wanted
    if losses == "refused" and commit == "yes":
        raise ClocheError(
            f"pip cannot install all of {', '.join(f'{one.key} {one.version}' for one in wanted)}: {ran}",
            hint="`--allow-loss` continues without what is not available; nothing was changed",
        )
    lost = []
    installed = []
    for one in wanted:
        if reason := run_pip(requirement(one), staged, made, session):
            lost.append(Loss(f"{one.name} {one.version}", f"pip: {reason}"))
        else:
            installed.append(one)
    return lost, installed


def run_pip(requirements: Sequence[str], staged: str, made: Plan, session: Session) -> str:
    """Run pip for a staged environment; return its error message, empty if it succeeded.

    It is the environment's own pip, or else the one that cloche depends on.
    """
    layout, host = made.environment.layout, session.host
    python = os.path.join(staged, *layout.executable.split("/"))
    own = os.path.isdir(os.path.join(staged, *layout.purelib.split("/"), "pip"))
    command = [python, "-m", "pip"] if own else [host.executable, "-m", "pip", "--python", python]
    command += ["install", "--no-deps", "--no-warn-script-location", "--ignore-installed"]
    command += [f"--find-links={directory}" for directory in session.store.readable_directories("wheels")]
    dropped = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    environ = {name: text for name, text in host.environ.items() if name not in dropped and name[:6] != "PYTHON"}
    environ |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_REQUIRE_VIRTUALENV": "0"}
    try:
        ran = subprocess.run(
            [*command, *requirements],
            cwd=staged,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        return f"cannot be run ({reason_of(error)})"
    if not ran.returncode:
        return ""
    lines = [line.strip() for line in ran.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "error:"))] or lines[-1:] or ["no output"]
    return errors[0].removeprefix("ERROR:").strip()


def unmark_requested(overlay: Overlay, installed: Iterable[Installed], layout: Layout) -> None:
    """Remove the mark of a package that the user asked for (`REQUESTED`, PEP 376) where pip got its name from us only."""
    along = {one.key for one in installed if one.requested == "no" and not one.metadata.endswith(".egg-link")}
    for site in sites(layout):
        for one in in_site(overlay.root, site):
            if one.key in along:
                overlay.remove(f"{one.metadata}/REQUESTED")


def settle_paths(
    upgrade: Upgrade, staged: str, made: Plan, installed: Sequence[Installed], session: Session
) -> Overlay:
    """Return the edits after which everything in a staged environment names its future path and the new directories."""
    location, old, new = made.environment.location, upgrade.info.environment.layout, made.environment.layout
    roots = [(staged, location)]
    if old.purelib != new.purelib:
        named = (*upgrade.info.recorded_roots, location)
        roots += ((f"{root}/{old.purelib}", f"{location}/{new.purelib}") for root in named)
    roots += [(root, location) for root in upgrade.case.old_roots]
    overlay = Overlay(staged)
    environment = replace(made.environment, location=location)
    writer = writer_for(upgrade.info, environment, Relocation(tuple(roots)), os.path.basename(location), session)
    relocate(overlay, replace(writer, generated={}, prompts=None))
    names = set(new.names)
    stale = []
    for one in (row for site in sites(new) for found in in_site(staged, site) for row in found.rows):
        if one.path.startswith(f"{new.bin}/"):
            program = program_of(overlay, one.path)
            name = os.path.basename(program.replace("\\", "/"))
            is_fixed = environment.placement == "relocatable" and root_of_program(program, new.bin) == location
            if NAME.fullmatch(name) and (name not in names or is_fixed):
                stale.append(one.path)
    retargeted(overlay, environment, stale, upgrade.interpreter.platform)
    unmark_requested(overlay, installed, new)
    overlay.update_checksums()
    return overlay


def kept_directories(upgrade: Upgrade, staged: str, made: Plan) -> list[Operation]:
    """Return the operations that keep the permissions of directories, and those that were empty; not Python's own.

    A service may write its logs to one, and another may be closed to other users.
    """
    root, translation = upgrade.location, translation_of(upgrade, made)
    library = translation.old.purelib.partition("/")[0]
    created: list[MakeDir] = []
    modes: list[SetMode] = []
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if directory != root or not is_staging_inside(name)]
        path = os.path.relpath(directory, root).replace(os.sep, "/")
        new = os.path.normpath(translation.path(path)).replace(os.sep, "/")
        there = os.path.join(staged, new)
        own = path.partition("/")[0] == library or LIBRARY.fullmatch(os.path.basename(path))
        is_created = not names and not files and not own and not os.path.lexists(there)
        if is_created:
            created.append(MakeDir(new))
        if is_created or (os.path.isdir(there) and not os.path.islink(there)):
            modes.append(SetMode(new, stat.S_IMODE(os.lstat(directory).st_mode)))
    modes.reverse()  # what is deeper first: afterwards the one above may be closed
    return [*parents(created), *created, *modes]


def missing_packages(inventory: Inventory, staged: str, made: Plan, lost: Sequence[Loss]) -> list[Loss]:
    """Return the packages that a staged environment lacks, or has in another version."""
    there = {one.key: one.version for site in sites(made.environment.layout) for one in in_site(staged, site)}
    known = {one.what for one in lost}
    return [
        Loss(f"{one.name} {one.version}", f"the new environment has {there.get(one.key, 'none')}")
        for one in (*inventory.carried, *inventory.anew)
        if f"{one.name} {one.version}" not in known and there.get(one.key) != one.version and not one.editable
    ]


def verify_rebuilt(environment: Environment, location: str, upgrade: Upgrade, session: Session) -> None:
    """Verify the new environment in the directory `location`, where it is staged or in place.

    :raises ClocheError: something that worked in the old environment does not work in it.
    """
    standing = replace(environment, location=location)
    modules = modules_of(one for site in sites(environment.layout) for one in in_site(location, site))
    after = examine(standing, session.host, modules)
    if after.failure:
        raise broken(environment, f"its Python does not start: {after.failure}")
    if after.version[:2] != upgrade.interpreter.version[:2]:
        raise broken(environment, "its Python is another than was asked for")
    if location != environment.location:
        before = examine(upgrade.info.environment, session.host, modules)
        try:
            refuse_broken(standing, before, after)
        except ClocheError as error:
            lost = {*after.unresolvable} - {*before.unresolvable}
            raise broken(environment, error.message, remedy_for(lost, upgrade)) from None


def remedy_for(modules: set[str], upgrade: Upgrade) -> str:
    """Return the hint for scripts that cannot import these modules, by their package; empty if there are none."""
    owners = [one.key for one in upgrade.info.distributions if modules & {*modules_of([one])}]
    if seeds := [name for name in owners if name in SEEDS]:
        return f"`--seeds` brings {' and '.join(seeds)} up to date"
    uninstalled = f"`python -m pip uninstall {' '.join(owners)}` in it, and install again afterwards"
    return uninstalled if owners else ""
