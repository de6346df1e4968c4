"""Build an environment anew for a Python of another ABI, with what is installed in it.

A whole environment is built beside the old one, proved, and exchanged with it in one step; what cannot come along is
found out before that.
"""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

from cloche.apply.executor import perform
from cloche.apply.hold import TreeLock
from cloche.apply.transaction import Transaction
from cloche.errors import ClocheError, reason_of
from cloche.lifecycle.embedded_paths import STAGING, program_of, relocate, retargeted, root_of_program
from cloche.lifecycle.examination import activations, examine, modules_of
from cloche.lifecycle.info import SEEDS
from cloche.lifecycle.installed import in_site, sites
from cloche.lifecycle.inventory import Loss, Translation, operations, requirement
from cloche.lifecycle.move import refuse_broken
from cloche.lifecycle.overlay import Overlay, failure
from cloche.lifecycle.reader import LIBRARY
from cloche.lifecycle.rebase import NAME
from cloche.lifecycle.relocation import Relocation
from cloche.lifecycle.repair import writer_for
from cloche.lifecycle.upgrade import Upgraded, broken
from cloche.model.operations import MakeDir
from cloche.model.request import Request, Wanted
from cloche.model.value import replace
from cloche.planning.destination import refuse_own
from cloche.planning.plan_at import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal, TypeAlias

    from cloche.lifecycle.installed import Installed
    from cloche.lifecycle.inventory import Inventory
    from cloche.lifecycle.upgrade import Upgrade
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.model.plan import Plan
    from cloche.session import Session

    Losses: TypeAlias = Literal["refused", "allowed"]
    """Whether something may stay behind."""

    Commit: TypeAlias = Literal["yes", "no"]
    """With `no` the new environment is built and compared, and thrown away."""


def rebuild(upgrade: Upgrade, session: Session, *, losses: Losses = "refused", commit: Commit = "yes") -> Upgraded:
    """Build a new environment beside the old one, and exchange them.

    :raises ClocheError: something cannot come along and that is not allowed, or the new one does not work, or cloche
        itself runs from it; nothing has been changed.
    """
    inventory = upgrade.inventory
    assert inventory is not None
    refuse_own(upgrade.location, session.host, "an upgrade to another Python")
    request = request_for(upgrade, session)
    refuse_losses(inventory.losses, losses, commit)
    blueprint = session.blueprint(request)
    notes = tuple(otherwise(upgrade, session))
    astray = activations(upgrade.portrait.environment, session.host) if inventory.edited else []
    with TreeLock(upgrade.location):
        made = place(blueprint, request, session.host)
        with Transaction(made.target, made.way) as transaction:
            staged = transaction.ground.root
            try:
                with transaction.disturbed():
                    perform(anew(upgrade, made), transaction.ground, session.link_mode(made.link_mode))
                    perform(carried(upgrade, made), transaction.ground, "auto")
                    lost = (
                        *inventory.losses,
                        *install(inventory.anew, staged, made, session, losses=losses, commit=commit),
                    )
                    settle(upgrade, staged, made, session)
                    lost = (*lost, *missing(inventory, staged, made, lost))
                    refuse_losses(lost, losses, commit)
                    prove(made.environment, staged, upgrade, session)
                if commit == "no":
                    return Upgraded(made.environment, lost, notes=notes)
                with transaction.disturbed():
                    keep_directories(upgrade, staged, made)
                transaction.commit()
                try:
                    with transaction.disturbed():
                        prove(made.environment, made.environment.location, upgrade, session)
                        if wrong := [one for one in activations(made.environment, session.host) if one not in astray]:
                            raise broken(made.environment, f"{wrong[0]} does not lead to it")
                except BaseException:
                    transaction.revert()
                    raise
            except OSError as error:
                raise failure(upgrade.location, error) from error
    return Upgraded(made.environment, lost, notes=notes)


def refuse_losses(lost: Sequence[Loss], losses: Losses, commit: Commit) -> None:
    """:raises ClocheError: something cannot come along, and may not stay behind."""
    if lost and losses == "refused" and commit == "yes":
        shown = "; ".join(f"{one.what}: {one.why}" for one in lost)
        raise ClocheError(
            f"not everything can come along: {shown}", hint="`--allow-loss` goes on without it; nothing was changed"
        )


