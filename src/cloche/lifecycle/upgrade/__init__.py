"""Plan the upgrade of an environment, and upgrade it in place if the ABI of its Python does not change.

An upgrade in place is a rebase: only the files that name the base interpreter change. For another ABI, `rebuild`
creates a new environment.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.errors import ClocheError, InterpreterNotFound, SeedError, UsageError
from cloche.lifecycle.doctor.checks.python import check_other_versions, check_start
from cloche.lifecycle.doctor.checks.scripts import check_moved
from cloche.lifecycle.doctor.diagnosis import diagnose, open_case
from cloche.lifecycle.doctor.repair import plan_repairs
from cloche.lifecycle.examination import Examination, ask_python, examine, modules_of
from cloche.lifecycle.installed import site_directories
from cloche.lifecycle.installed_requirements import site_paths, unmet_requirements, visible_versions
from cloche.lifecycle.installed_startup_code import startup_rule
from cloche.lifecycle.reader import implementation_and_build, recorded_release
from cloche.lifecycle.rebase import has_same_abi, is_same_release, rebase, version_like
from cloche.lifecycle.recorded_command import recorded_lock, seeds_like
from cloche.lifecycle.resolving import interpreter_for, seed_images
from cloche.lifecycle.seed_replacement import apply_overlay, reinstall_seeds
from cloche.lifecycle.upgrade.inventory import Inventory, Loss, refusal_reason, take_inventory
from cloche.model.plan import EnvironmentSpec
from cloche.model.value import Value, replace
from cloche.planning.destination import absolute_path
from cloche.planning.pyvenv_cfg import lock_digest, sees_system_packages
from cloche.store.startup_code import refuse_startup_code

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

    Losses: TypeAlias = Literal["refused", "allowed"]
    """Whether losses are allowed."""


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
    current = info.environment.interpreter
    if pythons:
        interpreter = interpreter_for(EnvironmentSpec(pythons=tuple(pythons)), session)
    elif seeds == "newest" and current is not None:
        interpreter = current
    else:
        interpreter = newest_patch(info, session)
    wanted = tuple(distribution.key for distribution in info.seeds) if seeds == "newest" else ()
    locked = lock_request_of(info)
    images = seed_images(locked, interpreter, session) if locked else ()
    is_selected = locked is None or info.settings.get("lock") == f"sha256:{lock_digest(images)}"
    if info.is_portable:
        if is_selected and current is not None and is_same_release(current, interpreter):
            return UpgradePlan("nothing", case, interpreter, seeds=wanted, rule=rule)
    elif is_usable(case) and is_created_for(info, interpreter) and is_selected:
        if (
            current is not None
            and interpreter.executable == current.executable
            and is_recorded_version(info, interpreter)
        ):
            return UpgradePlan("nothing", case, interpreter, seeds=wanted, rule=rule)
        if current is None or has_same_abi(current, interpreter):
            return UpgradePlan("rebase", case, interpreter, seeds=wanted, rule=rule)
    if locked is not None:
        names = (
            *(image.distribution for image in images),
            *(item.key for item in info.distributions if was_installed_by_cloche(item)),
        )
        return UpgradePlan(
            "rebuild", case, interpreter, take_inventory(info, interpreter, names), rule=rule, locked=locked
        )
    seeded = renewable_seeds(info, interpreter, wanted or ("pip",), session)
    if all(distribution.key != "pip" for distribution in info.distributions) and has_script(info.environment, "pip"):
        seeded = (*seeded, "pip")  # its package was lost with `site-packages`
    return UpgradePlan("rebuild", case, interpreter, take_inventory(info, interpreter, seeded), seeded, rule)


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


def upgrade_in_place(upgrade: UpgradePlan, session: Session, *, losses: Losses = "refused") -> UpgradeResult:
    """Upgrade an environment in place: rebase it onto an interpreter of its ABI, and upgrade seeds, as planned.

    :raises ClocheError: something would be lost and losses are not allowed, an operation failed, or the environment does
        not work afterwards; nothing was changed.
    """
    lost = lost_in_place(upgrade, session)
    refuse_losses(lost, losses)
    case, info = upgrade.case, upgrade.info
    findings = [
        finding
        for finding in diagnose(case, (check_moved, check_other_versions))
        if finding.code in ("moved", "name-of-other-version")
    ]
    overlay, _ = plan_repairs(case, findings, session, upgrade.rule)
    environment = info.environment
    if upgrade.kind == "rebase":
        rebase(overlay, environment, upgrade.interpreter, session)
    environment = replace(environment, interpreter=upgrade.interpreter)
    seeded: tuple[str, ...] = ()
    if wanted := outdated_seeds(upgrade, session):
        seeded = tuple(reinstall_seeds(overlay, replace(info, environment=environment), wanted, upgrade.rule, session))
    overlay.update_checksums()
    modules = modules_of(info.distributions)
    before = examine(info.environment, session.host) if overlay.changed else case.examination

    def verify() -> None:
        after = examine(environment, session.host, modules)
        if after.failure:
            raise verification_error(environment, f"its Python does not start: {after.failure}")
        if after.version[:3] != upgrade.interpreter.version[:3]:
            actual = ".".join(map(str, after.version))
            raise verification_error(environment, f"its Python is {actual}, not {upgrade.interpreter.version_text}")
        if after.seed and not before.seed:
            raise verification_error(environment, f"pip does not run: {after.seed}")

    apply_overlay(overlay, verify, info, session, case.identity)
    return UpgradeResult(environment, tuple(lost), seeds=seeded)


def lost_requirements(
    upgrade: UpgradePlan, distributions: Sequence[InstalledDistribution], paths: Sequence[str], user_site: str
) -> list[Loss]:
    """Return the distributions with requirements that are met now, by something outside too, and not after the upgrade.

    :param distributions: the distributions of the upgraded environment.
    :param paths: the directories that its Python searches.
    :param user_site: the directory for the packages of the user of its Python.
    """
    info, before = upgrade.info, upgrade.case.examination
    sees_system = sees_system_packages(info.settings)
    visible_then = visible_versions([*paths, *([user_site] if sees_system else [])])
    unmet_then = list(unmet_requirements(distributions, visible_then, upgrade.interpreter))
    if not unmet_then:
        return []
    visible_now = visible_versions([*searched_paths(upgrade), *([before.user_site] if sees_system else [])])
    unmet_now = {*unmet_requirements(info.distributions, visible_now, info.base or describe_lost_base(upgrade))}
    names = {distribution.key: f"{distribution.name} {distribution.version}" for distribution in distributions}
    lost: dict[str, list[str]] = {}
    for key, requirement in unmet_then:
        if (key, requirement) not in unmet_now:
            lost.setdefault(names[key], []).append(requirement)
    return [
        Loss(item, f"it requires {', '.join(requirements)}, which only its old Python has", is_absent=False)
        for item, requirements in lost.items()
    ]


def searched_paths(upgrade: UpgradePlan) -> Sequence[str]:
    """Return the directories that the Python of an environment searches; only its own ones if it does not start."""
    sites = site_directories(upgrade.info.environment.layout)
    return upgrade.case.examination.path or site_paths(upgrade.location, sites)


def describe_lost_base(upgrade: UpgradePlan) -> Interpreter:
    """Return a description of a base interpreter that no longer exists: the new one, with the recorded version."""
    version = recorded_release(upgrade.info.settings)
    return replace(upgrade.interpreter, version=version) if version else upgrade.interpreter


def lost_in_place(upgrade: UpgradePlan, session: Session) -> list[Loss]:
    """Return what an upgrade in place would lose: requirements that packages of the present base interpreter meet."""
    info = upgrade.info
    if upgrade.kind != "rebase" or not sees_system_packages(info.settings):
        return []
    base, current = ask_python(upgrade.interpreter.executable, session.host), info.base
    present = ask_python(current.executable, session.host) if current is not None else Examination("")
    own = [path for path in searched_paths(upgrade) if path not in present.path]
    return lost_requirements(upgrade, info.distributions, [*own, *base.path], base.user_site)


def refuse_losses(lost: Sequence[Loss], losses: Losses) -> None:
    """Refuse losses that are not allowed.

    :raises ClocheError: something would be lost.
    """
    if lost and losses == "refused":
        shown = "; ".join(f"{loss.item}: {loss.reason}" for loss in lost)
        raise ClocheError(
            f"not everything can be kept: {shown}", hint="`--allow-loss` continues without it; nothing was changed"
        )


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


def outdated_seeds(upgrade: UpgradePlan, session: Session) -> tuple[str, ...]:
    """Return the seeds to upgrade for which a version other than the installed one is available.

    :raises StartupCodeRefused: one of them has startup code that is refused.
    """
    installed = {distribution.key: distribution.version for distribution in upgrade.info.distributions}
    found: list[str] = []
    for name in renewable_seeds(upgrade.info, upgrade.interpreter, upgrade.seeds, session):
        images = seed_images(seeds_like(upgrade.info.settings, [name]), upgrade.interpreter, session)
        newer = [image for image in images if image.version != installed[image.distribution]]
        if upgrade.rule[0] == "refuse":
            refuse_startup_code(newer, upgrade.rule[1])
        found += (image.distribution for image in newer)
    return tuple(found)


def verification_error(environment: Environment, reason: str, remedy: str = "") -> ClocheError:
    """Return the error for an environment that failed its verification."""
    return ClocheError(f"`{environment.location}` would not work: {reason}; nothing was changed", hint=remedy or None)
