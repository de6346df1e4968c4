"""Put a blueprint at a place: the second and last step of deciding, after `cloche.planning.resolve`; it writes nothing.

A warm run goes through it, so it does only what depends on the destination. Every refusal that the first step could not
make happens here.
"""

from __future__ import annotations

import os

from cloche.errors import ClocheError, DestinationError, Inexpressible, PluginError, reason_of
from cloche.fs.files import read_plain
from cloche.model import VERSION
from cloche.model.distribution import normalised
from cloche.model.environment import Environment
from cloche.model.operations import InstallTree, Link, MakeDir, Write
from cloche.model.plan import Plan
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning import pyvenv_cfg
from cloche.planning.destination import (
    inspect,
    is_relocatable,
    other_python,
    refuse_base,
    refuse_inhabited,
    refuse_length,
    refuse_own,
)
from cloche.plugins.guard import guarded, omission, resolve
from cloche.store.installation import operations as image_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloche.model.distribution import Image
    from cloche.model.environment import Layout, Placement, Script
    from cloche.model.interpreter import Host
    from cloche.model.operations import Operation
    from cloche.model.plan import Blueprint, ChosenComponent, Way
    from cloche.model.request import Request, Wanted
    from cloche.planning.destination import Destination
    from cloche.plugins.hookspecs import Activator


def place(blueprint: Blueprint, request: Request, host: Host) -> Plan:
    """Put a blueprint at the request's destination.

    :raises DestinationError: the destination cannot be used, or holds what must not be touched.
    :raises Inexpressible: an activator that was asked for by name cannot express the destination or the prompt.
    """
    destination = inspect(request.destination, host)
    way, outcome = way_into(destination, request, blueprint, host)
    environment = Environment(
        location=destination.location,
        layout=blueprint.layout,
        os_name=blueprint.interpreter.os_name,
        prompt=prompt_of(request, destination, host),
        interpreter=blueprint.interpreter,
        placement=placement_of(request, destination, way),
        naming="directory" if request.prompt is None else "chosen",
    )
    images, notes = missing_images(blueprint, destination, way)
    if way == "merge":
        notes += left_fixed(environment, destination)
    scripts, activators, left_out = scripts_of(blueprint.activators, environment)
    operations: list[Operation] = [*blueprint.operations]
    for image in images:
        operations += image_operations(image, environment)
    operations += (as_write(script, blueprint.layout) for script in scripts)
    operations += marks(request, blueprint, environment, destination, host)
    operations = [
        one for one in operations if not (isinstance(one, Link) and keeps_directory(destination, way, one.path))
    ]
    operations.append(manifest(operations, earlier_manifest(destination, request)))
    refuse_length(destination.target, operations, longest_in_images=120 if images else 0, platform=host.platform)
    if destination.state == "directory" and way == "merge":
        refuse_conflicts(destination, operations)
    return Plan(
        environment=environment,
        target=destination.target,
        way=way,
        outcome=outcome,
        operations=tuple(operations),
        creator=blueprint.creator,
        seeder=blueprint.seeder,
        images=tuple(images),
        activators=tuple(activators),
        link_mode=request.link_mode,
        chosen_because=blueprint.chosen_because,
        notes=(*blueprint.notes, *notes, *left_out),
    )


def way_into(destination: Destination, request: Request, blueprint: Blueprint, host: Host) -> tuple[Way, str]:
    """Return how the new tree reaches its place, and what that amounts to.

    :raises DestinationError: what is there must not be replaced, or is an environment of another Python, or runs cloche.
    """
    if destination.state in ("absent", "empty"):
        return ("merge" if destination.fixed else "new"), "created"
    if request.existing != "keep":
        refuse_own(destination.location, host, "`--clear`")
        refuse_base(destination.location, blueprint.interpreter)
        if destination.state == "directory":
            refuse_inhabited(destination.location, host)
        if destination.state == "directory" and request.existing == "replace":
            raise DestinationError(
                f"`{destination.location}` is not an environment, and `--clear` would delete what is in it",
                hint="choose another place; `--clear --force` deletes it all the same",
            )
        if request.existing == "replace" and (other := other_files(destination)):
            raise DestinationError(
                f"`{destination.location}` holds other things than an environment ({other}), and `--clear` would delete them",
                hint="without `--clear` the environment is refreshed; `--clear --force` deletes everything",
            )
        return ("merge-emptied" if destination.fixed else "exchange"), "replaced"
    if destination.state == "directory":
        return "merge", "added"
    if python := other_python(destination, blueprint.interpreter, blueprint.layout):
        raise DestinationError(
            f"`{destination.location}` is an environment of {python}, not of {blueprint.interpreter.name}",
            hint="`cloche upgrade` takes its packages along, `--clear` replaces it",
        )
    return "merge", "refreshed"


