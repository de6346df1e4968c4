"""Resolve what an environment consists of: a spec and an interpreter become a blueprint.

This asks plugins and the store, and is never told where the environment goes. So a blueprint holds for any place, and
may be kept as long as the inputs that were recorded on the way are unchanged.
"""

from __future__ import annotations

from cloche.errors import PluginError, UsageError
from cloche.model.distribution import Image
from cloche.model.plan import Blueprint, ChosenComponent
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.layout import layout_of
from cloche.planning.validate import find_missing_path, find_problem
from cloche.plugins.components import KINDS
from cloche.plugins.guard import call_component, refusal_of
from cloche.plugins.registry import ALIASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloche.fs.inputs import Inputs
    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.model.request import EnvironmentSpec
    from cloche.plugins.components import Component
    from cloche.plugins.hookspecs import Creator, Seeder, SeedStore
    from cloche.plugins.registry import Registry


def resolve(
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    because: str,
    registry: Registry,
    store: SeedStore,
    inputs: Inputs,
) -> Blueprint:
    """Choose the creator, the seeds and the activators for an interpreter.

    :param because: what chose the interpreter, for people; empty if the user did.
    :param inputs: records what the creator and the seeder say they read; the store records what it reads itself.
    :raises UsageError: a component that was asked for by name does not exist, or refuses the interpreter.
    :raises SeedError: a seed cannot be found.
    :raises PluginError: a component that was chosen is broken.
    """
    refuse_unknown_options(spec, registry)
    creator, make = choose_creator(spec, interpreter, registry)
    layout = layout_of(interpreter, own_options(spec, creator))
    record_inputs(creator, make, lambda inputs_of: inputs_of(interpreter, layout), inputs)
    seeder, images = choose_images(spec, interpreter, registry, store, inputs)
    return Blueprint(
        spec=spec,
        interpreter=interpreter,
        chosen_because=because,
        layout=layout,
        creator=creator.name,
        operations=creator_operations(make, creator, interpreter, layout),
        seeder=seeder,
        images=images,
        activators=choose_activators(spec, registry),
    )


def record_inputs(
    component: Component, item: object, ask: Callable[[Callable[..., Iterable[str]]], Iterable[str]], inputs: Inputs
) -> None:
    """Record what a creator or seeder says it reads, before it reads it.

    :param ask: calls the `inputs` method of the component with its arguments.
    :raises PluginError: the component fails, or returns something other than paths.
    """
    inputs_of = getattr(item, "inputs", None)
    if inputs_of is None:
        inputs.undeclared.append(f"{component.kind} `{component.name}` of plugin {component.source}")
        return
    paths = call_component(lambda: tuple(ask(inputs_of)), component.kind, component.name, component.source)
    for path in paths:
        if not isinstance(path, str):
            raise PluginError(
                f"{component.kind} `{component.name}` of plugin {component.source} is broken: "
                f"`inputs` returned {path!r}, expected a path as text"
            )
        inputs.entries(path)


def choose_creator(spec: EnvironmentSpec, interpreter: Interpreter, registry: Registry) -> tuple[Component, Creator]:
    """Return the creator that was asked for, else the first of the default ones that serves the interpreter."""
    defaults = ["copy" if interpreter.os_name == "nt" else "symlink", "venv"]
    asked = ALIASES["creator"].get(spec.creator or "", spec.creator)
    wanted = registry.find("creator", asked).name if asked else None
    refusals = []
    for name in defaults if wanted is None else [wanted]:
        component = registry.find("creator", name)
        creator: Creator = component.load()
        refusal = refusal_of(creator, interpreter, *origin(component))
        if refusal is None:
            return component, creator
        refusals.append(f"`{name}`: {refusal}")
    raise UsageError(
        f"no creator supports {interpreter.name}: {'; '.join(refusals)}",
        hint="choose another one with `--creator`" if wanted else "a plugin may support it",
    )


def creator_operations(
    creator: Creator, component: Component, interpreter: Interpreter, layout: Layout
) -> tuple[Operation, ...]:
    """Return what creates the environment, without seeds and scripts.

    :raises PluginError: the creator fails, its operations cannot be performed, or they make no Python.
    """
    operations = call_component(
        lambda: tuple(creator.operations(interpreter, layout)), "creator", component.name, component.source
    )
    if problem := find_problem(operations):
        raise PluginError(f"creator `{component.name}` of plugin {component.source} is broken: {problem}")
    if path := find_missing_path(operations, [layout.executable]):
        raise PluginError(f"creator `{component.name}` of plugin {component.source} is broken: it makes no `{path}`")
    return operations


def choose_images(
    spec: EnvironmentSpec, interpreter: Interpreter, registry: Registry, store: SeedStore, inputs: Inputs
) -> tuple[str | None, tuple[Image, ...]]:
    """Return the seeder's name and its images; (None, ()) for an environment without seeds."""
    if spec.wanted is None:
        return None, ()
    component = registry.find("seeder", spec.seeder or "pip")
    seeder: Seeder = component.load()
    refusal = refusal_of(seeder, interpreter, *origin(component))
    if refusal is not None:
        raise UsageError(
            f"seeder `{component.name}` does not support {interpreter.name}: {refusal}",
            hint="choose another one with `--seeder`, or create the environment without seeds: `--no-seed`",
        )
    wanted = replace(spec.wanted, options=own_options(spec, component))
    record_inputs(component, seeder, lambda inputs_of: inputs_of(interpreter, wanted, store), inputs)
    images = call_component(
        lambda: tuple(seeder.images(interpreter, wanted, store)), "seeder", component.name, component.source
    )
    for image in images:
        if type(image) is not Image:
            raise PluginError(
                f"seeder `{component.name}` of plugin {component.source} is broken: "
                f"`images` returned {image!r}, expected a `cloche.Image`"
            )
    return component.name, images


def choose_activators(spec: EnvironmentSpec, registry: Registry) -> tuple[ChosenComponent, ...]:
    """Return the activators that were asked for, in that order; else all of them, by name."""
    if spec.activators is None:
        asked, components = "by default", sorted(registry.all("activator"), key=lambda one: one.name)
    else:
        named = [registry.find("activator", name) for name in spec.activators]
        asked, components = "by name", [*{one.name: one for one in named}.values()]
    return tuple(
        ChosenComponent(one.name, one.reference or one.item, asked, str(one.source), own_options(spec, one))
        for one in components
    )


def origin(component: Component) -> tuple[str, str, object]:
    """Return kind, name and plugin of a component, as messages name it."""
    return component.kind, component.name, component.source


def refuse_unknown_options(spec: EnvironmentSpec, registry: Registry) -> None:
    """:raises UsageError: no component declares one of the options, so it would silently do nothing."""
    declared = {option.name for kind in KINDS for one in registry.all(kind) for option in one.options}
    if unknown := spec.options.keys() - declared:
        available = ", ".join(f"`{name}`" for name in sorted(declared))
        raise UsageError(
            f"unknown plugin option `{min(unknown)}`",
            hint=f"available: {available}" if declared else "no plugin declares any option",
        )


def own_options(spec: EnvironmentSpec, component: Component) -> Mapping[str, object]:
    """Return what the user chose among the options that one component declared."""
    return {option.name: spec.options[option.name] for option in component.options if option.name in spec.options}
