"""Destinations: what exists at the path of a new environment, and whether one may be created there. Nothing is changed."""

from __future__ import annotations

import errno
import os
import sys

from cloche.apply.staging import LONGEST_STAGED
from cloche.errors import DestinationError, UsageError, reason_of
from cloche.fs import contains_path, is_mount_point, nearest_existing_path, read_at_most
from cloche.model import PYVENV_CFG
from cloche.model.interpreter import path_module
from cloche.model.value import TYPE_CHECKING, Value
from cloche.planning import pyvenv_cfg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Literal, TypeAlias

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.operations import Operation
    from cloche.model.plan import Blueprint

    State: TypeAlias = Literal["absent", "empty", "environment", "directory"]


class Destination(Value):
    """The path of a new environment, and what exists there."""

    location: str
    """Absolute path as the user wrote it; symbolic links are not resolved."""
    target: str
    """The directory itself: the same path, or the target of a symbolic link at `location`."""
    state: State
    settings: Mapping[str, str]
    """The settings in its `pyvenv.cfg`; empty if it has none."""
    immovable: bool
    """Whether the directory cannot be exchanged for another: a mount point, one that contains the current directory, or one
    whose parent cannot be written to."""


PATH_MAX = 4096
"""The limit on Linux for the length of a path in bytes, including the final NUL."""

PATH_MAX_MACOS = 1024


def absolute_path(text: str, host: Host) -> str:
    """Return the path of a directory as an absolute path.

    `..` is resolved as the system does it, after following links: the parent of a link's target is not the link's parent.

    :raises UsageError: the path is blank, or is relative while the current directory has been removed.
    """
    paths = path_module(host.os_name)
    if not text.strip():
        raise UsageError(
            "the name of the directory is blank", hint="give a name such as `.venv`, and check that variables are set"
        )
    if not paths.isabs(text):
        if not host.cwd:
            raise UsageError(
                f"`{text}` is relative, and the current directory has been removed", hint="give an absolute path"
            )
        text = paths.join(host.cwd, text)
    parts = text.replace("\\", "/").split("/") if host.os_name == "nt" else text.split("/")
    return str(paths.realpath(text) if ".." in parts else paths.normpath(text))


def inspect_destination(location: str, host: Host) -> Destination:
    """Return what exists at an absolute path.

    :raises DestinationError: it cannot be the root of an environment: it is a file or a broken link, or PATH or
        `pyvenv.cfg` cannot contain the path; or its `pyvenv.cfg` cannot be read.
    """
    refuse_unusable_path(location, host)
    target = os.path.realpath(location) if os.path.islink(location) else location
    try:
        entries = os.scandir(target)
    except FileNotFoundError:
        if os.path.islink(location):
            raise DestinationError(
                f"`{location}` is a symbolic link to `{target}`, which does not exist",
                hint="create that directory, or remove the link",
            ) from None
        refuse_long_names(target)
        return Destination(location, target, "absent", {}, immovable=False)
    except NotADirectoryError:
        blocking = location if os.path.lexists(location) else nearest_existing_path(location)
        raise DestinationError(
            f"`{blocking}` already exists and is not a directory", hint="choose another destination, or move the file"
        ) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            refuse_long_paths(target, (), 0, host.platform)
        raise DestinationError(
            f"cannot read the directory `{location}`: {reason_of(error)}", hint="choose another destination"
        ) from None
    with entries:
        empty = next(entries, None) is None
    settings = {} if empty else read_settings(target, refuse_unreadable)
    state: State = "empty" if empty else "environment" if describes_environment(settings) else "directory"
    is_fixed = is_mount_point(target) or not os.access(os.path.dirname(target), os.W_OK)
    return Destination(
        location, target, state, settings, immovable=is_fixed or contains_current_directory(target, host)
    )


def describes_environment(settings: Mapping[str, str]) -> bool:
    """Return whether a `pyvenv.cfg` with these settings is that of an environment."""
    return bool(settings.get("home")) or pyvenv_cfg.is_portable(settings)


def refuse_unusable_path(location: str, host: Host) -> None:
    """Refuse a path that no environment can have.

    :raises DestinationError: PATH or `pyvenv.cfg` cannot contain the path.
    """
    separator = path_module(host.os_name).pathsep
    if separator in location:
        raise DestinationError(
            f"`{location}` contains `{separator}`, which separates the entries of PATH",
            hint="choose a path without it, because no shell could add the environment to PATH",
        )
    if "\0" in location:
        raise DestinationError("the destination contains a NUL character")
    try:
        location.encode("utf-8")
    except UnicodeEncodeError:
        shown = location.encode("utf-8", "backslashreplace").decode()
        if sys.getfilesystemencoding() != "utf-8":
            raise DestinationError(
                f"`{shown}`: the encoding of the locale, `{sys.getfilesystemencoding()}`, cannot express it",
                hint="run the command with `LC_ALL=C.UTF-8`",
            ) from None
        raise DestinationError(
            f"`{shown}` is not valid UTF-8, so Python could not read the scripts that pip installs there",
            hint="choose a path in valid UTF-8",
        ) from None