ADDED = "added-to-directory"
"""Key in `pyvenv.cfg` of an environment that was added to a directory with other files in it."""

PROJECT_FILES = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")


def other_files(destination: Destination) -> str:
    """Return what tells that an environment's directory is a project's as well; empty if nothing does."""
    found = [name for name in PROJECT_FILES if os.path.lexists(os.path.join(destination.target, name))]
    return f"`{found[0]}`" if found else "it was added to a directory in use" if ADDED in destination.settings else ""


def prompt_of(request: Request, destination: Destination, host: Host) -> str:
    """Return what an activated shell shows: `.` is the name of the current directory, the default the environment's."""
    if request.prompt == ".":
        return os.path.basename(host.cwd)
    return os.path.basename(destination.location) if request.prompt is None else request.prompt


def placement_of(request: Request, destination: Destination, way: Way) -> Placement:
    """Return whether an environment is to find its place: one that is refreshed stays relocatable if it was."""
    was = is_relocatable(destination.settings) and way == "merge"
    return "relocatable" if was else request.placement


def left_fixed(environment: Environment, destination: Destination) -> list[str]:
    """Return what is to be said of scripts that stay as they are where an environment becomes a relocatable one."""
    there = destination.settings.get("home") and not is_relocatable(destination.settings)
    if environment.placement == "relocatable" and there:
        fix = "`cloche doctor --fix` lets those of packages that were there find it"
        return [f"scripts that are laid down now find their environment when they run; {fix}"]
    return []


def missing_images(blueprint: Blueprint, destination: Destination, way: Way) -> tuple[list[Image], list[str]]:
    """Return the images of distributions that are not there yet: what is installed in an environment stays as it is."""
    if way != "merge" or destination.state in ("absent", "empty"):
        return list(blueprint.images), []
    try:
        names = os.listdir(os.path.join(destination.target, blueprint.layout.purelib))
    except OSError:
        names = []
    installed: dict[str, str] = {}
    for name in names:
        if name.endswith(".dist-info"):
            distribution, _, version = name.removesuffix(".dist-info").partition("-")
            installed[normalised(distribution)] = version
    missing = [image for image in blueprint.images if image.distribution not in installed]
    notes = [
        f"{image.distribution} {installed[image.distribution]} is there and stays; {image.version} was not laid down"
        for image in blueprint.images
        if installed.get(image.distribution, image.version) != image.version
    ]
    return missing, notes


def scripts_of(
    chosen: Iterable[ChosenComponent], environment: Environment
) -> tuple[list[Script], list[str], list[str]]:
    """Return the activation scripts, the names of the activators that gave them, and why others were left out.

    :raises Inexpressible: an activator that was asked for by name cannot express a value.
    :raises PluginError: an activator that was asked for by name failed, or two write the same file.
    """
    scripts: dict[str, tuple[Script, ChosenComponent]] = {}
    names: list[str] = []
    left_out: list[str] = []
    for one in chosen:
        seen = replace(environment, options=one.options) if one.options else environment
        try:
            own = guarded(lambda: scripts_by(one, seen), "activator", one.name, one.source)  # noqa: B023
        except Inexpressible as error:
            if one.asked == "by name":
                raise
            left_out.append(f"activator `{one.name}` was left out: {error.message}")
            continue
        except ClocheError as error:
            if one.asked == "by name":
                raise
            left_out.append(omission(one.name, one.source, error))
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


