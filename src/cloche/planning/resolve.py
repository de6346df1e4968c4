"""Resolve a blueprint: choose the components of an environment, and collect their operations and images.

This is the first step of planning. It asks plugins and the store, and does not know the destination. A blueprint is
therefore valid for every destination, and can be cached as long as its recorded inputs are unchanged. There is one exception,
which is not cached: a store that is told which seeds an existing environment keeps has no images for them.
"""

from __future__ import annotations

from cloche.errors import ClocheError, UsageError
from cloche.model.distribution import Image
from cloche.model.plan import Blueprint, ChosenComponent
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.component_options import check_options, own_options
from cloche.planning.layout import layout_of
from cloche.planning.validate import find_missing_path, find_operation_problem, find_runtime_problem
from cloche.plugins import as_tuple, call_component, is_built_in, refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    from cloche.fs.inputs import Inputs
    from cloche.model.aliases import Compile
    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.model.plan import EnvironmentSpec
    from cloche.model.runtime import Runtime
    from cloche.plugins.components import Component
    from cloche.plugins.hookspecs import Activator, Creator, Seeder
    from cloche.plugins.registry import Registry
    from cloche.store.seeds import SeedStore

    BuildRuntime: TypeAlias = Callable[[Runtime, Interpreter, Compile], Image]

DEFAULT_CREATORS = frozenset(
    """
    builtin cpython3-mac-brew cpython3-mac-framework cpython3-posix cpython3-win graalpy-posix graalpy-win pypy3-posix
    pypy3-win rustpython-posix rustpython-win
    """.split()
)
"""virtualenv's names for creators between which cloche chooses by itself."""


def resolve(
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    because: str,
    registry: Registry,
    store: SeedStore,
    inputs: Inputs,
    build_runtime: BuildRuntime | None = None,
) -> Blueprint:
    """Choose the creator, the seeds and the activators for an interpreter.

    :param because: the project file or the variable of pyenv that requested the interpreter, for display; empty if there is
        none.
    :param inputs: gets the inputs that the creator and the seeder declare; the store records what it reads itself.
    :param build_runtime: returns the image of a runtime, for creators that have one.
    :raises UsageError: the user chose a component that does not exist or does not support the interpreter, or an option
        of a component that is not used.
    :raises SeedError: a seed cannot be found.
    :raises PluginError: a chosen component is broken.
    """
    component, creator, layout = choose_creator(spec, interpreter, registry, inputs)
    activators = choose_activators(spec, interpreter, registry, inputs)
    check_options(spec, (component, *others_chosen(spec, activators, registry)), registry)
    wanted = spec.wanted
    if wanted and wanted.compile == "auto" and hasattr(creator, "runtime"):
        wanted = replace(wanted, compile="now")  # as its standard library: it may be read-only where it is used
    seeder, images = choose_images(replace(spec, wanted=wanted), interpreter, registry, store, inputs)
    operations = creator_operations(creator, component, interpreter, layout)
    return Blueprint(
        spec=spec,
        interpreter=interpreter,
        chosen_because=because,
        layout=layout,
        creator=component.name,
        operations=operations,
        seeder=seeder,
        images=images,
        activators=activators,
        runtime=choose_runtime(spec, creator, component, interpreter, layout, operations, build_runtime),
        server_choices=tuple(inputs.server_choices),
    )


def choose_runtime(
    spec: EnvironmentSpec,
    creator: Creator,
    component: Component,
    interpreter: Interpreter,
    layout: Layout,
    operations: Iterable[Operation],
    build_runtime: BuildRuntime | None,
) -> Image | None:
    """Return the image of the runtime that a creator describes; None if it describes none.

    :raises UsageError: the environment would have a runtime of its own, and use the packages of its base.
    :raises PluginError: the creator fails, or the runtime is not valid.
    :raises ClocheError: the image cannot be created.
    """
    describe = getattr(creator, "runtime", None)
    if describe is None or build_runtime is None:
        return None
    refuse_base_packages(spec, component.name)
    runtime = call_component(lambda: describe(interpreter, layout), *origin(component))
    if problem := find_runtime_problem(runtime, operations):
        raise component.contract_error(problem)
    return build_runtime(runtime, interpreter, "never" if spec.wanted and spec.wanted.compile == "never" else "now")


