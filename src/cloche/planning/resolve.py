"""Choose what an environment consists of: a request and an interpreter become a blueprint.

It asks plugins and the store and never hears of a destination, so what it decides holds for any, and can be remembered.
"""

from __future__ import annotations

from cloche.errors import ClocheError, PluginError, UsageError
from cloche.model.distribution import Image
from cloche.model.plan import Blueprint, ChosenComponent
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.layout import layout_of
from cloche.planning.validate import flaw, missing
from cloche.plugins.components import KINDS
from cloche.plugins.guard import guarded, omission
from cloche.plugins.registry import ALIASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.model.request import Request
    from cloche.plugins.components import Component
    from cloche.plugins.hookspecs import Activator, Creator, Seeder, SeedStore
    from cloche.plugins.registry import Registry


def draw(request: Request, interpreter: Interpreter, because: str, registry: Registry, store: SeedStore) -> Blueprint:
    """Choose creator, seeds and activators for an interpreter.

    :raises UsageError: something was asked for by name that there is not, or that refuses this interpreter.
    :raises SeedError: a seed cannot be had.
    :raises PluginError: something that was chosen is broken.
    """
    refuse_unknown_options(request, registry)
    creator_name, creator = choose_creator(request, interpreter, registry)
    provided = registry.find("creator", creator_name)
    layout = layout_of(interpreter, own_options(request, provided))
    seeder_name, images = choose_images(request, interpreter, registry, store)
    activators, left_out = choose_activators(request, interpreter, registry)
    return Blueprint(
        interpreter=interpreter,
        chosen_because=because,
        layout=layout,
        creator=creator_name,
        operations=operations_by(creator, provided, interpreter, layout),
        seeder=seeder_name,
        images=images,
        activators=activators,
        notes=left_out,
    )


def choose_creator(request: Request, interpreter: Interpreter, registry: Registry) -> tuple[str, Creator]:
    """Return the creator that was asked for, else the first of the default ones that serves the interpreter."""
    defaults = ["copy" if interpreter.os_name == "nt" else "symlink", "venv"]
    asked = ALIASES["creator"].get(request.creator or "", request.creator)
    wanted = registry.find("creator", asked).name if asked else None
    refusals = []
    for name in defaults if wanted is None else [wanted]:
        provided = registry.find("creator", name)
        creator: Creator = provided.resolve()
        refusal = refusal_of(creator, provided, interpreter)
        if refusal is None:
            return name, creator
        refusals.append(f"`{name}`: {refusal}")
    raise UsageError(
        f"no creator serves {interpreter.name}: {'; '.join(refusals)}",
        hint="choose another with `--creator`" if wanted else "a plugin may serve it",
    )


def operations_by(
    creator: Creator, provided: Component, interpreter: Interpreter, layout: Layout
) -> tuple[Operation, ...]:
    """Return what makes the environment, without seeds and scripts.

    :raises PluginError: the creator fails, or gives what cannot be performed or makes no Python.
    """
    operations = guarded(
        lambda: tuple(creator.operations(interpreter, layout)), "creator", provided.name, provided.source
    )
    if problem := flaw(operations):
        raise PluginError(f"creator `{provided.name}` of plugin {provided.source} is broken: {problem}")
    if path := missing(operations, [layout.executable]):
        raise PluginError(f"creator `{provided.name}` of plugin {provided.source} is broken: it makes no `{path}`")
    return operations


def choose_images(
    request: Request, interpreter: Interpreter, registry: Registry, store: SeedStore
) -> tuple[str | None, tuple[Image, ...]]:
    """Return the seeder's name and its images; (None, ()) for an environment without seeds."""
    if request.wanted is None:
        return None, ()
    provided = registry.find("seeder", request.seeder or "pip")
    seeder: Seeder = provided.resolve()
    refusal = refusal_of(seeder, provided, interpreter)
    if refusal is not None:
        raise UsageError(
            f"seeder `{provided.name}` refuses {interpreter.name}: {refusal}",
            hint="choose another with `--seeder`, or make the environment without seeds: `--no-seed`",
        )
    wanted = replace(request.wanted, options=own_options(request, provided))
    images = guarded(lambda: tuple(seeder.images(interpreter, wanted, store)), "seeder", provided.name, provided.source)
    for image in images:
        if type(image) is not Image:
            raise PluginError(
                f"seeder `{provided.name}` of plugin {provided.source} gives {image!r}, which is no image"
            )
    return provided.name, images


def choose_activators(
    request: Request, interpreter: Interpreter, registry: Registry
) -> tuple[tuple[ChosenComponent, ...], tuple[str, ...]]:
    """Return the activators that were asked for, else all that do not refuse the interpreter, by name.

    With them comes why others were left out that nobody asked for and that failed.
    """
    by_name = request.activators is not None
    chosen: dict[str, ChosenComponent] = {}
    left_out: list[str] = []
    for provided in activators_to_ask(request, registry):
        try:
            refusal = refusal_of(provided.resolve(), provided, interpreter)
        except ClocheError as error:
            if by_name:
                raise
            left_out.append(omission(provided.name, provided.source, error))
            continue
        if refusal is None:
            chosen[provided.name] = ChosenComponent(
                provided.name,
                provided.reference or provided.item,
                "by name" if by_name else "by default",
                str(provided.source),
                own_options(request, provided),
            )
        elif by_name:
            raise UsageError(
                f"activator `{provided.name}` refuses {interpreter.name}: {refusal}",
                hint="leave it out of `--activators`",
            )
    return tuple(chosen.values()), tuple(left_out)


def activators_to_ask(request: Request, registry: Registry) -> list[Component]:
    """Return the activators that were asked for, else all that there are, by name."""
    if request.activators is not None:
        return [registry.find("activator", name) for name in request.activators]
    return sorted(registry.all("activator"), key=lambda one: one.name)


def refusal_of(item: Creator | Seeder | Activator, provided: Component, interpreter: Interpreter) -> str | None:
    """Return why what a plugin gives cannot serve an interpreter; None if it can.

    :raises PluginError: it fails, or gives something else than a sentence.
    """
    refusal: object = guarded(lambda: item.refusal(interpreter), provided.kind, provided.name, provided.source)
    if refusal is None or (isinstance(refusal, str) and refusal.strip()):
        return refusal
    raise PluginError(
        f"{provided.kind} `{provided.name}` of plugin {provided.source} refuses with {refusal!r}, which is no sentence"
    )


def refuse_unknown_options(request: Request, registry: Registry) -> None:
    """:raises UsageError: an option that nothing has declared would silently do nothing."""
    declared = {option.name for kind in KINDS for one in registry.all(kind) for option in one.options}
    if unknown := request.options.keys() - declared:
        there = ", ".join(f"`{name}`" for name in sorted(declared))
        raise UsageError(
            f"no plugin has an option `{min(unknown)}`", hint=f"there are {there}" if declared else "no plugin has any"
        )


def own_options(request: Request, provided: Component) -> Mapping[str, object]:
    """Return what the user chose among the options that one component declared."""
    return {option.name: request.options[option.name] for option in provided.options if option.name in request.options}