def scripts_by(chosen: ChosenComponent, environment: Environment) -> list[Script]:
    """Return what one activator gives.

    :raises Inexpressible: it cannot express a value, or has put one into a script that UTF-8 cannot hold.
    :raises ValueError: a script's name is a path, one that the environment needs for itself, or none that a file can have.
    :raises Exception: whatever it raises, or it gives something that is no script.
    """
    activator: Activator = resolve(chosen.item) if isinstance(chosen.item, str) else chosen.item
    scripts: list[Script] = []
    for script in activator.scripts(environment):
        if (
            script.name in ("", ".", "..", *environment.layout.names)
            or any(one in script.name for one in "/\\:")
            or not script.name.isprintable()  # the manifest is text, with a line for each
            or len(script.name.encode("utf-8")) > 255
        ):
            raise ValueError(f"`{script.name}` cannot be the name of a script")
        try:
            as_write(script, environment.layout)
        except UnicodeEncodeError:
            raise Inexpressible("an activation script is UTF-8 and cannot hold a name that is not Unicode") from None
        scripts.append(script)
    return scripts


def as_write(script: Script, layout: Layout) -> Write:
    text = script.text if script.newline == "\n" else script.text.replace("\n", script.newline)
    mark = b"\xef\xbb\xbf" if script.byte_order_mark else b""
    return Write(f"{layout.bin}/{script.name}", mark + text.encode("utf-8"))


CACHE_TAG = """\
Signature: 8a477f597d28d172789f06886806bc55
# This file marks a Python environment, which can be made again, as a directory that backups may leave out.
# See https://bford.info/cachedir/
"""


def marks(
    request: Request, blueprint: Blueprint, environment: Environment, destination: Destination, host: Host
) -> Iterator[Write]:
    """Yield the files that tell what the directory is: to version control, to backups, to Python.

    Files of the first two kinds are left alone where they exist, and not put among the user's own files.
    """
    if request.existing != "keep" or not (destination.state == "directory" or ADDED in destination.settings):
        there = destination.target if destination.state == "environment" and request.existing == "keep" else ""
        if request.vcs_ignore and not (there and os.path.lexists(os.path.join(there, ".gitignore"))):
            yield Write(".gitignore", b"*\n")
        if not (there and os.path.lexists(os.path.join(there, "CACHEDIR.TAG"))):
            yield Write("CACHEDIR.TAG", CACHE_TAG.encode())
    said = settings(request, blueprint, environment, destination, host)
    yield Write(blueprint.layout.config, pyvenv_cfg.dump(said).encode("utf-8"))


def settings(
    request: Request, blueprint: Blueprint, environment: Environment, destination: Destination, host: Host
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
        "executable": os.path.realpath(interpreter.executable),
        "command": command(request, blueprint, environment, host),
        "cloche": VERSION,
    }
    if request.prompt is not None:
        said["prompt"] = prompt_of(request, destination, host)
    said["include-system-site-packages"] = "true" if request.site_packages == "system" else "false"
    if environment.placement == "relocatable":
        said["relocatable"] = "true"  # the key by which uv knows one of its own
    said["base-prefix"] = interpreter.prefix
    said["base-exec-prefix"] = interpreter.exec_prefix
    said["base-executable"] = interpreter.executable
    if request.existing == "keep" and (destination.state == "directory" or ADDED in destination.settings):
        said[ADDED] = "true"
    return {**said, **{key: text for key, text in request.extra_settings.items() if key not in said}}