def request_for(upgrade: Upgrade, session: Session) -> Request:
    """Return the request for an environment like the one there is, for the new Python."""
    portrait = upgrade.portrait
    environment, settings = portrait.environment, portrait.settings
    executable = environment.place(environment.layout.executable)
    is_copied = os.path.isfile(executable) and not os.path.islink(executable)
    shells = {portrait.shells[name.lower()].name for name in portrait.activators}
    offered = {one.name for one in session.registry.all("activator")}
    chosen = tuple(sorted(shells & offered)) if offered - shells or not shells else None
    return Request(
        destination=environment.location,
        pythons=(upgrade.interpreter.executable,),
        creator="copy" if is_copied and environment.os_name != "nt" else None,
        wanted=Wanted(upgrade.seeds) if upgrade.seeds else None,
        activators=serving(chosen, upgrade.interpreter, session) if chosen is not None else None,
        existing="replace",
        site_packages="system" if settings.get("include-system-site-packages", "").lower() == "true" else "isolated",
        prompt=settings.get("prompt"),
        placement=environment.placement,
        vcs_ignore=os.path.lexists(os.path.join(environment.location, ".gitignore")),
    )


def otherwise(upgrade: Upgrade, session: Session) -> Iterator[str]:
    """Yield what the new environment will not be or have, because nothing here can make it so."""
    offered = {one.name for one in session.registry.all("activator")}
    for name in upgrade.portrait.activators:
        if (shell := upgrade.portrait.shells[name.lower()].name) not in offered:
            yield f"`{name}` is not made anew: there is no activator `{shell}`; a plugin may give it"


def serving(names: Sequence[str], interpreter: Interpreter, session: Session) -> tuple[str, ...]:
    """Return the activators, of those named, that can be loaded and do not refuse the interpreter."""
    found = []
    for name in names:
        try:
            if session.registry.find("activator", name).resolve().refusal(interpreter) is None:
                found.append(name)
        except ClocheError:
            continue
    return tuple(found)


def anew(upgrade: Upgrade, made: Plan) -> list[Operation]:
    """Return the operations for what the new environment has of itself, but for scripts that come along as edited."""
    assert upgrade.inventory is not None
    return [one for one in made.operations if getattr(one, "path", "") not in upgrade.inventory.edited]


def carried(upgrade: Upgrade, made: Plan) -> list[Operation]:
    """Return the operations for what comes along as it is; what the new environment has of itself is left to it."""
    assert upgrade.inventory is not None
    translation = translation_of(upgrade, made)
    taken = {one.path for one in anew(upgrade, made) if hasattr(one, "path") and not isinstance(one, MakeDir)}
    platform = upgrade.interpreter.platform
    return [
        one
        for one in operations(upgrade.inventory, upgrade.portrait, translation, platform)
        if isinstance(one, MakeDir) or getattr(one, "path", "") not in taken
    ]


def translation_of(upgrade: Upgrade, made: Plan) -> Translation:
    version = ".".join(upgrade.portrait.recorded_version.split(".")[:2])
    return Translation(
        upgrade.portrait.environment.layout, made.environment.layout, version, upgrade.interpreter.python_version
    )


def install(
    wanted: Sequence[Installed], staged: str, made: Plan, session: Session, *, losses: Losses, commit: Commit
) -> list[Loss]:
    """Have pip install distributions into a staged environment, exactly those and nothing that they need besides.

    :raises ClocheError: pip failed, and nothing may be lost.
    """
    if not wanted:
        return []
    ran = pip([word for one in wanted for word in requirement(one)], staged, made, session)
    if not ran:
        demote(wanted, staged, made)
        return []
    if losses == "refused" and commit == "yes":
        raise ClocheError(
            f"pip cannot install all of {', '.join(f'{one.key} {one.version}' for one in wanted)}: {ran}",
            hint="`--allow-loss` goes on without what cannot be had; nothing was changed",
        )
    lost = []
    had = []
    for one in wanted:
        if reason := pip(requirement(one), staged, made, session):
            lost.append(Loss(f"{one.name} {one.version}", f"pip: {reason}"))
        else:
            had.append(one)
    demote(had, staged, made)
    return lost


def pip(requirements: Sequence[str], staged: str, made: Plan, session: Session) -> str:
    """Run pip for a staged environment; return its last words if it failed, else nothing.

    The environment's own pip, else the one that cloche depends on.
    """
    layout, host = made.environment.layout, session.host
    python = os.path.join(staged, *layout.executable.split("/"))
    own = os.path.isdir(os.path.join(staged, *layout.purelib.split("/"), "pip"))
    command = [python, "-m", "pip"] if own else [host.executable, "-m", "pip", "--python", python]
    command += ["install", "--no-deps", "--no-warn-script-location", "--ignore-installed"]
    command += [f"--find-links={directory}" for directory in session.store.places("wheels")]
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
    errors = [line for line in lines if line.startswith(("ERROR", "error:"))] or lines[-1:] or ["it says nothing"]
    return errors[0].removeprefix("ERROR:").strip()


