"""Plan an environment: decide what to create at a destination, and how. Nothing is written.

This is the second step of planning, after `cloche.planning.resolve`. It runs even if the blueprint comes from the plan
cache, so it does only what depends on the destination.
"""

from __future__ import annotations

import os

from cloche.errors import ClocheError, DestinationError, Inexpressible, PluginError, UsageError
from cloche.fs import ST_NOEXEC, ST_NOSYMFOLLOW, mount_flags, nearest_existing_path
from cloche.fs.manifests import MANIFEST, format_manifest, sha256_of
from cloche.model.environment import Environment, Script
from cloche.model.interpreter import path_module
from cloche.model.operations import InstallTree, Link, Remove, Run, Write
from cloche.model.plan import Plan
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.destination import inspect_destination, refuse_long_paths, refuse_other_kind
from cloche.planning.pyvenv_cfg import ADDED_KEY, format_settings, settings_for
from cloche.plugins import call_component, load_object, omission_warning, refusal_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence
    from typing import Any

    from cloche.model.aliases import Strategy
    from cloche.model.distribution import Image
    from cloche.model.environment import Layout
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.operations import Operation
    from cloche.model.plan import Blueprint, ChosenComponent, Target
    from cloche.planning.clearing import Replacement
    from cloche.planning.destination import Destination
    from cloche.planning.merging import Kept
    from cloche.plugins.hookspecs import Activator


def plan_at(
    blueprint: Blueprint,
    target: Target,
    host: Host,
    intact: Container[str] = (),
    replaced: Replacement | None = None,
) -> Plan:
    """Return the plan that creates the environment of a blueprint at a target.

    :param intact: distributions of a locked environment that exist at the target, and are not installed again.
    :param replaced: the part of an existing environment that is replaced; None to let the target decide.
    :raises DestinationError: the destination cannot be used, or contains something that must not be changed.
    :raises UsageError: an activator that the user chose does not support the interpreter, or a link mode does not suit it.
    :raises Inexpressible: an activator that the user chose cannot express the destination or the prompt.
    :raises PluginError: an activator that the user chose failed.
    """
    destination = inspect_destination(target.destination, host)
    strategy, outcome, replacement = strategy_for(destination, target, blueprint, host, replaced)
    environment = environment_of(blueprint, destination.location, target, host)
    if len(blueprint.images) > 1:
        refuse_confused_names(blueprint, destination)
    images, preparations, seed_notes = seeds_for(blueprint, destination, target, strategy, environment, intact)
    kept = find_kept_files(destination, target, strategy, blueprint, environment)
    notes = [*seed_notes, *(kept.notes if kept else ())]
    notes.extend(mount_notes(blueprint, destination))
    scripts, activators, left_out = collect_scripts(blueprint.activators, environment, blueprint.interpreter)
    operations: list[Operation] = [
        *interpreter_operations(blueprint, destination, target, kept),
        *preparations,
        *seed_operations(images, environment),
        *(script_operation(script, blueprint.layout) for script in scripts),
        *metadata_files(target, blueprint, environment, destination, replacement, host),
    ]
    operations.append(manifest_file(operations, kept))
    if replacement is not None:
        written = {operation.path for operation in operations if isinstance(operation, (Link, Write))}
        operations[:0] = [Remove(path) for path in replacement.removed if path not in written]
    refuse_long_paths(
        destination.target, operations, longest_in_images=120 if blueprint.all_images else 0, platform=host.platform
    )
    if destination.state == "directory" and strategy == "merge":
        from cloche.planning.merging import refuse_conflicts

        refuse_conflicts(destination, operations, blueprint.layout, host.os_name)
    return Plan(
        environment=environment,
        target=destination.target,
        strategy=strategy,
        outcome=outcome,
        operations=tuple(operations),
        creator=blueprint.creator,
        seeder=blueprint.seeder,
        images=tuple(images),
        activators=tuple(activators),
        link_mode=target.link_mode,
        chosen_because=blueprint.chosen_because,
        runtime=blueprint.runtime,
        notes=(*notes, *left_out),
    )


def find_kept_files(
    destination: Destination, target: Target, strategy: Strategy, blueprint: Blueprint, environment: Environment
) -> Kept | None:
    """Return what stays in an existing directory into which an environment is merged; None for a new environment."""
    if target.existing != "keep" or strategy != "merge" or destination.state in ("absent", "empty"):
        return None
    from cloche.planning.merging import find_kept

    return find_kept(destination, blueprint, environment)


