"""What an upgrade would lose: packages, requirements that nothing meets any more, and editable installs that break."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.errors import ClocheError
from cloche.lifecycle.installed import site_directories
from cloche.lifecycle.installed_requirements import site_paths, unmet_requirements, visible_versions
from cloche.lifecycle.reader import recorded_release
from cloche.lifecycle.upgrade.inventory import Loss, item_of
from cloche.model.value import replace
from cloche.planning.pyvenv_cfg import sees_system_packages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Literal, TypeAlias

    from cloche.lifecycle.examination import Examination
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.upgrade.inventory import Inventory
    from cloche.lifecycle.upgrade.plan import UpgradePlan
    from cloche.model.interpreter import Interpreter

    Losses: TypeAlias = Literal["refused", "allowed"]
    """Whether losses are allowed."""


def refuse_losses(lost: Sequence[Loss], losses: Losses) -> None:
    """Refuse losses that are not allowed.

    :raises ClocheError: something would be lost.
    """
    if lost and losses == "refused":
        shown = "; ".join(f"{loss.item}: {loss.reason}" for loss in lost)
        raise ClocheError(
            f"not everything can be kept: {shown}", hint="`--allow-loss` continues without it; nothing was changed"
        )


def missing_packages(inventory: Inventory, found: Iterable[InstalledDistribution], lost: Sequence[Loss]) -> list[Loss]:
    """Return the packages that a staged environment should have but lacks, or has in another version.

    :param found: the distributions in it.
    """
    staged_versions = {distribution.key: distribution.version for distribution in found}
    known = {loss.item for loss in lost}
    return [
        Loss(item_of(distribution), f"the new environment has {staged_versions.get(distribution.key, 'no version')}")
        for distribution in (*inventory.carried, *inventory.reinstalled)
        if item_of(distribution) not in known
        and staged_versions.get(distribution.key) != distribution.version
        and not distribution.editable
    ]


def unmet_after(upgrade: UpgradePlan, found: Sequence[InstalledDistribution], after: Examination) -> list[Loss]:
    """Return the packages in a staged environment with requirements that were met before and no longer are."""
    return [] if after.failure else lost_requirements(upgrade, found, after.path, after.user_site)


def broken_editables(
    upgrade: UpgradePlan,
    found: Iterable[InstalledDistribution],
    modules: Mapping[str, Sequence[str]],
    after: Examination,
) -> list[Loss]:
    """Return the editable installs in a staged environment whose modules could be imported before and no longer can.

    For example, meson-python needs its build tools at run time, and pip removes the environment that it builds in.

    :param modules: the modules of editable installs, by metadata directory.
    """
    before, losses = upgrade.case.examination.problems, []
    for distribution in found:
        for name in modules.get(distribution.metadata, ()):
            if after.problems.get(name) and before.get(name) == "":
                losses.append(
                    Loss(item_of(distribution), f"`import {name}` fails: {after.problems[name]}", is_absent=False)
                )
                break
    return losses


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
    names = {distribution.key: item_of(distribution) for distribution in distributions}
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
