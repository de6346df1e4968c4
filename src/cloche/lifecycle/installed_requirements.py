"""The requirements of installed distributions, and whether what a Python sees meets them.

An environment may rely on what lies outside: the packages of the system, of the user, and of directories that `.pth` files
add. None of them moves with an environment to another Python.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from cloche.fs import list_names
from cloche.model.metadata import normalize_name, parse_metadata_name
from cloche.store.markers import marker_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.interpreter import Interpreter


def visible_versions(paths: Iterable[str]) -> dict[str, str]:
    """Return the versions of the distributions in these directories, by normalized name; of two, the first one counts.

    A version is empty if the name of its metadata does not tell it.
    """
    found: dict[str, str] = {}
    for path in paths:
        for name in list_names(path):
            if name.endswith((".dist-info", ".egg-info", ".egg")):
                key, version = parse_metadata_name(name)
                found.setdefault(key, version)
            elif name.endswith(".egg-link"):
                found.setdefault(normalize_name(name.removesuffix(".egg-link")), "")
    return found


def with_requirements(
    names: Iterable[str], distributions: Iterable[InstalledDistribution], interpreter: Interpreter
) -> set[str]:
    """Return the keys of distributions of these names, and of what they require, directly or not."""
    by_key = {distribution.key: distribution for distribution in distributions}
    found: set[str] = set()
    pending = [*names]
    while pending:
        key = pending.pop()
        if key not in found and (distribution := by_key.get(key)):
            found.add(key)
            pending += (normalize_name(item.name) for item in applicable_requirements(distribution, interpreter))
    return found


def applicable_requirements(distribution: InstalledDistribution, interpreter: Interpreter) -> Iterator[Requirement]:
    """Yield the requirements of a distribution that apply to an interpreter; those of extras are left out."""
    variables = {**marker_environment(interpreter), "extra": ""}
    for text in distribution.requires:
        try:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(variables):
                yield requirement
        except ValueError:  # not a requirement, or a marker that cannot be evaluated
            continue


def unmet_requirements(
    distributions: Iterable[InstalledDistribution], visible: Mapping[str, str], interpreter: Interpreter
) -> Iterator[tuple[str, str]]:
    """Yield the requirements that visible distributions do not meet: the key of the distribution, and the requirement.

    Optional dependencies (extras) are left out, because nothing records which of them the user asked for.
    """
    for distribution in distributions:
        for requirement in applicable_requirements(distribution, interpreter):
            if not is_met(requirement, visible):
                yield distribution.key, str(requirement)


def is_met(requirement: Requirement, visible: Mapping[str, str]) -> bool:
    """Return whether visible distributions meet a requirement; a version that is unknown does."""
    version = visible.get(normalize_name(requirement.name))
    if not version:
        return version is not None
    try:
        return requirement.specifier.contains(version, prereleases=True)
    except ValueError:
        return True


def site_paths(root: str, sites: Iterable[str]) -> list[str]:
    """Return the absolute paths of `site-packages` directories."""
    return [os.path.join(root, *site.split("/")) for site in sites]