def interpreter_operations(
    blueprint: Blueprint, destination: Destination, target: Target, kept: Kept | None
) -> Iterator[Operation]:
    """Yield the operations of the creator, and the one that installs the interpreter of a portable environment.

    :raises UsageError, DestinationError: only one of this environment and the existing one would be portable, or the link
        mode does not suit it.
    """
    if blueprint.runtime:
        refuse_links_to_cache(target)
    if kept:
        refuse_other_kind(blueprint, destination)
    for operation in blueprint.operations:
        if not (kept and isinstance(operation, Link) and operation.path in kept.directories):
            yield operation
    if blueprint.runtime:
        yield runtime_operation(blueprint.runtime)


def seed_operations(images: Iterable[Image], environment: Environment) -> Iterator[Operation]:
    """Yield the operations that install images."""
    for image in images:
        from cloche.store.installation import image_operations

        yield from image_operations(image, environment)


def runtime_operation(runtime: Image) -> InstallTree:
    """Return the operation that installs a runtime into the root of an environment."""
    source = f"{runtime.root}/runtime"
    return InstallTree(".", source, f"{source}.files", runtime.files, runtime.size)


def refuse_links_to_cache(target: Target) -> None:
    """Refuse a link mode that does not suit a portable environment.

    :raises UsageError: the files would be links to the cache.
    """
    if target.link_mode == "symlink":
        raise UsageError(
            "a portable environment cannot consist of links to the cache",
            hint="leave out `--link-mode symlink`: by default, files are shared with the cache where that is possible",
        )


def strategy_for(
    destination: Destination, target: Target, blueprint: Blueprint, host: Host, replaced: Replacement | None
) -> tuple[Strategy, str, Replacement | None]:
    """Return how the new tree gets to its destination, the outcome in one word, and what is replaced.

    :raises DestinationError: the destination must not be replaced, or is an environment of another Python.
    """
    if destination.state in ("absent", "empty"):
        return ("merge" if destination.immovable else "new"), "created", None
    from cloche.planning.existing import strategy_for_existing

    return strategy_for_existing(destination, target, blueprint, host, replaced)


def environment_of(blueprint: Blueprint, location: str, target: Target, host: Host) -> Environment:
    """Return the environment of a blueprint at an absolute path. A portable one is relocatable, and has no Tcl in its base."""
    interpreter = blueprint.interpreter
    if blueprint.runtime:
        interpreter = replace(interpreter, tcl_library="", tk_library="")
        target = replace(target, placement="relocatable")
    return environment_at(location, target, interpreter, blueprint.layout, host)


def environment_at(location: str, target: Target, interpreter: Interpreter, layout: Layout, host: Host) -> Environment:
    """Return the environment of an interpreter at an absolute path, with the options of a target."""
    return Environment(
        location=location,
        layout=layout,
        os_name=interpreter.os_name,
        prompt=prompt_for(target, location, host),
        interpreter=interpreter,
        placement=target.placement,
        naming="directory" if target.prompt is None else "chosen",
    )


def prompt_for(target: Target, location: str, host: Host) -> str:
    """Return the text that an activated shell shows: by default the name of the directory; see `Target.prompt`."""
    if target.prompt not in (".", None):
        return target.prompt
    directory = host.cwd if target.prompt == "." else location
    return str(path_module(host.os_name).basename(directory))


def mount_notes(blueprint: Blueprint, destination: Destination) -> Sequence[str]:
    """Return notes about the options with which the file system of the destination is mounted.

    :raises DestinationError: with these options, the Python of the environment could not start.
    """
    flags = mount_flags(destination.target)
    if not flags & (ST_NOEXEC | ST_NOSYMFOLLOW):
        return ()
    links_python = False
    for operation in blueprint.operations:
        match operation:
            case Link(path, target) if path == blueprint.layout.executable and target.startswith("/"):
                links_python = True
            case Run():  # the interpreter's own `venv` makes links
                links_python = True
    if flags & ST_NOSYMFOLLOW and links_python:
        raise DestinationError(
            f"`{destination.location}` is on a file system mounted with `nosymfollow`, where a link to Python does not work",
            hint="choose a destination on another file system, or `--creator copy`",
        )
    if not flags & ST_NOEXEC:
        return ()
    if not links_python:
        raise DestinationError(
            f"`{destination.location}` is on a file system mounted with `noexec`, where a copy of Python cannot start",
            hint="choose a destination on another file system, or a creator that links Python, such as `symlink`",
        )
    effect = "its scripts cannot be run directly, only as `python SCRIPT`"
    return (f"`{destination.location}` is on a file system mounted with `noexec`: {effect}",)


