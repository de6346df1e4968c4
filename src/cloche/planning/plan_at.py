"""Plan a blueprint at a place: the second and last step of planning, after `cloche.planning.resolve`.

Every run goes through this module, so it does only what depends on the destination. Every refusal that the first step
cannot know of happens here. Nothing is written.
"""

from __future__ import annotations

import os

from cloche.errors import ClocheError, DestinationError, Inexpressible, PluginError, UsageError, reason_of
from cloche.fs.checksums import MANIFEST, format_manifest, parse_manifest, sha256_of
from cloche.fs.files import read_regular_file
from cloche.model import VERSION
from cloche.model.distribution import normalize_name
from cloche.model.environment import Environment, Script
from cloche.model.interpreter import path_module
from cloche.model.operations import InstallTree, Link, MakeDir, Write
from cloche.model.plan import Plan
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning import pyvenv_cfg
from cloche.planning.destination import (
    find_python_mismatch,
    inspect_destination,
    is_relocatable,
    refuse_base_interpreter,
    refuse_directory_in_use,
    refuse_long_paths,
    refuse_running_cloche,
)
from cloche.plugins.guard import call_component, load_object, omission_warning, refusal_of
from cloche.store.installation import image_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from cloche.model.distribution import Image
    from cloche.model.environment import Layout, Placement
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.operations import Operation
    from cloche.model.plan import Blueprint, ChosenComponent, Strategy
    from cloche.model.request import Target, Wanted
    from cloche.planning.destination import Destination
    from cloche.plugins.hookspecs import Activator


def plan_at(blueprint: Blueprint, target: Target, host: Host) -> Plan:
    """Return the plan that creates the environment of a blueprint at a target.

    :raises DestinationError: the destination cannot be used, or holds something that must not be changed.
    :raises UsageError: an activator that was asked for by name does not support the interpreter.
    :raises Inexpressible: an activator that was asked for by name cannot express the destination or the prompt.
    :raises PluginError: an activator that was asked for by name failed.
    """
    destination = inspect_destination(target.destination, host)
    strategy, outcome = strategy_for(destination, target, blueprint, host)
    environment = Environment(
        location=destination.location,
        layout=blueprint.layout,
        os_name=blueprint.interpreter.os_name,
        prompt=prompt_of(target, destination, host),
        interpreter=blueprint.interpreter,
        placement=placement_of(target, destination, strategy),
        naming="directory" if target.prompt is None else "chosen",
    )
    images, notes = missing_images(blueprint, destination, strategy)
    if strategy == "merge":
        notes += relocatable_notes(environment, destination)
    scripts, activators, left_out = collect_scripts(blueprint.activators, environment, blueprint.interpreter)
    operations: list[Operation] = [*blueprint.operations]
    for image in images:
        operations += image_operations(image, environment)
    operations += (script_operation(script, blueprint.layout) for script in scripts)
    operations += metadata_files(target, blueprint, environment, destination, host)
    operations = [
        one
        for one in operations
        if not (isinstance(one, Link) and is_existing_directory(destination, strategy, one.path))
    ]
    operations.append(manifest(operations, read_manifest(destination, target)))
    refuse_long_paths(destination.target, operations, longest_in_images=120 if images else 0, platform=host.platform)
    if destination.state == "directory" and strategy == "merge":
        refuse_conflicts(destination, operations)
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
        notes=(*notes, *left_out),
    )


def strategy_for(destination: Destination, target: Target, blueprint: Blueprint, host: Host) -> tuple[Strategy, str]:
    """Return how the new tree reaches its place, and the outcome in one word.

    :raises DestinationError: what is there must not be replaced, or is an environment of another Python, or runs cloche.
    """
    if destination.state in ("absent", "empty"):
        return ("merge" if destination.immovable else "new"), "created"
    if target.existing != "keep":
        refuse_running_cloche(destination.location, host, "`--clear`")
        refuse_base_interpreter(destination.location, blueprint.interpreter)
        if destination.state == "directory":
            refuse_directory_in_use(destination.location, host)
        if destination.state == "directory" and target.existing == "replace":
            raise DestinationError(
                f"`{destination.location}` is not an environment, and `--clear` would delete what is in it",
                hint="choose another place; `--clear --force` deletes it all the same",
            )
        if target.existing == "replace" and (other := find_other_content(destination)):
            raise DestinationError(
                f"`{destination.location}` holds other things than an environment ({other}), and `--clear` would delete them",
                hint="without `--clear` the environment is refreshed; `--clear --force` deletes everything",
            )
        return ("merge-emptied" if destination.immovable else "exchange"), "replaced"
    if destination.state == "directory":
        return "merge", "added"
    if python := find_python_mismatch(destination, blueprint.interpreter, blueprint.layout):
        raise DestinationError(
            f"`{destination.location}` is an environment of {python}, not of {blueprint.interpreter.name}",
            hint="`cloche upgrade` takes its packages along, `--clear` replaces it",
        )
    return "merge", "refreshed"


