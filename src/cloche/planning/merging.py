"""What a plan for an existing directory keeps, and what it must not replace."""

from __future__ import annotations

import contextlib
import os
import posixpath

from cloche.errors import DestinationError, reason_of
from cloche.fs import list_names
from cloche.fs.manifests import files_from_other_tools, hash_file, parse_manifest, read_manifest
from cloche.model.operations import Copy, InstallTree, Link, MakeDir, Run, Write
from cloche.model.value import TYPE_CHECKING, Value
from cloche.planning.pyvenv_cfg import is_relocatable
from cloche.shells import quote_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloche.model.environment import Environment, Layout
    from cloche.model.operations import Operation
    from cloche.model.plan import Blueprint
    from cloche.planning.destination import Destination


OTHERS_SCRIPTS = ("activate", "deactivate", "pydoc")
"""The beginnings of the names of scripts that other tools write for shells, in lower case."""


class Kept(Value):
    """What stays in a directory into which an environment is merged."""

    directories: frozenset[str]
    """Paths of directories that stay where the creator would put a link to a directory (`lib64`)."""
    checksums: Mapping[str, str]
    """The SHA-256 in hexadecimal of files that are there, by path: those in the manifest, or scripts of another tool."""
    from_other_tools: frozenset[str]
    """The files that another tool wrote."""
    notes: Sequence[str]


def find_kept(destination: Destination, blueprint: Blueprint, environment: Environment) -> Kept:
    """Return what stays in an existing directory.

    :raises DestinationError: the manifest exists and cannot be read.
    """
    is_environment = destination.state == "environment"
    manifest = read_manifest(destination.target, on_error=refuse_unreadable_manifest) if is_environment else ""
    is_others = is_environment and not manifest
    others = scripts_of_other_tools(destination.target, blueprint.layout.bin) if is_others else {}
    return Kept(
        frozenset(
            operation.path
            for operation in blueprint.operations
            if isinstance(operation, Link) and is_kept_directory(destination, operation.path)
        ),
        parse_manifest(manifest) | others,
        files_from_other_tools(manifest) | others.keys(),
        (*relocatable_notes(environment, destination), *unlocked_notes(blueprint, destination)),
    )


def scripts_of_other_tools(root: str, directory: str) -> dict[str, str]:
    """Return the SHA-256 in hexadecimal of the scripts that other tools write for a shell, by path.

    :param directory: the directory of the scripts, relative to the root of the environment.
    """
    paths = [f"{directory}/{name}" for name in list_names(os.path.join(root, directory))]
    found: dict[str, str] = {}
    for path in paths:
        if posixpath.basename(path).lower().startswith(OTHERS_SCRIPTS):
            with contextlib.suppress(OSError):
                found[path] = hash_file(os.path.join(root, path))
    return found


def is_kept_directory(destination: Destination, path: str) -> bool:
    """Return whether there is a directory where the creator would put a link to a directory."""
    existing = os.path.join(destination.target, path)
    if "/" in path:
        return False  # only links at the top point to directories; those in `bin` point to executables
    return os.path.isdir(existing) and not os.path.islink(existing)


def refuse_unreadable_manifest(error: OSError) -> None:
    """Refuse to continue without the manifest of an environment: a new one would lose its entries.

    :raises DestinationError: the manifest exists and cannot be read.
    """
    if os.path.isfile(error.filename):
        raise DestinationError(
            f"cannot read `{error.filename}`: {reason_of(error)}",
            hint="make the file readable, or replace the environment with `--clear`",
        ) from error


def refuse_conflicts(destination: Destination, operations: Iterable[Operation], layout: Layout, os_name: str) -> None:
    """Refuse to replace a file in a directory that is not an environment.

    :raises DestinationError: a path that is to be created exists.
    """
    for operation in operations:
        paths: list[str] = []
        match operation:
            case MakeDir(path):
                existing = os.path.join(destination.target, path)
                if os.path.lexists(existing) and (os.path.islink(existing) or not os.path.isdir(existing)):
                    raise conflict_error(destination, path, layout, os_name)
            case InstallTree():
                pass  # applying the plan finds conflicts in the directory for packages
            case Run():  # creates the executables
                paths = [f"{layout.bin}/{name}" for name in layout.names]
            case Link(path) | Copy(path) | Write(path):
                paths = [path]
        for path in paths:
            if os.path.lexists(os.path.join(destination.target, path)):
                raise conflict_error(destination, path, layout, os_name)


def conflict_error(destination: Destination, path: str, layout: Layout, os_name: str) -> DestinationError:
    """Return the error for a path that already exists."""
    if is_damaged_environment(destination, layout):
        return DestinationError(
            f"`{destination.location}` is a damaged environment: it has no `pyvenv.cfg` with a `home`",
            hint=f"`cloche doctor --fix {quote_word(destination.location, os_name)}` restores what is missing",
        )
    return DestinationError(
        f"`{destination.location}` is not an environment, and `{path}` already exists in it",
        hint="move it away, or choose another destination",
    )


def is_damaged_environment(destination: Destination, layout: Layout) -> bool:
    """Return whether a directory without settings has the Python, the packages and the activation script of an environment."""
    paths = (f"{layout.bin}/{layout.names[0]}", f"{layout.bin}/activate")
    return all(os.path.lexists(os.path.join(destination.target, path)) for path in paths) and os.path.isdir(
        os.path.join(destination.target, layout.purelib)
    )


def relocatable_notes(environment: Environment, destination: Destination) -> list[str]:
    """Return the notes about scripts that do not become relocatable together with their environment."""
    was_fixed = destination.settings.get("home") and not is_relocatable(destination.settings)
    if environment.placement == "relocatable" and was_fixed:
        return [
            "new scripts are relocatable; `cloche doctor --fix` makes the scripts of installed packages relocatable too"
        ]
    return []


def unlocked_notes(blueprint: Blueprint, destination: Destination) -> list[str]:
    """Return the note about an environment from a lock file that this run does not name."""
    if "lock" not in destination.settings or blueprint.is_locked:
        return []
    note = f"`{destination.location}` no longer follows the lock file that it was created from"
    return [f"{note}; to install exactly the packages of that file again, name it with `--lock`"]