def refuse_base_packages(spec: EnvironmentSpec, creator: str) -> None:
    """Refuse to share the packages of the base interpreter with an environment that has a runtime of its own.

    :raises UsageError: the spec asks for them.
    """
    if spec.site_packages == "system":
        raise UsageError(
            f"an environment created with `--creator {creator}` cannot use the packages of its base interpreter",
            hint="leave out `--system-site-packages`, and install the packages that you need",
        )


def record_inputs(component: Component, item: object, arguments: Iterable[object], inputs: Inputs) -> None:
    """Record the inputs that a component declares, before it reads them.

    :param item: the component itself.
    :param arguments: the arguments of its method `inputs`.
    :raises PluginError: the method fails, or returns something other than paths.
    """
    if not is_built_in(component.source):
        inputs.current_directory()  # a path that it declares may have been relative
    inputs_of = getattr(item, "inputs", None)
    if inputs_of is None:
        inputs.undeclared.append(f"{component.kind} `{component.name}` of plugin {component.source}")
        return
    paths = call_component(lambda: as_tuple(inputs_of(*arguments), "inputs", "a list of paths"), *origin(component))
    for path in paths:
        if not isinstance(path, str):
            raise component.contract_error(f"`inputs` returned {path!r}: expected a path as a string")
        inputs.entries(path)


def choose_creator(
    spec: EnvironmentSpec, interpreter: Interpreter, registry: Registry, inputs: Inputs
) -> tuple[Component, Creator, Layout]:
    """Return the creator that the user chose, otherwise the first default creator that supports the interpreter; and the layout.

    :param inputs: gets the inputs of each creator that was asked, because one that refuses now may accept later.
    :raises UsageError: no creator supports it, or there is no creator of that name.
    :raises PluginError: the creator is broken.
    """
    defaults = ["copy" if interpreter.os_name == "nt" else "symlink", "venv"]
    requested = None if spec.creator in DEFAULT_CREATORS else spec.creator
    chosen = registry.find("creator", requested).name if requested else None
    refusals = []
    for name in defaults if chosen is None else [chosen]:
        component = registry.find("creator", name)
        creator: Creator = component.load()
        layout = layout_of(interpreter, own_options(spec, component))
        record_inputs(component, creator, (interpreter, layout), inputs)
        refusal = refusal_of(creator, interpreter, *origin(component))
        if refusal is None:
            return component, creator, layout
        refusals.append(f"`{name}`: {refusal}")
    raise UsageError(
        f"no creator supports {interpreter.name}: {'; '.join(refusals)}",
        hint="choose another one with `--creator`" if chosen else "a plugin may support it",
    )


def creator_operations(
    creator: Creator, component: Component, interpreter: Interpreter, layout: Layout
) -> tuple[Operation, ...]:
    """Return the operations that create the environment, without seeds and scripts.

    :raises PluginError: the creator fails, or its operations are not valid or do not create a Python.
    """
    operations = call_component(
        lambda: as_tuple(creator.operations(interpreter, layout), "operations", "a list of operations"),
        *origin(component),
    )
    if problem := find_operation_problem(operations):
        raise component.contract_error(problem)
    if path := find_missing_path(operations, [layout.executable]):
        raise component.contract_error(f"it does not create `{path}`")
    return operations


def others_chosen(
    spec: EnvironmentSpec, activators: Iterable[ChosenComponent], registry: Registry
) -> Iterator[Component]:
    """Yield the components of an environment, except its creator.

    :raises UsageError: there is no seeder of the requested name, or it does not install the packages of a lock file.
    """
    if spec.wanted is not None:
        yield find_seeder(spec, registry)
    for activator in activators:
        yield registry.find("activator", activator.name)