def contains_current_directory(target: str, host: Host) -> bool:
    """Return whether the user's current directory is `target` or inside it."""
    return bool(host.cwd) and contains_path(target, host.cwd)


def read_settings(root: str, on_error: Callable[[OSError], None] | None = None) -> dict[str, str]:
    """Return the settings in the `pyvenv.cfg` of a directory; empty if it does not exist or cannot be read.

    :param on_error: called if it cannot be read; the error may also be that it does not exist.
    """
    content = read_at_most(os.path.join(root, PYVENV_CFG), 1 << 20, on_error) or b""
    return pyvenv_cfg.parse_settings(content.decode("utf-8", "replace"))


def refuse_unreadable(error: OSError) -> None:
    """Refuse to continue after an error, unless it says that a path does not exist or is of another kind.

    :raises DestinationError: it is another error.
    """
    if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ELOOP):
        from cloche.apply.obstacles import remedy_for

        raise DestinationError(
            f"cannot read `{error.filename}`: {reason_of(error)}", hint=f"nothing was changed; {remedy_for(error)}"
        ) from error


def refuse_long_names(target: str) -> None:
    """Refuse a path in which a directory that does not exist yet has a name that is too long for its file system.

    :raises DestinationError: the file system does not accept a name.
    """
    parent, missing = os.path.dirname(target), []
    while not os.path.isdir(parent) and os.path.dirname(parent) != parent:
        missing.append(os.path.basename(parent))
        parent = os.path.dirname(parent)
    for name in missing:
        try:
            os.lstat(os.path.join(parent, name))
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise DestinationError(
                    f"the name `{name}` is too long: {len(os.fsencode(name))} bytes",
                    hint="choose a shorter name; most file systems accept 255 bytes",
                ) from None


def refuse_long_paths(target: str, operations: Iterable[Operation], longest_in_images: int, platform: str) -> None:
    """Refuse a destination in which a path would be longer than the system accepts.

    :param longest_in_images: length of the longest path in an image, in bytes.
    :raises DestinationError: a path would be too long.
    """
    limit = PATH_MAX_MACOS if platform == "darwin" else PATH_MAX
    longest = max((len(operation.path) for operation in operations if hasattr(operation, "path")), default=0)
    if len(os.fsencode(target)) + len(LONGEST_STAGED) + max(longest, longest_in_images) >= limit:
        raise DestinationError(
            f"the destination's path is too long: {len(os.fsencode(target))} bytes",
            hint=f"choose a shorter path; the system does not open files with a path of more than {limit - 1} bytes",
        )


def find_python_mismatch(destination: Destination, interpreter: Interpreter, layout: Layout) -> str | None:
    """Return the Python of an existing environment (`CPython 3.11.7`) if it differs from this one; None if it is the same."""
    settings = destination.settings
    recorded = settings.get("version_info") or settings.get("version") or ""
    implementation = settings.get("implementation", "")
    if recorded and recorded.split(".")[:2] != interpreter.python_version.split("."):
        return f"{implementation or 'Python'} {'.'.join(recorded.split('.')[:3])}"
    if (
        implementation
        and {"graalvm": "graalpy"}.get(kind := implementation.lower(), kind) != interpreter.implementation
    ):
        return implementation
    if not os.path.isdir(os.path.join(destination.target, layout.purelib)):
        return "another Python"
    return None


def refuse_other_kind(blueprint: Blueprint, destination: Destination) -> None:
    """Refuse to turn an existing environment into a portable one, or the reverse.

    :raises DestinationError: only one of the two would be portable.
    """
    if blueprint.runtime and destination.settings.get("home"):
        raise DestinationError(
            f"`{destination.location}` is an environment that uses the Python in `{destination.settings['home']}`",
            hint="choose another destination, or replace the environment with `--clear`",
        )
    if not blueprint.runtime and pyvenv_cfg.is_portable(destination.settings):
        raise DestinationError(
            f"`{destination.location}` is a portable environment, which contains its own Python",
            hint="`--creator portable` refreshes it, and `--clear` replaces it",
        )
