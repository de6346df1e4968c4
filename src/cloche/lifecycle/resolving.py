"""Resolve a spec: search for its interpreter, ask the plugins for the rest, and cache the blueprint if that is safe.

A run whose blueprint is in the plan cache does not load this module.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from cloche.fs.inputs import UNRECORDED, Inputs
from cloche.lifecycle.cached_blueprints import Resolved, search, valid_entry
from cloche.model.plan import EnvironmentSpec
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.plan_cache import CachedPlan, consults_project
from cloche.planning.resolve import choose_images, resolve
from cloche.store.seeds import SeedStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.discovery import InterpreterListing
    from cloche.lifecycle.cached_blueprints import Check, Reuse
    from cloche.model.aliases import Compile, StartupRule
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Blueprint, Target, Wanted
    from cloche.model.runtime import Runtime
    from cloche.session import Session
    from cloche.store import Store


def resolve_spec(spec: EnvironmentSpec, session: Session, target: Target | None = None) -> Resolved:
    """Resolve a spec, and store the blueprint in the plan cache if all of its inputs are known.

    :param target: where the environment is going to be; seeds that are already installed there need no images.
    :raises ClocheError: any refusal.
    """
    project = Inputs()
    inputs = Inputs(session.host.cwd)
    registry = session.registry
    pythons, because = requested_pythons(spec, session, project)
    found = search(spec, pythons, because, session, registry.finders(spec.no_finders), inputs)

    def runtime_image(runtime: Runtime, interpreter: Interpreter, policy: Compile) -> Image:
        from cloche.store.runtimes import find_or_build_runtime

        return find_or_build_runtime(runtime, interpreter, session.store, policy)

    seed_store = seed_store_for(target, session)
    with recording(session.store, inputs):
        blueprint = resolve(spec, found.interpreter, because, registry, seed_store, inputs, runtime_image)
    will_repeat = set(session.warnings) <= set(found.warnings)  # the search runs every time and warns again
    reusable = all(image.root for image in blueprint.images)  # a run that installs them compiles the rest
    if will_repeat and reusable and not inputs.undeclared:
        store_blueprint(spec, pythons, blueprint, session, inputs, project)
    return Resolved(blueprint, registry.has_created_hooks, found)


@contextmanager
def recording(store: Store, inputs: Inputs) -> Iterator[None]:
    """Have the store record in `inputs` what it reads to choose images, until the end of the block."""
    before, store.inputs = store.inputs, inputs
    try:
        yield
    finally:
        store.inputs = before


def store_blueprint(
    spec: EnvironmentSpec,
    pythons: tuple[str, ...],
    blueprint: Blueprint,
    session: Session,
    inputs: Inputs,
    project: Inputs,
) -> None:
    """Store a blueprint in the plan cache, with the inputs that it depends on.

    :param project: the files of the project that may request a Python.
    """
    registry, host, plan_cache = session.registry, session.host, session.plan_cache
    inputs.update(registry.inputs)
    for path in imported_files():
        inputs.path(path)
    if inputs.server_choices:  # the settings that name the server may contain relative paths
        inputs.current_directory()
    cached = CachedPlan(
        blueprint=blueprint,
        specs=pythons,
        finders=tuple((finder.name, finder.reference, str(finder.source)) for finder in registry.all("finder")),
        offers=registry.offers if registry.has_objects else None,
        has_created_hooks=registry.has_created_hooks,
    )
    if consults_project(spec):
        of_request = replace(cached, blueprint=replace(blueprint, chosen_because=""))
        plan_cache.store(replace(spec, pythons=pythons, consult="nothing"), host, of_request, inputs.recorded)
        inputs.update(project)
    plan_cache.store(spec, host, cached, inputs.recorded)


def imported_files() -> Iterator[str]:
    """Yield the files of all imported modules that are not in the standard library: of cloche, plugins and their imports."""
    standard = os.path.dirname(os.__file__) + os.sep
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and (not path.startswith(standard) or "site-packages" in path):
            yield path


def entry_of_other_directory(spec: EnvironmentSpec, session: Session, reuse: Reuse, images: Check) -> Resolved | None:
    """Return the cached blueprint of a project that requests the same Python, and store it for this directory, too."""
    inputs = Inputs()
    pythons, because = requested_pythons(spec, session, inputs)
    entry = valid_entry(replace(spec, pythons=pythons, consult="nothing"), session, reuse, images)
    if entry is None:
        return None
    resolved, cached, recorded = entry
    if not session.warnings:  # those about the project are only known if its files are read
        stored = replace(cached, blueprint=replace(cached.blueprint, chosen_because=because))
        session.plan_cache.store(spec, session.host, stored, (*inputs.recorded, *recorded))
    return replace(resolved, blueprint=replace(resolved.blueprint, chosen_because=because))


def requested_pythons(spec: EnvironmentSpec, session: Session, inputs: Inputs) -> tuple[tuple[str, ...], str]:
    """Return the Python requests to search for, and the project file that they come from; empty if the user gave them."""
    if spec.pythons or spec.consult == "nothing":
        return spec.pythons, ""
    from cloche.discovery.project import find_project_request

    warnings: list[str] = []
    request = find_project_request(session.host, warnings, inputs)
    session.warn(warnings)
    return request


def interpreter_for(spec: EnvironmentSpec, session: Session) -> Interpreter:
    """Return the interpreter for a spec.

    :raises InterpreterNotFound: no interpreter matches.
    """
    pythons, because = requested_pythons(spec, session, UNRECORDED)
    return search(spec, pythons, because, session, session.registry.finders(spec.no_finders), UNRECORDED).interpreter


def list_pythons(spec: EnvironmentSpec, text: str | None, session: Session) -> InterpreterListing:
    """Return all interpreters on the machine, and the one that is used for `text`, or by default for the spec.

    :raises UsageError: `text` is not a valid Python request.
    """
    from cloche.discovery import list_interpreters

    pythons, because = ((), "") if text else requested_pythons(spec, session, UNRECORDED)
    finders, first = session.registry.finders(spec.no_finders), spec.try_first_with
    listing = list_interpreters(text, session.host, finders, session.probes, first, otherwise=pythons, because=because)
    session.warn(listing.found.warnings if listing.found else ())
    return listing


def seed_images(
    wanted: Wanted, interpreter: Interpreter, session: Session, rule: StartupRule = ("list", ())
) -> tuple[Image, ...]:
    """Return the images of seeds, for an environment that already exists.

    :param rule: what happens to those with startup code.
    :raises SeedError: a seed cannot be found, or the rule refuses it.
    """
    spec = EnvironmentSpec(wanted=wanted, startup_rule=rule)
    _, images = choose_images(spec, interpreter, session.registry, SeedStore(session.store), UNRECORDED)
    return images


def seed_store_for(target: Target | None, session: Session) -> SeedStore:
    """Return the interface of the store for seeders.

    :param target: an environment that may exist there keeps the seeds that are installed, so they need no images.
    """
    if target is None or target.existing != "keep" or not os.path.isdir(target.destination):
        return SeedStore(session.store)
    from cloche.planning.installed_seeds import is_kept
    from cloche.planning.layout import layout_of
    from cloche.planning.plan_at import environment_at

    def stays(name: str, version: str, wanted: Wanted, interpreter: Interpreter) -> bool:
        environment = environment_at(target.destination, target, interpreter, layout_of(interpreter), session.host)
        return is_kept(target.destination, name, version, wanted, environment)

    return SeedStore(session.store, stays)
