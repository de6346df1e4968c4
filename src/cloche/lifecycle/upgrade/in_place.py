"""Upgrade an environment in place, for an interpreter of the same ABI: only the files that name the base interpreter change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.lifecycle.doctor.checks.python import check_other_versions
from cloche.lifecycle.doctor.checks.scripts import check_moved
from cloche.lifecycle.doctor.diagnosis import diagnose
from cloche.lifecycle.doctor.repair import plan_repairs
from cloche.lifecycle.examination import Examination, ask_python, examine, modules_of
from cloche.lifecycle.rebase import rebase
from cloche.lifecycle.recorded_command import seeds_like
from cloche.lifecycle.resolving import seed_images
from cloche.lifecycle.seed_replacement import apply_overlay, reinstall_seeds
from cloche.lifecycle.upgrade.losses import lost_requirements, refuse_losses, searched_paths
from cloche.lifecycle.upgrade.plan import UpgradeResult, renewable_seeds
from cloche.lifecycle.upgrade.verification import verification_error
from cloche.model.value import replace
from cloche.planning.pyvenv_cfg import sees_system_packages
from cloche.store.startup_code import refuse_startup_code

if TYPE_CHECKING:
    from cloche.lifecycle.upgrade.inventory import Loss
    from cloche.lifecycle.upgrade.losses import Losses
    from cloche.lifecycle.upgrade.plan import UpgradePlan
    from cloche.session import Session


def upgrade_in_place(upgrade: UpgradePlan, session: Session, *, losses: Losses) -> UpgradeResult:
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


def lost_in_place(upgrade: UpgradePlan, session: Session) -> list[Loss]:
    """Return what an upgrade in place would lose: requirements that packages of the present base interpreter meet."""
    info = upgrade.info
    if upgrade.kind != "rebase" or not sees_system_packages(info.settings):
        return []
    base, current = ask_python(upgrade.interpreter.executable, session.host), info.base
    present = ask_python(current.executable, session.host) if current is not None else Examination("")
    own = [path for path in searched_paths(upgrade) if path not in present.path]
    return lost_requirements(upgrade, info.distributions, [*own, *base.path], base.user_site)
