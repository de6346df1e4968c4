"""The dependencies of seeds: found among local wheels if possible, else resolved by pip.

The local search is greedy. If it meets a conflict or finds nothing, pip resolves all of them from the index, unless
`--no-download` prevents that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement as Dependency

from cloche.errors import SeedError
from cloche.model.metadata import normalize_name
from cloche.model.value import Value, replace
from cloche.store.distributions import read_wheel
from cloche.store.markers import marker_environment
from cloche.store.requirements import Requirement
from cloche.store.seed_sources import INDEX, choose_distribution
from cloche.store.tags import incompatibility

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.distributions import Distribution


class Need(Value):
    """A dependency that no chosen distribution satisfies."""

    by: Distribution
    dependency: Dependency

    @property
    def name(self) -> str:
        return normalize_name(self.dependency.name)

    def __str__(self) -> str:
        specifier = f"{self.dependency.specifier}"
        return f"`{self.dependency.name}{specifier}` (required by {self.by.name} {self.by.version})"


def with_dependencies(
    chosen: Sequence[Distribution], interpreter: Interpreter, wanted: Wanted, store: Store
) -> list[Distribution]:
    """Return distributions together with everything that they depend on.

    :raises SeedError: a dependency cannot be found; the message names it.
    """
    found = list(chosen)
    while needs := list(unmet_needs(found, interpreter)):
        if dependency := _find_locally(needs, found, interpreter, wanted, store):
            found.append(dependency)
            continue
        if wanted.network == "never":
            raise _missing_error(needs, PREVENTED)
        found = _resolve_with_pip(chosen, interpreter, wanted, store)
        if needs := list(unmet_needs(found, interpreter)):
            raise _missing_error(needs, "pip did not download them")
    return found


def unmet_needs(distributions: Sequence[Distribution], interpreter: Interpreter) -> Iterator[Need]:
    """Yield the dependencies that are not among the distributions, or are among them in another version."""
    by_name = {distribution.name: distribution for distribution in distributions}
    extras: dict[str, set[str]] = {name: set() for name in by_name}
    applying: list[Need] = []
    while True:  # a dependency on `spam[extra]` adds those of the extra
        before = {name: set(requested) for name, requested in extras.items()}
        applying = [need for one in distributions for need in _needs_of(one, extras[one.name], interpreter)]
        for need in applying:
            extras.setdefault(need.name, set()).update(map(normalize_name, need.dependency.extras))
        if extras == before:
            break
    for need in applying:
        found = by_name.get(need.name)
        if found is None or not need.dependency.specifier.contains(found.version.replace("_", "-"), prereleases=True):
            yield need


def invalid_requirements(distributions: Sequence[Distribution], interpreter: Interpreter) -> Iterator[str]:
    """Yield a warning for each dependency that is not known: not a requirement (PEP 508), or its marker has no value."""
    for distribution in distributions:
        for text in distribution.requires:
            try:
                _applies(Dependency(text), set(), interpreter)
            except ValueError:
                yield f"not installed: `{text}` (required by {distribution.name} {distribution.version}) is not valid"


def _needs_of(distribution: Distribution, extras: set[str], interpreter: Interpreter) -> Iterator[Need]:
    """Yield the dependencies of a distribution that apply to an interpreter, with these extras."""
    for text in distribution.requires:
        try:
            dependency = Dependency(text)
            applies = _applies(dependency, extras, interpreter)
        except ValueError:
            continue
        if applies:
            yield Need(distribution, dependency)


def _applies(dependency: Dependency, extras: set[str], interpreter: Interpreter) -> bool:
    """Return whether a dependency applies to an interpreter, with these extras.

    :raises ValueError: its marker cannot be evaluated.
    """
    values, marker = marker_environment(interpreter), dependency.marker
    return marker is None or any(marker.evaluate({**values, "extra": extra}) for extra in ("", *sorted(extras)))


def _find_locally(
    needs: Sequence[Need], found: Sequence[Distribution], interpreter: Interpreter, wanted: Wanted, store: Store
) -> Distribution | None:
    """Return a local distribution for one of the needs; None if there is none, or what is found already conflicts."""
    names = {distribution.name for distribution in found}
    if any(need.name in names or need.dependency.url for need in needs):
        return None
    name = needs[0].name
    specifier = ",".join(
        str(need.dependency.specifier) for need in needs if need.name == name and need.dependency.specifier
    )
    try:
        return choose_distribution(
            Requirement(name, "", specifier), interpreter, replace(wanted, network="never"), store
        )
    except SeedError:
        return None


def _resolve_with_pip(
    chosen: Sequence[Distribution], interpreter: Interpreter, wanted: Wanted, store: Store
) -> list[Distribution]:
    """Download everything that the chosen distributions depend on.

    :raises SeedError: pip fails, or downloads something unsuitable.
    """
    from cloche.store.pip_downloads import download_with_dependencies
    from cloche.store.runnable_pip import runnable_pip

    roots = [one for one in chosen if one.kind == "wheel" and one.name != "pip"]
    store.inputs.undeclared.append(INDEX)
    names = [f"{one.name}=={one.version}" for one in roots]
    wheels = download_with_dependencies(names, interpreter, runnable_pip(interpreter, wanted, store), wanted, store)
    downloaded = {distribution.name: distribution for distribution in map(read_wheel, wheels)}
    for distribution in downloaded.values():
        if reason := incompatibility(distribution, interpreter):
            raise SeedError(
                f"pip downloaded {distribution.name} {distribution.version} for {interpreter.name}, but it {reason}",
                hint="name a directory that has the right wheels with `--find-links`",
            )
    kept = {distribution.name: distribution for distribution in chosen}
    return [*kept.values(), *(one for name, one in downloaded.items() if name not in kept)]


PREVENTED = "`--no-download` prevents downloads"


def _missing_error(needs: Sequence[Need], reason: str) -> SeedError:
    remedies = ["name a directory that has their wheels with `--find-links`", "install without them: `--no-deps`"]
    if reason == PREVENTED:
        remedies.insert(0, "leave out `--no-download`")
    return SeedError(
        f"dependencies of the seeds are missing, and {reason}: {', '.join(dict.fromkeys(map(str, needs)))}",
        hint=", or ".join(remedies),
    )
