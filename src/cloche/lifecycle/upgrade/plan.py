"""The plan of an upgrade: whether it changes an environment in place, or rebuilds it, and for which interpreter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.errors import InterpreterNotFound, SeedError, UsageError
from cloche.lifecycle.doctor.checks.python import check_other_versions, check_start
from cloche.lifecycle.doctor.diagnosis import diagnose, open_case
from cloche.lifecycle.installed_startup_code import startup_rule
from cloche.lifecycle.reader import implementation_and_build
from cloche.lifecycle.rebase import has_same_abi, is_same_release, version_like
from cloche.lifecycle.recorded_command import recorded_lock, seeds_like
from cloche.lifecycle.resolving import interpreter_for, seed_images
from cloche.lifecycle.upgrade.inventory import Inventory, Loss, refusal_reason, take_inventory
from cloche.model.plan import EnvironmentSpec
from cloche.model.value import Value
from cloche.planning.destination import absolute_path
from cloche.planning.pyvenv_cfg import lock_digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, TypeAlias

    from cloche.lifecycle.doctor.case import Case
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.aliases import StartupRule
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.session import Session

    Kind: TypeAlias = Literal["nothing", "rebase", "rebuild"]
    """`nothing`: it is up to date; `rebase`: onto another interpreter of its ABI; `rebuild`: a new environment replaces it."""


class UpgradePlan(Value):
    """Every decision about an upgrade. Nothing has been changed yet."""

    kind: Kind
    case: Case
    interpreter: Interpreter
    inventory: Inventory | None = None
    """For `rebuild`: what happens to each package."""
    seeds: tuple[str, ...] = ()
    """Seeds to upgrade too; for `rebuild`, those that the new environment is created with."""
    rule: StartupRule = ("list", ())
    """What happens to packages with startup code."""
    locked: Wanted | None = None
    """For `rebuild`: the lock file that the new environment is created from; None if it is not locked."""

    @property
    def info(self) -> EnvironmentInfo:
        return self.case.info

    @property
    def location(self) -> str:
        return self.info.environment.location

    @property
    def roots(self) -> tuple[str, ...]:
        """Where the environment is, and where it was according to its files."""
        return (self.location, *(old for old, _ in self.case.relocation.roots))


class UpgradeResult(Value):
    """The result of an upgrade."""

    environment: Environment
    losses: tuple[Loss, ...] = ()
    seeds: tuple[str, ...] = ()
    """Seeds that were upgraded, as `NAME VERSION`."""
    notes: tuple[str, ...] = ()
    """Differences from the old environment that are not losses."""


def plan_upgrade(
    path: str,
    pythons: Sequence[str],
    seeds: Literal["keep", "newest"],
    session: Session,
    rule: StartupRule | None = None,
) -> UpgradePlan:
    """Decide how to upgrade an environment; by default to the newest patch release of its version.

    :param pythons: specs of the Python to upgrade to.
    :param seeds: whether to upgrade seeds too.
    :param rule: what happens to packages with startup code; None for the rule that the environment was created with.
    :raises DestinationError: there is no environment at `path`.
    :raises InterpreterNotFound: no interpreter satisfies `pythons`.
    """
    location = absolute_path(path, session.host)
    if os.path.islink(location):
        location = os.path.realpath(location)
    case = open_case(location, session, seed=False)
    info = case.info
    rule = startup_rule(info.settings, rule)
    interpreter = chosen_interpreter(info, pythons, seeds, session)
    wanted = tuple(distribution.key for distribution in info.seeds) if seeds == "newest" else ()
    locked = lock_request_of(info)
    images = seed_images(locked, interpreter, session) if locked else ()
    is_selected = locked is None or info.settings.get("lock") == f"sha256:{lock_digest(images)}"
    if is_selected and (kind := kind_in_place(case, interpreter)):
        return UpgradePlan(kind, case, interpreter, seeds=wanted, rule=rule)
    if locked is not None:
        names = (
            *(image.distribution for image in images),
            *(item.key for item in info.distributions if was_installed_by_cloche(item)),
        )
        inventory = take_inventory(info, interpreter, names)
        return UpgradePlan("rebuild", case, interpreter, inventory, rule=rule, locked=locked)
    seeded = seeds_of_rebuilt(info, interpreter, wanted, session)
    return UpgradePlan("rebuild", case, interpreter, take_inventory(info, interpreter, seeded), seeded, rule)


def chosen_interpreter(
    info: EnvironmentInfo, pythons: Sequence[str], seeds: Literal["keep", "newest"], session: Session
) -> Interpreter:
    """Return the interpreter to upgrade to: the requested one; to upgrade seeds only, the present one.

    :raises InterpreterNotFound: no interpreter satisfies `pythons`.
    """
    current = info.environment.interpreter
    if pythons:
        return interpreter_for(EnvironmentSpec(pythons=tuple(pythons)), session)
    return current if seeds == "newest" and current is not None else newest_patch(info, session)


def kind_in_place(case: Case, interpreter: Interpreter) -> Literal["nothing", "rebase"] | None:
    """Return how an environment gets an interpreter without being rebuilt; None if it has to be rebuilt."""
    info = case.info
    current = info.environment.interpreter
    if info.is_portable:
        return "nothing" if current is not None and is_same_release(current, interpreter) else None
    if not is_usable(case) or not is_created_for(info, interpreter):
        return None
    if current is not None and interpreter.executable == current.executable and is_recorded_version(info, interpreter):
        return "nothing"
    return "rebase" if current is None or has_same_abi(current, interpreter) else None


def seeds_of_rebuilt(
    info: EnvironmentInfo, interpreter: Interpreter, wanted: tuple[str, ...], session: Session
) -> tuple[str, ...]:
    """Return the seeds that a rebuilt environment is created with: pip, if it has one, or those to upgrade."""
    seeded = renewable_seeds(info, interpreter, wanted or ("pip",), session)
    if all(distribution.key != "pip" for distribution in info.distributions) and has_script(info.environment, "pip"):
        return (*seeded, "pip")  # its package was lost with `site-packages`
    return seeded


def lock_request_of(info: EnvironmentInfo) -> Wanted | None:
    """Return what the lock file of an environment names; None if it has none, or the lock file no longer exists."""
    wanted = recorded_lock(info.settings)
    return wanted if wanted and wanted.lock and os.path.isfile(wanted.lock.path) else None


def was_installed_by_cloche(distribution: InstalledDistribution) -> bool:
    """Return whether a distribution in a locked environment comes from its lock file, so that a new selection replaces it."""
    return distribution.installer == "cloche"


def newest_patch(info: EnvironmentInfo, session: Session) -> Interpreter:
    """Return the newest patch release of an environment's Python.

    That is the present base if the search finds none that is newer, because the base may be where no finder looks.

    :raises UsageError: its `pyvenv.cfg` does not record the version.
    :raises InterpreterNotFound: the base no longer exists, and there is no other.
    """
    current = info.environment.interpreter
    try:
        found = interpreter_for(EnvironmentSpec(pythons=(same_minor_spec(info),)), session)
    except InterpreterNotFound:
        if current is None:
            raise
        return current
    return found if current is None or found.version > current.version else current


def has_script(environment: Environment, name: str) -> bool:
    """Return whether an environment has a script of this name."""
    suffix = ".exe" if environment.os_name == "nt" else ""
    return os.path.isfile(environment.path_to(f"{environment.layout.bin}/{name}{suffix}"))


def same_minor_spec(info: EnvironmentInfo) -> str:
    """Return the spec that matches every patch release of an environment's Python, of its implementation and build.

    :raises UsageError: its `pyvenv.cfg` does not record the version.
    """
    parts = info.recorded_version.split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdecimal() for part in parts[:2]):
        raise UsageError(
            f"`pyvenv.cfg` of `{info.environment.location}` does not record a Python version", hint="name one with `-p`"
        )
    implementation, build = implementation_and_build(info.environment, info.settings)
    base = info.environment.interpreter
    early = ".0a0" if base is not None and base.version[3] != "final" else ""
    return f"{implementation}>={parts[0]}.{parts[1]}{early},<{parts[0]}.{int(parts[1]) + 1}{build}"


def is_created_for(info: EnvironmentInfo, interpreter: Interpreter) -> bool:
    """Return whether an environment was created for the version, implementation and build of an interpreter."""
    created_for = (info.recorded_version.split(".")[:2], implementation_and_build(info.environment, info.settings))
    return created_for == (
        interpreter.python_version.split("."),
        (interpreter.implementation, interpreter.build),
    )


def is_usable(case: Case) -> bool:
    """Return whether an environment can be rebased: all of it is for one version of Python."""
    codes = {finding.code for finding in diagnose(case, (check_start, check_other_versions))}
    site = os.path.isdir(case.environment.path_to(case.environment.layout.purelib))
    return site and not codes & {"half-upgraded", "lib-of-other-version"}


def is_recorded_version(info: EnvironmentInfo, interpreter: Interpreter) -> bool:
    """Return whether the recorded version is that of an interpreter."""
    recorded = info.recorded_version
    return bool(recorded) and recorded == version_like(recorded, interpreter)


def renewable_seeds(
    info: EnvironmentInfo, interpreter: Interpreter, names: Sequence[str], session: Session
) -> tuple[str, ...]:
    """Return the installed seeds, of these names, that are available in the same or a newer version.

    An older version counts too if the interpreter does not accept the installed one.
    """
    from packaging.version import Version

    found = []
    for distribution in info.distributions:
        if distribution.key not in names:
            continue
        try:
            wanted = seeds_like(info.settings, [distribution.key])
            images = seed_images(wanted, interpreter, session)
            newer = all(Version(image.version) >= Version(distribution.version) for image in images)
            if newer or refusal_reason(distribution, interpreter):
                found.append(distribution.key)
        except (SeedError, ValueError):
            continue  # keep the installed one
    return tuple(found)