def seeds_for(
    blueprint: Blueprint,
    destination: Destination,
    target: Target,
    strategy: Strategy,
    environment: Environment,
    intact: Container[str],
) -> tuple[Sequence[Image], Sequence[Operation], Sequence[str]]:
    """Return the images to install, operations that prepare for them, and notes.

    Seeds that are installed already are kept if they are complete and the user does not ask for another version.
    """
    if target.existing != "keep":
        return blueprint.images, (), ()
    if blueprint.is_locked:
        return [image for image in blueprint.images if image.distribution not in intact], (), ()
    if strategy != "merge" or destination.state in ("absent", "empty") or not blueprint.images:
        return blueprint.images, (), ()
    from cloche.planning.installed_seeds import plan_seeds

    own = {blueprint.layout.config, *(f"{blueprint.layout.bin}/{name}" for name in blueprint.layout.names)}
    changes = plan_seeds(destination.target, blueprint.images, blueprint.spec.wanted, environment, own)
    return changes.images, changes.operations, changes.notes


def refuse_confused_names(blueprint: Blueprint, destination: Destination) -> None:
    """Refuse packages whose files the file system of the destination would confuse, because it ignores case.

    :raises DestinationError: two packages contain names that differ only in case.
    """
    from cloche.fs.case import ignores_case

    if ignores_case(nearest_existing_path(destination.target)):
        from cloche.store import conflicts

        conflicts.refuse_names_differing_in_case(blueprint.images, blueprint.interpreter, destination.location)


CACHE_TAG = """\
Signature: 8a477f597d28d172789f06886806bc55
# This file marks a Python environment, which can be created again, as a directory that backups may leave out.
# See https://bford.info/cachedir/
"""


def metadata_files(
    target: Target,
    blueprint: Blueprint,
    environment: Environment,
    destination: Destination,
    replacement: Replacement | None,
    host: Host,
) -> Iterator[Write]:
    """Yield the files that describe the directory to version control, to backup programs and to Python.

    `.gitignore` and `CACHEDIR.TAG` are kept if they exist, and are not added to a directory with the user's own files.
    """
    if replacement is None:
        added_to_directory = destination.state == "directory" or ADDED_KEY in destination.settings
        stays = destination.state == "environment"
    else:
        added_to_directory, stays = replacement.added_to_directory, replacement.keeps_others
    if not added_to_directory:
        removed = replacement.removed if replacement else ()
        for name, content in (
            (".gitignore", b"*\n" if target.vcs_ignore else b""),
            ("CACHEDIR.TAG", CACHE_TAG.encode()),
        ):
            exists = stays and name not in removed and os.path.lexists(os.path.join(destination.target, name))
            if content and not exists:
                yield Write(name, content)
    settings = settings_for(target, blueprint, environment, host, added_to_directory=added_to_directory)
    yield Write(blueprint.layout.config, format_settings(settings).encode("utf-8"))


def manifest_file(operations: Iterable[Operation], kept: Kept | None) -> Write:
    """Return the manifest, by which later runs distinguish the files that cloche wrote from the user's.

    :param kept: has the checksums of files that exist and are not written again; None for a new environment.
    """
    writes = [operation for operation in operations if isinstance(operation, Write)]
    digests = {
        content: sha256_of(content) for content in {write.content for write in writes}
    }  # some files are the same
    written = {write.path: digests[write.content] for write in writes}
    removed = {operation.path for operation in operations if isinstance(operation, Remove)}
    if kept is None:
        return Write(MANIFEST, format_manifest(written))
    hashes = {path: digest for path, digest in kept.checksums.items() if path not in removed} | written
    return Write(MANIFEST, format_manifest(hashes, kept.from_other_tools - written.keys()))


# Activation scripts