ADDED_KEY = "added-to-directory"
"""Key in `pyvenv.cfg` of an environment that was added to a directory with other files in it."""

PROJECT_FILES = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")


def find_other_content(destination: Destination) -> str:
    """Return what tells that an environment's directory is a project's as well; empty if nothing does."""
    found = [name for name in PROJECT_FILES if os.path.lexists(os.path.join(destination.target, name))]
    return (
        f"`{found[0]}`" if found else "it was added to a directory in use" if ADDED_KEY in destination.settings else ""
    )


def prompt_of(target: Target, destination: Destination, host: Host) -> str:
    """Return what an activated shell shows: by default the name of the environment's directory; see `Target.prompt`."""
    if target.prompt not in (".", None):
        return target.prompt
    directory = host.cwd if target.prompt == "." else destination.location
    return str(path_module(host.os_name).basename(directory))


def placement_of(target: Target, destination: Destination, strategy: Strategy) -> Placement:
    """Return whether an environment is to find its place: one that is refreshed stays relocatable if it was."""
    was = is_relocatable(destination.settings) and strategy == "merge"
    return "relocatable" if was else target.placement


def relocatable_notes(environment: Environment, destination: Destination) -> list[str]:
    """Return what is to be said of scripts that stay as they are where an environment becomes a relocatable one."""
    there = destination.settings.get("home") and not is_relocatable(destination.settings)
    if environment.placement == "relocatable" and there:
        fix = "`cloche doctor --fix` lets those of packages that were there find it"
        return [f"scripts that are laid down now find their environment when they run; {fix}"]
    return []


def missing_images(blueprint: Blueprint, destination: Destination, strategy: Strategy) -> tuple[list[Image], list[str]]:
    """Return the images of distributions that are not there yet: what is installed in an environment stays as it is."""
    if strategy != "merge" or destination.state in ("absent", "empty"):
        return list(blueprint.images), []
    try:
        names = os.listdir(os.path.join(destination.target, blueprint.layout.purelib))
    except OSError:
        names = []
    installed: dict[str, str] = {}
    for name in names:
        if name.endswith(".dist-info"):
            distribution, _, version = name.removesuffix(".dist-info").partition("-")
            installed[normalize_name(distribution)] = version
    missing = [image for image in blueprint.images if image.distribution not in installed]
    notes = [
        f"{image.distribution} {installed[image.distribution]} is there and stays; {image.version} was not laid down"
        for image in blueprint.images
        if installed.get(image.distribution, image.version) != image.version
    ]
    return missing, notes


def collect_scripts(
    activators: Iterable[ChosenComponent], environment: Environment, interpreter: Interpreter
) -> tuple[list[Script], list[str], list[str]]:
    """Return the activation scripts, the names of the activators that gave them, and why others were left out.

    An activator that nobody asked for and that refuses the interpreter is left out without a word.

    :raises UsageError: an activator that was asked for by name refuses the interpreter.
    :raises Inexpressible: an activator that was asked for by name cannot express a value.
    :raises PluginError: an activator that was asked for by name failed, or two write the same file.
    """
    scripts: dict[str, tuple[Script, ChosenComponent]] = {}
    names: list[str] = []
    left_out: list[str] = []
    for one in activators:
        try:
            own = scripts_from(one, environment, interpreter)
        except ClocheError as error:
            if one.asked == "by name":
                raise
            reason = isinstance(error, Inexpressible)
            left_out.append(
                f"activator `{one.name}` was left out: {error.message}"
                if reason
                else omission_warning(one.name, one.source, error)
            )
            continue
        if own is None:
            continue
        for script in own:
            key = script.name.lower() if environment.os_name == "nt" else script.name
            other = scripts.setdefault(key, (script, one))
            if other[1] is not one:
                raise PluginError(
                    f"activators `{other[1].name}` (plugin {other[1].source}) and `{one.name}` (plugin {one.source}) "
                    f"both write `{script.name}`",
                    hint="choose one of them with `--activators`",
                )
        names.append(one.name)
    return [script for script, _ in scripts.values()], names, left_out


def scripts_from(one: ChosenComponent, environment: Environment, interpreter: Interpreter) -> list[Script] | None:
    """Return the scripts of one activator; None if it was not asked for by name and refuses the interpreter.

    :raises UsageError: it was asked for by name, and refuses.
    :raises Inexpressible: it cannot express a value, or put one that is not UTF-8 into a script.
    :raises PluginError: it failed, or returned something other than scripts.
    """
    origin = ("activator", one.name, one.source)
    activator: Activator = call_component(
        lambda: load_object(one.item) if isinstance(one.item, str) else one.item, *origin
    )
    if refusal := refusal_of(activator, interpreter, *origin):
        if one.asked == "by name":
            raise UsageError(
                f"activator `{one.name}` does not support {interpreter.name}: {refusal}",
                hint="leave it out of `--activators`",
            )
        return None
    seen = replace(environment, options=one.options) if one.options else environment
    return call_component(lambda: check_scripts(activator.scripts(seen), environment.layout), *origin)


