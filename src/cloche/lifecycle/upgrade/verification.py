"""Verify an upgraded environment: its Python starts, and what worked before still works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.errors import ClocheError
from cloche.lifecycle.examination import examine, modules_of, refuse_new_damage, started_python
from cloche.lifecycle.info import SEEDS
from cloche.lifecycle.installed import site_directories
from cloche.lifecycle.upgrade.successors import key_of
from cloche.model.value import replace
from cloche.planning.pyvenv_cfg import sees_system_packages
from cloche.store.recorded_successors import import_key, is_known_to_import

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from cloche.lifecycle.examination import Examination, PythonRun
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.upgrade.plan import UpgradePlan
    from cloche.lifecycle.upgrade.successors import Successors
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.session import Session


def import_key_for(
    upgrade: UpgradePlan,
    images: Iterable[Image],
    successors: Successors,
    found: Iterable[InstalledDistribution],
    session: Session,
) -> str:
    """Return the key for whether the modules of scripts can be imported, and pip runs; empty if more than images decides this."""
    assert upgrade.inventory is not None
    sites = tuple(f"{site}/" for site in site_directories(upgrade.info.environment.layout))
    sees_more = sees_system_packages(upgrade.info.settings)
    has_more = successors.installed or any(path.startswith(sites) for path in upgrade.inventory.loose)
    if sees_more or has_more:
        return ""
    others = [key_of(distribution, upgrade.roots, upgrade.interpreter) for distribution in successors.copied]
    return import_key(images, others, modules_of(found), upgrade.interpreter, session.host.environ)


def started_rebuilt(
    environment: Environment, staged: str, known: str, session: Session
) -> AbstractContextManager[PythonRun]:
    """Return the context manager that starts the Python of a staged environment; see `started_python`.

    :param known: the key for whether the modules of scripts can be imported, and pip runs; if they did before, they are only
        searched for.
    """
    actual = replace(environment, location=staged)
    is_known = bool(known) and is_known_to_import(known, session.store)
    return started_python(actual, session.host, parents="found" if is_known else "imported", seed=not is_known)


def verify_rebuilt(
    environment: Environment,
    location: str,
    after: Examination,
    found: Iterable[InstalledDistribution],
    upgrade: UpgradePlan,
    session: Session,
) -> None:
    """Verify the new environment in the directory `location`: its staging tree, or its final path.

    :param after: its examination there.
    :param found: the distributions whose scripts are verified; they do not depend on the path.
    :raises ClocheError: something that worked in the old environment does not work in the new one.
    """
    actual, host = replace(environment, location=location), session.host
    is_staged = location != environment.location
    if after.failure:
        raise verification_error(environment, f"its Python does not start: {after.failure}")
    if after.version[:2] != upgrade.interpreter.version[:2]:
        raise verification_error(
            environment, f"its Python is {'.'.join(map(str, after.version))}, not {upgrade.interpreter.version_text}"
        )
    if is_staged:
        before: list[Examination] = []

        def examine_old() -> Examination:
            before.append(examine(upgrade.info.environment, host, modules_of(found), parents="imported"))
            return before[0]

        try:
            refuse_new_damage(actual, examine_old, after)
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
    if not owners:
        return ""
    uninstall = f"run `python -m pip uninstall {' '.join(owners)}` in the environment"
    return f"{uninstall}, upgrade it, and install these packages again"


def verification_error(environment: Environment, reason: str, remedy: str = "") -> ClocheError:
    """Return the error for an environment that failed its verification."""
    return ClocheError(f"`{environment.location}` would not work: {reason}; nothing was changed", hint=remedy or None)
