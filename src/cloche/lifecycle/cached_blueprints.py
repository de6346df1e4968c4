"""Blueprints of earlier runs: whether the one for a spec is still valid."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, Value, replace
from cloche.planning.plan_cache import are_intact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal, TypeAlias

    from cloche.discovery import FoundInterpreter
    from cloche.fs.inputs import Inputs
    from cloche.fs.signatures import Recorded
    from cloche.model.plan import Blueprint, EnvironmentSpec
    from cloche.planning.plan_cache import CachedPlan
    from cloche.plugins.hookspecs import Finder
    from cloche.session import Session

    Check: TypeAlias = Literal["checked", "unchecked"]
    """Whether the images of a cached blueprint are checked before it is reused."""

    Reuse: TypeAlias = Literal["decided", "any"]
    """Which cached blueprints are reused: only those whose files are all fixed by hashes, or also those whose files a server
    chose."""


class Resolved(Value):
    """The blueprint of a spec, and where it comes from."""

    blueprint: Blueprint
    has_created_hooks: bool
    """Whether a plugin implements the hook `cloche_created`."""
    found: FoundInterpreter | None = None
    """The result of the search; None if the interpreter was known without one."""
    is_cached: bool = False
    """Whether the blueprint was found in the plan cache."""


def valid_entry(
    spec: EnvironmentSpec, session: Session, reuse: Reuse, images: Check
) -> tuple[Resolved, CachedPlan, Recorded] | None:
    """Return the blueprint for a spec from the plan cache, with its entry and inputs; None if it is no longer valid.

    :param reuse: whether it is also returned if a server chose some of its files.
    :param images: whether it is also returned if the store has lost some of its images.
    """
    entry = session.plan_cache.find(spec, session.host)
    if entry is None:
        return None
    cached, recorded = entry
    if cached.blueprint.server_choices and reuse == "decided":
        return None
    if images == "checked" and not are_intact(cached.blueprint.all_images):
        return None
    resolved = revalidate(spec, cached, session)
    return None if resolved is None else (resolved, cached, recorded)


def revalidate(spec: EnvironmentSpec, cached: CachedPlan, session: Session) -> Resolved | None:
    """Return the blueprint of a cached plan if plugins and the search still give the same results; otherwise None."""
    blueprint, found = cached.blueprint, None
    searches = bool(cached.specs or spec.try_first_with)
    if cached.offers is None and not searches:
        return Resolved(blueprint, cached.has_created_hooks, is_cached=True)
    from cloche.fs.inputs import UNRECORDED

    if cached.offers is not None:
        if session.registry.offers != cached.offers:
            return None
        from cloche.planning.resolve import choose_activators

        activators = choose_activators(spec, blueprint.interpreter, session.registry, UNRECORDED)
        blueprint = replace(blueprint, activators=activators)
    if searches:
        from cloche.errors import InterpreterNotFound

        try:
            found = search(spec, cached.specs, "", session, cached_finders(spec, cached, session), UNRECORDED)
        except InterpreterNotFound:
            return None  # resolving the spec reports it
        if found.interpreter != blueprint.interpreter:
            return None
    return Resolved(blueprint, cached.has_created_hooks, found, is_cached=True)


def cached_finders(spec: EnvironmentSpec, cached: CachedPlan, session: Session) -> Iterable[Finder]:
    """Return the finders, without loading every plugin if no plugin offers objects."""
    if cached.offers is not None:
        return session.registry.finders(spec.no_finders)
    from cloche.plugins import LazyFinder

    return [LazyFinder(*finder) for finder in cached.finders if finder[0] not in spec.no_finders]


def search(
    spec: EnvironmentSpec,
    pythons: tuple[str, ...],
    because: str,
    session: Session,
    finders: Iterable[Finder],
    inputs: Inputs,
) -> FoundInterpreter:
    """Return the first interpreter that one of the finders finds for these Python requests.

    :param because: the project file that they come from; empty if the user gave them.
    :raises InterpreterNotFound: no interpreter matches.
    """
    from cloche.discovery import find_interpreter

    first = spec.try_first_with
    found = find_interpreter(
        pythons, session.host, finders, session.probes, try_first_with=first, because=because, inputs=inputs
    )
    session.warn(found.warnings)
    return found