def check_scripts(scripts: Any, layout: Layout) -> list[Script]:
    """Return what an activator returned as a list of scripts.

    :raises TypeError: it is something else.
    :raises ValueError: a script has a name that is a path, that no file can have, or that the environment needs.
    :raises Inexpressible: a script has a text that UTF-8 cannot hold.
    """
    if isinstance(scripts, str) or not hasattr(scripts, "__iter__"):
        raise TypeError(f"`scripts` returned {scripts!r}: expected a list of `cloche.Script`")
    checked: list[Script] = []
    for script in scripts:
        if type(script) is not Script:
            raise TypeError(f"`scripts` returned {script!r}: expected a `cloche.Script`")
        if (
            script.name in ("", ".", "..", *layout.names)
            or any(one in script.name for one in "/\\:")
            or not script.name.isprintable()  # the manifest has one line for each file
            or len(script.name.encode("utf-8")) > 255
        ):
            raise ValueError(f"`{script.name}` cannot be the name of a script")
        try:
            script_operation(script, layout)
        except UnicodeEncodeError:
            raise Inexpressible("an activation script is UTF-8 and cannot hold a name that is not Unicode") from None
        checked.append(script)
    return checked


def script_operation(script: Script, layout: Layout) -> Write:
    text = script.text if script.newline == "\n" else script.text.replace("\n", script.newline)
    mark = b"\xef\xbb\xbf" if script.byte_order_mark else b""
    return Write(f"{layout.bin}/{script.name}", mark + text.encode("utf-8"))


CACHE_TAG = """\
Signature: 8a477f597d28d172789f06886806bc55
# This file marks a Python environment, which can be made again, as a directory that backups may leave out.
# See https://bford.info/cachedir/
"""


def metadata_files(
    target: Target, blueprint: Blueprint, environment: Environment, destination: Destination, host: Host
) -> Iterator[Write]:
    """Yield the files that tell what the directory is: to version control, to backups, to Python.

    Files of the first two kinds are left alone where they exist, and not put among the user's own files.
    """
    if target.existing != "keep" or not (destination.state == "directory" or ADDED_KEY in destination.settings):
        there = destination.target if destination.state == "environment" and target.existing == "keep" else ""
        if target.vcs_ignore and not (there and os.path.lexists(os.path.join(there, ".gitignore"))):
            yield Write(".gitignore", b"*\n")
        if not (there and os.path.lexists(os.path.join(there, "CACHEDIR.TAG"))):
            yield Write("CACHEDIR.TAG", CACHE_TAG.encode())
    said = settings(target, blueprint, environment, destination, host)
    yield Write(blueprint.layout.config, pyvenv_cfg.format_settings(said).encode("utf-8"))


def settings(
    target: Target, blueprint: Blueprint, environment: Environment, destination: Destination, host: Host
) -> dict[str, str]:
    """Return what `pyvenv.cfg` says: PEP 405's keys, and those that other tools have come to rely on."""
    interpreter = blueprint.interpreter
    known = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
    separator = "\\" if interpreter.os_name == "nt" else "/"
    said = {
        "home": interpreter.executable.rpartition(separator)[0],
        "implementation": known.get(interpreter.implementation, interpreter.implementation),
        "python-version": interpreter.python_version,
        "version_info": ".".join(str(part) for part in interpreter.version),
        "version": ".".join(str(part) for part in interpreter.version[:3]),
        "executable": path_module(interpreter.os_name).realpath(interpreter.executable),
        "command": command(target, blueprint, environment, host),
        "cloche": VERSION,
    }
    if target.prompt is not None:
        said["prompt"] = prompt_of(target, destination, host)
    said["include-system-site-packages"] = "true" if blueprint.spec.site_packages == "system" else "false"
    if environment.placement == "relocatable":
        said["relocatable"] = "true"  # the key by which uv knows one of its own
    said["base-prefix"] = interpreter.prefix
    said["base-exec-prefix"] = interpreter.exec_prefix
    said["base-executable"] = interpreter.executable
    if target.existing == "keep" and (destination.state == "directory" or ADDED_KEY in destination.settings):
        said[ADDED_KEY] = "true"
    return {**said, **{key: text for key, text in target.extra_settings.items() if key not in said}}


