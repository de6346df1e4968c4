"""Upgrade an environment: decide how, and rebase it onto another interpreter of the same ABI.

A rebase keeps every file but those that name the base interpreter. For another ABI `rebuild` creates a new environment.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.apply.staging import recover_environment
from cloche.errors import ClocheError, SeedError, UsageError
from cloche.lifecycle.diagnosis import diagnose, take_up
from cloche.lifecycle.examination import examine, modules_of
from cloche.lifecycle.inventory import Inventory, Loss, refusal, take_inventory
from cloche.lifecycle.reader import build_of, kind_of
from cloche.lifecycle.rebase import has_same_abi, rebase, version_like
from cloche.lifecycle.repair import reinstall_seeds, repairs
from cloche.model.request import EnvironmentSpec, Wanted
from cloche.model.value import replace, value
from cloche.planning.destination import absolute_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, TypeAlias

    from cloche.lifecycle.case import Case
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session

    Kind: TypeAlias = Literal["nothing", "rebase", "rebuild"]
    """`nothing`: it is up to date; `rebase`: onto another interpreter of its ABI; `rebuild`: a new environment replaces it."""


@value
class Upgrade:
    """Every decision about an upgrade; nothing is done yet."""

    kind: Kind
    case: Case
    interpreter: Interpreter
    inventory: Inventory | None = None
    """For `rebuild`: what happens to each package."""
    seeds: tuple[str, ...] = ()
    """Seeds to upgrade as well; for `rebuild`, those that the new environment gets from the store."""

    @property
    def info(self) -> EnvironmentInfo:
        return self.case.info

    @property
    def location(self) -> str:
        return self.info.environment.location


@value
class Upgraded:
    """The result of an upgrade."""

    environment: Environment
    losses: tuple[Loss, ...] = ()
    seeds: tuple[str, ...] = ()
    """Seeds that were upgraded, as `NAME VERSION`."""
    notes: tuple[str, ...] = ()
    """What is different now, and not a loss."""


def plan_upgrade(path: str, pythons: Sequence[str], seeds: Literal["keep", "newest"], session: Session) -> Upgrade:
    """Decide how to upgrade an environment; by default to the newest patch release of its version.

    :raises DestinationError: there is no environment.
    :raises InterpreterNotFound: there is no such Python.
    """
    location = absolute_path(path, session.host)
    if os.path.islink(location):
        location = os.path.realpath(location)
    recover_environment(location)
    case = take_up(location, session)
    info = case.info
    if not pythons and seeds == "newest" and info.environment.interpreter is not None:
        interpreter = info.environment.interpreter
    else:
        specs = tuple(pythons) or (same_minor_spec(info),)
        interpreter = session.find(EnvironmentSpec(pythons=specs)).interpreter
    current = info.environment.interpreter
    wanted = tuple(one.key for one in info.seeds) if seeds == "newest" else ()
    if is_usable(case) and is_made_for(info, interpreter):
        if current is not None and interpreter.executable == current.executable and is_recorded(info, interpreter):
            return Upgrade("nothing", case, interpreter, seeds=wanted)
        if current is None or has_same_abi(current, interpreter):
            return Upgrade("rebase", case, interpreter, seeds=wanted)
    seeded = renewable_seeds(info, interpreter, wanted or ("pip",), session)
    if all(one.key != "pip" for one in info.distributions) and has_script(info.environment, "pip"):
        seeded = (*seeded, "pip")  # its package was lost with `site-packages`
    return Upgrade("rebuild", case, interpreter, take_inventory(info, interpreter, seeded), seeded)


def has_script(environment: Environment, name: str) -> bool:
    suffix = ".exe" if environment.os_name == "nt" else ""
    return os.path.isfile(environment.path_to(f"{environment.layout.bin}/{name}{suffix}"))


def same_minor_spec(info: EnvironmentInfo) -> str:
    """Return the spec of the newest patch release of an environment's Python, of the same kind.

    :raises UsageError: its `pyvenv.cfg` does not record the version.
    """
    parts = info.recorded_version.split(".")
    if len(parts) < 2 or not parts[1].isdigit():
        raise UsageError("its `pyvenv.cfg` does not say for which Python it is", hint="name one with `-p`")
    implementation, build = kind_of(info.environment, info.settings)
    base = info.environment.interpreter
    early = ".0a0" if base is not None and base.version[3] != "final" else ""
    return f"{implementation}>={parts[0]}.{parts[1]}{early},<{parts[0]}.{int(parts[1]) + 1}{build}"


def is_made_for(info: EnvironmentInfo, interpreter: Interpreter) -> bool:
    """Return whether what is installed is for this version and implementation."""
    made_for = (info.recorded_version.split(".")[:2], kind_of(info.environment, info.settings))
    return made_for == (interpreter.python_version.split("."), (interpreter.implementation, build_of(interpreter)))


def is_usable(case: Case) -> bool:
    """Return whether an environment can be rebased: all its parts are of one version."""
    codes = {finding.code for finding in diagnose(case)}
    site = os.path.isdir(case.environment.path_to(case.environment.layout.purelib))
    return site and not codes & {"half-upgraded", "lib-of-other-version"}


def is_recorded(info: EnvironmentInfo, interpreter: Interpreter) -> bool:
    recorded = info.recorded_version
    return bool(recorded) and recorded == version_like(recorded, interpreter)


def upgrade_in_place(upgrade: Upgrade, session: Session) -> Upgraded:
    """Rebase an environment onto another interpreter of its ABI, and upgrade seeds if that was asked for.

    :raises ClocheError: the system refused something, or the environment did not work afterwards; it is as it was.
    """
    case, info = upgrade.case, upgrade.info
    findings = [one for one in diagnose(case) if one.code in ("moved", "name-of-other-version")]
    overlay, _ = repairs(case, findings, session)
    environment = info.environment
    if upgrade.kind == "rebase":
        rebase(overlay, environment, upgrade.interpreter, session)
    environment = replace(environment, interpreter=upgrade.interpreter)
    seeded: tuple[str, ...] = ()
    if wanted := outdated_seeds(upgrade, session):
        seeded = tuple(reinstall_seeds(overlay, replace(info, environment=environment), wanted, session))
    overlay.update_checksums()
    modules = modules_of(info.distributions)
    before = case.examined

    def verify() -> None:
        after = examine(environment, session.host, modules)
        if after.failure:
            raise broken(environment, f"its Python does not start: {after.failure}")
        if after.version[:3] != upgrade.interpreter.version[:3]:
            raise broken(environment, f"its Python is {'.'.join(map(str, after.version))}")
        if after.seed and not before.seed:
            raise broken(environment, f"pip does not run: {after.seed}")

    overlay.apply(verify, session.link_mode("auto"))
    return Upgraded(environment, seeds=seeded)


def renewable_seeds(
    info: EnvironmentInfo, interpreter: Interpreter, names: Sequence[str], session: Session
) -> tuple[str, ...]:
    """Return the installed seeds, of these names, that are available in the same or a newer version.

    An older version is accepted if the Python does not accept the installed one.
    """
    from packaging.version import InvalidVersion, Version

    found = []
    for one in info.distributions:
        if one.key not in names:
            continue
        try:
            images = session.images_for(Wanted((one.key,)), interpreter)
            newer = all(Version(image.version) >= Version(one.version) for image in images)
            if newer or refusal(one, interpreter):
                found.append(one.key)
        except (SeedError, InvalidVersion):
            continue  # the installed one stays
    return tuple(found)


def outdated_seeds(upgrade: Upgrade, session: Session) -> tuple[str, ...]:
    """Return the seeds to upgrade for which another version than the installed one is available."""
    there = {one.key: one.version for one in upgrade.info.distributions}
    found = []
    for name in renewable_seeds(upgrade.info, upgrade.interpreter, upgrade.seeds, session):
        images = session.images_for(Wanted((name,)), upgrade.interpreter)
        found += [one.distribution for one in images if one.version != there[one.distribution]]
    return tuple(found)


def broken(environment: Environment, reason: str, remedy: str = "") -> ClocheError:
    hint = f"{remedy}; it is as it was" if remedy else "it is as it was"
    return ClocheError(f"`{environment.location}` would not work: {reason}", hint=hint)