def find_seeder(spec: EnvironmentSpec, registry: Registry) -> Component:
    """Return the seeder that the user chose, otherwise the one for a lock file or for other packages.

    :raises UsageError: there is none of that name, or it does not install the packages of a lock file.
    """
    refuse_other_seeder(spec)
    return registry.find("seeder", spec.seeder or ("lock" if spec.wanted and spec.wanted.lock else "pip"))


def choose_images(
    spec: EnvironmentSpec, interpreter: Interpreter, registry: Registry, store: SeedStore, inputs: Inputs
) -> tuple[str | None, tuple[Image, ...]]:
    """Return the seeder's name and its images; (None, ()) for an environment without seeds.

    :raises UsageError: the seeder does not exist or does not support the interpreter.
    :raises SeedError: a seed cannot be found, or has startup code that the user refuses.
    :raises PluginError: the seeder is broken.
    """
    if spec.wanted is None:
        return None, ()
    component = find_seeder(spec, registry)
    seeder: Seeder = component.load()
    refusal = refusal_of(seeder, interpreter, *origin(component))
    if refusal is not None:
        raise UsageError(
            f"seeder `{component.name}` does not support {interpreter.name}: {refusal}",
            hint="choose another one with `--seeder`, or create the environment without seeds: `--no-seed`",
        )
    wanted = replace(spec.wanted, options=own_options(spec, component))
    store = store.compiling(wanted.compile)
    record_inputs(component, seeder, (interpreter, wanted, store), inputs)
    images = call_component(
        lambda: as_tuple(seeder.images(interpreter, wanted, store), "images", "a list of `cloche.Image`"),
        *origin(component),
    )
    for image in images:
        if type(image) is not Image:
            raise component.contract_error(f"`images` returned {image!r}: expected a `cloche.Image`")
    if len(images) > 1:
        from cloche.store.conflicts import refuse_shared_files

        refuse_shared_files(images, interpreter)
    policy, packages = spec.startup_rule
    if policy == "refuse":
        from cloche.store.startup_code import refuse_startup_code

        refuse_startup_code(images, packages)
    return component.name, images


def refuse_other_seeder(spec: EnvironmentSpec) -> None:
    """Refuse a seeder that would ignore the lock file.

    :raises UsageError: the spec has both.
    """
    if spec.wanted is not None and spec.wanted.lock and spec.seeder not in (None, "lock"):
        raise UsageError(
            f"seeder `{spec.seeder}` does not install the packages of a lock file",
            hint="leave out the seeder, or the lock file",
        )


def choose_activators(
    spec: EnvironmentSpec, interpreter: Interpreter, registry: Registry, inputs: Inputs
) -> tuple[ChosenComponent, ...]:
    """Return the activators that the user chose, in that order; otherwise all that may have scripts, sorted by name."""
    if spec.activators is None:
        everything = sorted(registry.all("activator"), key=lambda component: component.name)
        selected = "by default"
        components = [component for component in everything if not is_left_out(component, interpreter, inputs)]
    else:
        found = [registry.find("activator", name) for name in spec.activators]
        selected, components = "by name", [*{component.name: component for component in found}.values()]
    return tuple(
        ChosenComponent(
            component.name,
            component.reference or component.item,
            selected,
            str(component.source),
            own_options(spec, component),
        )
        for component in components
    )


def is_left_out(component: Component, interpreter: Interpreter, inputs: Inputs) -> bool:
    """Return whether an activator refuses the interpreter, as long as the inputs that it declares are unchanged.

    If it fails or declares no inputs, it is asked again when the environment is planned.
    """
    try:
        activator: Activator = component.load()
        if not call_component(lambda: hasattr(activator, "inputs"), *origin(component)):
            return False
        record_inputs(component, activator, (interpreter,), inputs)
        return refusal_of(activator, interpreter, *origin(component)) is not None
    except ClocheError:
        return False


def origin(component: Component) -> tuple[str, str, object]:
    """Return the kind, name and plugin of a component, for messages."""
    return component.kind, component.name, component.source