def demote(wanted: Sequence[Installed], staged: str, made: Plan) -> None:
    """Take the mark of being asked for by name (`REQUESTED`) from distributions that were not."""
    along = {one.key for one in wanted if one.requested == "no" and not one.metadata.endswith(".egg-link")}
    for site in sites(made.environment.layout):
        for one in in_site(staged, site):
            mark = os.path.join(staged, one.metadata, "REQUESTED")
            if one.key in along and os.path.isfile(mark):
                os.unlink(mark)
                record = os.path.join(staged, one.record)
                with open(record, encoding="utf-8", newline="") as file:
                    lines = [line for line in file if "/REQUESTED," not in line]
                with open(record, "w", encoding="utf-8", newline="") as file:
                    file.writelines(lines)


def settle(upgrade: Upgrade, staged: str, made: Plan, session: Session) -> None:
    """Have everything in a staged environment name the place where it will be, and the new version's directories."""
    location, old, new = made.environment.location, upgrade.portrait.environment.layout, made.environment.layout
    roots = [(staged, location)]
    if old.purelib != new.purelib:
        named = (*upgrade.portrait.recorded_roots, location)
        roots += ((f"{root}/{old.purelib}", f"{location}/{new.purelib}") for root in named)
    roots += [(root, location) for root in upgrade.case.old_roots]
    draft = Overlay(staged)
    environment = replace(made.environment, location=location)
    writer = writer_for(upgrade.portrait, environment, Relocation(tuple(roots)), os.path.basename(location), session)
    relocate(draft, replace(writer, generated={}, prompts=None))
    names = set(new.names)
    stale = []
    for one in (row for site in sites(new) for found in in_site(staged, site) for row in found.rows):
        if one.path.startswith(f"{new.bin}/"):
            program = program_of(draft, one.path)
            name = os.path.basename(program.replace("\\", "/"))
            is_fixed = environment.placement == "relocatable" and root_of_program(program, new.bin) == location
            if NAME.fullmatch(name) and (name not in names or is_fixed):
                stale.append(one.path)
    retargeted(draft, environment, stale, upgrade.interpreter.platform)
    draft.seal()
    draft.overwrite()


def keep_directories(upgrade: Upgrade, staged: str, made: Plan) -> None:
    """Give directories the permissions that they had, and make those that were empty, but for what Python has of itself.

    A service may write its logs to one, and of another nobody else may read.
    """
    root, translation = upgrade.location, translation_of(upgrade, made)
    library = translation.old.purelib.partition("/")[0]
    kept = []
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if directory != root or not name.startswith(STAGING)]
        path = os.path.relpath(directory, root).replace(os.sep, "/")
        there = os.path.normpath(os.path.join(staged, translation.path(path)))
        own = path.partition("/")[0] == library or LIBRARY.fullmatch(os.path.basename(path))
        if not names and not files and not own:
            os.makedirs(there, exist_ok=True)
        if os.path.isdir(there) and not os.path.islink(there):
            kept.append((there, stat.S_IMODE(os.lstat(directory).st_mode)))
    for there, mode in reversed(kept):  # what lies deeper first: the one above may not be entered afterwards
        os.chmod(there, mode)


def missing(inventory: Inventory, staged: str, made: Plan, lost: Sequence[Loss]) -> list[Loss]:
    """Return what should be in a staged environment and is not, or is there in another version."""
    there = {one.key: one.version for site in sites(made.environment.layout) for one in in_site(staged, site)}
    known = {one.what for one in lost}
    return [
        Loss(f"{one.name} {one.version}", f"the new environment has {there.get(one.key, 'none')}")
        for one in (*inventory.carried, *inventory.anew)
        if f"{one.name} {one.version}" not in known and there.get(one.key) != one.version and not one.editable
    ]


def prove(environment: Environment, location: str, upgrade: Upgrade, session: Session) -> None:
    """:raises ClocheError: an environment, as it stands at `location`, lacks what the old one had."""
    standing = replace(environment, location=location)
    modules = modules_of(one for site in sites(environment.layout) for one in in_site(location, site))
    after = examine(standing, session.host, modules)
    if after.failure:
        raise broken(environment, f"its Python does not start: {after.failure}")
    if after.version[:2] != upgrade.interpreter.version[:2]:
        raise broken(environment, "its Python is another than was asked for")
    if location != environment.location:
        before = examine(upgrade.portrait.environment, session.host, modules)
        try:
            refuse_broken(standing, before, after)
        except ClocheError as error:
            lost = {*after.unresolvable} - {*before.unresolvable}
            raise broken(environment, error.message, remedy_for(lost, upgrade)) from None


def remedy_for(modules: set[str], upgrade: Upgrade) -> str:
    """Return what helps where scripts cannot import modules, by whose they are; empty if there are none."""
    owners = [one.key for one in upgrade.portrait.distributions if modules & {*modules_of([one])}]
    if seeds := [name for name in owners if name in SEEDS]:
        return f"`--seeds` brings {' and '.join(seeds)} up to date"
    uninstalled = f"`python -m pip uninstall {' '.join(owners)}` in it, and install again afterwards"
    return uninstalled if owners else ""