def command(target: Target, blueprint: Blueprint, environment: Environment, host: Host) -> str:
    """Return the command that makes this environment again: a record for people, who can paste it into a POSIX shell.

    What concerns the cache, the network and the options of plugins is not in it.
    """
    archive = getattr(globals().get("__loader__"), "archive", "")  # of a run from one file
    words = [host.executable, *([path_module(host.os_name).join(host.cwd, archive)] if archive else ["-m", "cloche"])]
    words += ["--python", blueprint.interpreter.executable, "--creator", blueprint.creator]
    if blueprint.spec.site_packages == "system":
        words.append("--system-site-packages")
    words += seed_options(blueprint.spec.wanted if blueprint.seeder else None)
    if target.prompt is not None:
        words += ["--prompt", environment.prompt]
    if blueprint.spec.activators is not None:
        words += ["--activators", ",".join(blueprint.spec.activators)]
    if not target.vcs_ignore:
        words.append("--no-vcs-ignore")
    if environment.placement == "relocatable":
        words.append("--relocatable")
    return " ".join(quote_word(word, host) for word in [*words, environment.location])


def seed_options(wanted: Wanted | None) -> Iterator[str]:
    """Yield the options that ask for these seeds."""
    if wanted is None:
        yield "--no-seed"
        return
    if not any(one == "pip" or one.startswith("pip==") for one in wanted.requirements):
        yield "--no-pip"
    for one in wanted.requirements:
        if one != "pip":
            yield from ("--pip", one.removeprefix("pip==")) if one.startswith("pip==") else ("--seed", one)
    for directory in wanted.find_links:
        yield from ("--find-links", directory)


PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-")
"""Characters that mean themselves to a shell wherever they stand in a word."""


def quote_word(word: str, host: Host) -> str:
    """Return a word as a POSIX shell reads it (`shlex` costs a warm run too much); on Windows as its own do."""
    if word and PLAIN.issuperset(word.replace("\\", "") if host.os_name == "nt" else word):
        return word
    if host.os_name != "nt" and any("\ud800" <= letter <= "\udfff" for letter in word):  # bytes that are no UTF-8
        return "\"$(printf '" + "".join(f"\\{byte:03o}" for byte in word.encode("utf-8", "surrogateescape")) + "')\""
    return f'"{word}"' if host.os_name == "nt" else "'" + word.replace("'", "'\"'\"'") + "'"


def is_existing_directory(destination: Destination, strategy: Strategy, path: str) -> bool:
    """Return whether a real directory stands where a link between directories would go (`lib64`), and has to stay."""
    there = os.path.join(destination.target, path)
    if strategy != "merge" or destination.state == "absent" or "/" in path:
        return False  # only at the top a link stands for a directory, and in `bin` for a program
    return os.path.isdir(there) and not os.path.islink(there)


def manifest(operations: Iterable[Operation], earlier: Mapping[str, str]) -> Write:
    """Return the manifest, by which later runs tell files of cloche's from the user's.

    `earlier` has hashes by path of files that exist already and are not written again.
    """
    listed = {**earlier, **{one.path: sha256_of(one.content) for one in operations if isinstance(one, Write)}}
    return Write(MANIFEST, format_manifest(listed))


def read_manifest(destination: Destination, target: Target) -> dict[str, str]:
    """Return what the manifest of an environment that is kept lists: hashes by path.

    :raises DestinationError: there is one, and the system does not let it be read.
    """
    if destination.state != "environment" or target.existing != "keep":
        return {}
    path = os.path.join(destination.target, MANIFEST)
    try:
        return parse_manifest(read_regular_file(path).decode("utf-8", "replace"))
    except OSError as error:
        if os.path.isfile(path) and not os.path.islink(path):  # then something is listed, and must not be forgotten
            raise DestinationError(
                f"cannot read `{path}`: {reason_of(error)}",
                hint="let it be read, or replace the environment with `--clear`",
            ) from error
        return {}


def refuse_conflicts(destination: Destination, operations: Iterable[Operation]) -> None:
    """:raises DestinationError: a file would have to be replaced in a directory that is the user's own."""
    for operation in operations:
        match operation:
            case MakeDir(path):
                there = os.path.join(destination.target, path)
                if os.path.lexists(there) and (os.path.islink(there) or not os.path.isdir(there)):
                    raise conflict_error(destination, path)
            case InstallTree():
                pass  # into a directory that no environment had: an entry of the same name is found on the way
            case Link(path) | Write(path):
                if os.path.lexists(os.path.join(destination.target, path)):
                    raise conflict_error(destination, path)


def conflict_error(destination: Destination, path: str) -> DestinationError:
    return DestinationError(
        f"`{destination.location}` is not an environment, and `{path}` in it is in the way",
        hint="move it away, or choose another place; `--clear --force` deletes the whole directory",
    )