def command(request: Request, blueprint: Blueprint, environment: Environment, host: Host) -> str:
    """Return the command that makes this environment again: a record for people, who can paste it into a POSIX shell.

    What concerns the cache, the network and the options of plugins is not in it.
    """
    archive = getattr(globals().get("__loader__"), "archive", "")  # of a run from one file
    words = [host.executable, *([os.path.join(host.cwd, archive)] if archive else ["-m", "cloche"])]
    words += ["--python", blueprint.interpreter.executable, "--creator", blueprint.creator]
    if request.site_packages == "system":
        words.append("--system-site-packages")
    words += seeds(request.wanted if blueprint.seeder else None)
    if request.prompt is not None:
        words += ["--prompt", environment.prompt]
    if request.activators is not None:
        words += ["--activators", ",".join(request.activators)]
    if not request.vcs_ignore:
        words.append("--no-vcs-ignore")
    if environment.placement == "relocatable":
        words.append("--relocatable")
    return " ".join(quoted(word, host) for word in [*words, environment.location])


def seeds(wanted: Wanted | None) -> Iterator[str]:
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


def quoted(word: str, host: Host) -> str:
    """Return a word as a POSIX shell reads it (`shlex` costs a warm run too much); on Windows as its own do."""
    if word and PLAIN.issuperset(word.replace("\\", "") if host.os_name == "nt" else word):
        return word
    if host.os_name != "nt" and any("\ud800" <= letter <= "\udfff" for letter in word):  # bytes that are no UTF-8
        return "\"$(printf '" + "".join(f"\\{byte:03o}" for byte in word.encode("utf-8", "surrogateescape")) + "')\""
    return f'"{word}"' if host.os_name == "nt" else "'" + word.replace("'", "'\"'\"'") + "'"


def keeps_directory(destination: Destination, way: Way, path: str) -> bool:
    """Return whether a real directory stands where a link between directories would go (`lib64`), and has to stay."""
    there = os.path.join(destination.target, path)
    if way != "merge" or destination.state == "absent" or "/" in path:
        return False  # only at the top a link stands for a directory, and in `bin` for a program
    return os.path.isdir(there) and not os.path.islink(there)


MANIFEST = ".cloche-manifest"
"""Lists the generated files with their hashes, in the format of `sha256sum`, which can check it."""


def manifest(operations: Iterable[Operation], earlier: Mapping[str, str]) -> Write:
    """Return the list of what was generated, by which ours is told from the user's later on.

    `earlier` has hashes by path of what stands there already and is not written again.
    """
    from cloche.store.installation import sha256_of

    listed = {**earlier, **{one.path: sha256_of(one.content) for one in operations if isinstance(one, Write)}}
    return Write(MANIFEST, "".join(f"{digest}  {path}\n" for path, digest in sorted(listed.items())).encode("utf-8"))


def earlier_manifest(destination: Destination, request: Request) -> dict[str, str]:
    """Return what the manifest of an environment that is kept lists: hashes by path.

    :raises DestinationError: there is one, and the system does not let it be read.
    """
    if destination.state != "environment" or request.existing != "keep":
        return {}
    path = os.path.join(destination.target, MANIFEST)
    try:
        lines = read_plain(path).decode("utf-8", "replace").split("\n")
    except OSError as error:
        if os.path.isfile(path) and not os.path.islink(path):  # then something is listed, and must not be forgotten
            raise DestinationError(
                f"cannot read `{path}`: {reason_of(error)}",
                hint="let it be read, or replace the environment with `--clear`",
            ) from error
        return {}
    return {path: digest for digest, found, path in (line.partition("  ") for line in lines) if found}


def refuse_conflicts(destination: Destination, operations: Iterable[Operation]) -> None:
    """:raises DestinationError: a file would have to be replaced in a directory that is the user's own."""
    for operation in operations:
        match operation:
            case MakeDir(path):
                there = os.path.join(destination.target, path)
                if os.path.lexists(there) and (os.path.islink(there) or not os.path.isdir(there)):
                    raise in_the_way(destination, path)
            case InstallTree():
                pass  # into a directory that no environment had: an entry of the same name is found on the way
            case Link(path) | Write(path):
                if os.path.lexists(os.path.join(destination.target, path)):
                    raise in_the_way(destination, path)


def in_the_way(destination: Destination, path: str) -> DestinationError:
    return DestinationError(
        f"`{destination.location}` is not an environment, and `{path}` in it is in the way",
        hint="move it away, or choose another place; `--clear --force` deletes the whole directory",
    )