def collect_scripts(
    activators: Iterable[ChosenComponent], environment: Environment, interpreter: Interpreter
) -> tuple[list[Script], list[str], list[str]]:
    """Return the activation scripts, the names of the activators that wrote them, and why others were left out.

    An activator that the user did not choose and that does not support the interpreter is left out silently.

    :raises UsageError: an activator that the user chose does not support the interpreter.
    :raises Inexpressible: an activator that the user chose cannot express a value.
    :raises PluginError: an activator that the user chose failed, or two activators write the same file.
    """
    scripts: dict[str, tuple[Script, ChosenComponent]] = {}
    names: list[str] = []
    left_out: list[str] = []
    for activator in activators:
        try:
            own_scripts = scripts_from(activator, environment, interpreter)
        except ClocheError as error:
            if activator.selected == "by name":
                raise
            if isinstance(error, Inexpressible):
                left_out.append(f"activator `{activator.name}` was left out: {error.message}")
            else:
                left_out.append(omission_warning(activator.name, activator.source, error))
            continue
        if own_scripts is None:
            continue
        for script in own_scripts:
            key = script.name.lower() if environment.os_name == "nt" else script.name
            _, other = scripts.setdefault(key, (script, activator))
            if other is not activator:
                raise PluginError(
                    f"activators `{other.name}` (plugin {other.source}) and `{activator.name}` "
                    f"(plugin {activator.source}) both write `{script.name}`",
                    hint="choose one of them with `--activators`",
                )
        names.append(activator.name)
    return [script for script, _ in scripts.values()], names, left_out


def scripts_from(component: ChosenComponent, environment: Environment, interpreter: Interpreter) -> list[Script] | None:
    """Return the scripts of one activator; None if it does not support the interpreter and the user did not choose it.

    :raises UsageError: the user chose it, and it does not support the interpreter.
    :raises Inexpressible: it cannot express a value, or a script contains text that is not valid Unicode.
    :raises PluginError: it failed, or returned something other than scripts.
    """
    origin = ("activator", component.name, component.source)
    item = component.item
    activator: Activator = call_component(lambda: load_object(item) if isinstance(item, str) else item, *origin)
    if refusal := refusal_of(activator, interpreter, *origin):
        if component.selected == "by name":
            raise UsageError(
                f"activator `{component.name}` does not support {interpreter.name}: {refusal}",
                hint="leave it out of `--activators`",
            )
        return None
    with_options = replace(environment, options=component.options) if component.options else environment
    return call_component(lambda: check_scripts(activator.scripts(with_options), environment.layout), *origin)


def check_scripts(scripts: Any, layout: Layout) -> list[Script]:
    """Return the scripts that an activator returned, as a list.

    :raises TypeError: it returned something other than scripts.
    :raises ValueError: the name of a script is a path, is not a valid file name, or is a name of the Python.
    :raises Inexpressible: the text of a script cannot be encoded as UTF-8.
    """
    if isinstance(scripts, str) or not hasattr(scripts, "__iter__"):
        raise TypeError(f"`scripts` returned {scripts!r}: expected a list of `cloche.Script`")
    checked: list[Script] = []
    for script in scripts:
        if type(script) is not Script:
            raise TypeError(f"`scripts` returned {script!r}: expected a `cloche.Script`")
        if not type(script.name) is type(script.text) is str:
            raise TypeError(f"`scripts` returned {script!r}: its name and its text have to be strings")
        if (
            script.name in ("", ".", "..", *layout.names)
            or any(character in script.name for character in "/\\:")
            or not script.name.isprintable()  # the manifest has one line for each file
            or len(script.name.encode("utf-8")) > 255
        ):
            raise ValueError(f"`{script.name}` cannot be the name of a script")
        try:
            script_operation(script, layout)
        except UnicodeEncodeError:
            raise Inexpressible("an activation script is UTF-8 and cannot contain a name that is not Unicode") from None
        checked.append(script)
    return checked


def script_operation(script: Script, layout: Layout) -> Write:
    """Return the operation that writes a script.

    :raises UnicodeEncodeError: its text cannot be encoded as UTF-8.
    """
    text = script.text if script.newline == "\n" else script.text.replace("\n", script.newline)
    mark = b"\xef\xbb\xbf" if script.byte_order_mark else b""
    return Write(f"{layout.bin}/{script.name}", mark + text.encode("utf-8"))
