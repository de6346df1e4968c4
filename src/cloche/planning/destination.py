"""What stands where an environment is to be made, and whether one may be; it looks and changes nothing."""

from __future__ import annotations

import errno
import os

from cloche.apply.staging import LONGEST_STAGED
from cloche.errors import DestinationError, UsageError, reason_of
from cloche.fs.files import read_at_most
from cloche.model.interpreter import path_module
from cloche.model.value import TYPE_CHECKING, value
from cloche.planning import pyvenv_cfg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal, TypeAlias

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.operations import Operation

    State: TypeAlias = Literal["absent", "empty", "environment", "directory"]


@value
class Destination:
    """A place for an environment."""

    location: str
    """Absolute, as the user spells it; a symbolic link stays one."""
    target: str
    """The directory itself: where a link at `location` points to."""
    state: State
    settings: Mapping[str, str]
    """What the `pyvenv.cfg` there says; empty if there is none."""
    immovable: bool
    """The directory cannot be exchanged for another: a mount point, or where the user stands."""


PATH_MAX = 4096
"""Bytes of an absolute path that Linux accepts, the final NUL included."""

PATH_MAX_MACOS = 1024


def absolute_path(text: str, host: Host) -> str:
    """Return a directory that the user named as an absolute path.

    `..` is resolved as the system would, through links, since `link/..` may be another directory than it seems to be.

    :raises UsageError: it is blank, or relative while the current directory has been removed.
    """
    paths = path_module(host.os_name)
    if not text.strip():
        raise UsageError("the name of the directory is blank", hint="name one, as in `.venv`; is a variable not set?")
    if not paths.isabs(text):
        if not host.cwd:
            raise UsageError(
                f"`{text}` is relative, and the current directory has been removed", hint="give an absolute path"
            )
        text = paths.join(host.cwd, text)
    parts = text.replace("\\", "/").split("/") if host.os_name == "nt" else text.split("/")
    return str(paths.realpath(text) if ".." in parts else paths.normpath(text))


def inspect_destination(location: str, host: Host) -> Destination:
    """Return what stands at an absolute path.

    :raises DestinationError: it cannot be the root of an environment: a file, a dangling link, a path that PATH or
        UTF-8 cannot hold.
    """
    refuse_unusable_path(location, host)
    target = os.path.realpath(location) if os.path.islink(location) else location
    try:
        entries = os.scandir(target)
    except FileNotFoundError:
        if os.path.islink(location):
            raise DestinationError(
                f"`{location}` is a symbolic link to `{target}`, which does not exist",
                hint="make that directory, or remove the link",
            ) from None
        refuse_long_names(target)
        return Destination(location, target, "absent", {}, immovable=False)
    except NotADirectoryError:
        blocking = location if os.path.lexists(location) else nearest_existing_path(location)
        raise DestinationError(
            f"`{blocking}` already exists and is not a directory", hint="choose another place, or move it away"
        ) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            refuse_long_paths(target, (), 0, host.platform)
        raise DestinationError(
            f"cannot look into `{location}`: {reason_of(error)}", hint="choose another place"
        ) from None
    with entries:
        empty = next(entries, None) is None
    settings = {} if empty else read_settings(target)
    state: State = "empty" if empty else "environment" if settings.get("home") else "directory"
    return Destination(
        location, target, state, settings, immovable=is_mount_point(target) or contains_current_directory(target, host)
    )


def refuse_unusable_path(location: str, host: Host) -> None:
    """:raises DestinationError: a path that cannot be activated or recorded, whatever stands there."""
    separator = path_module(host.os_name).pathsep
    if separator in location:
        raise DestinationError(
            f"`{location}` contains `{separator}`, which separates the entries of PATH",
            hint="choose a name without it: no shell could put the environment on PATH",
        )
    if "\0" in location:
        raise DestinationError("the destination contains a NUL character")
    try:
        location.encode("utf-8")
    except UnicodeEncodeError:
        shown = location.encode("utf-8", "backslashreplace").decode()
        raise DestinationError(
            f"`{shown}` is not valid UTF-8, which pyvenv.cfg requires", hint="choose a name that is"
        ) from None


def nearest_existing_path(path: str) -> str:
    """Return the innermost part of a path that exists."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def is_mount_point(path: str) -> bool:
    """Return whether something is mounted at a directory, so that no rename can take it away.

    `os.path.ismount` compares devices, of which a bind mount has the same on both sides; Linux lists it (proc(5),
    `mountinfo`), with what would part its columns in octal.
    """
    if os.path.ismount(path):
        return True
    listed = (read_at_most("/proc/self/mountinfo", 1 << 24) or b"").splitlines()
    real = os.fsencode(os.path.realpath(path))
    for character in (b"\\", b" ", b"\t", b"\n"):
        real = real.replace(character, b"\\%03o" % ord(character))
    return any(line.split(b" ", 5)[4:5] == [real] for line in listed)


def contains_current_directory(target: str, host: Host) -> bool:
    """Return whether the user's current directory is `target` or inside it, and would be lost with it."""
    try:
        here = os.path.realpath(host.cwd) if host.cwd else ""
    except OSError:
        return False
    real = os.path.realpath(target)
    return here == real or here.startswith(real.rstrip(os.sep) + os.sep)


def refuse_running_cloche(location: str, host: Host, action: str) -> None:
    """:raises DestinationError: the Python that runs cloche, or cloche itself, lies in what is to be replaced.

    :param action: what would take it away, as the start of a sentence.
    """
    if any(
        contains_path(location, path) for path in (os.path.dirname(host.executable), os.path.dirname(__file__)) if path
    ):
        raise DestinationError(
            f"this cloche runs from `{location}`, and {action} would take it away",
            hint="use a cloche that is installed somewhere else",
        )


def refuse_base_interpreter(location: str, interpreter: Interpreter) -> None:
    """:raises DestinationError: the base interpreter of the new environment lies in what is to be replaced."""
    if contains_path(location, interpreter.executable):
        raise DestinationError(
            f"`{location}` has the Python in it that the environment is to be made from, and `--clear` would delete it",
            hint="choose another place, or another Python with `-p`",
        )


def refuse_directory_in_use(location: str, host: Host) -> None:
    """:raises DestinationError: the directory to be replaced has the user's home in it, or that which the run started in.

    That one itself can be meant: `cloche . --clear --force`.
    """
    user_home = host.environ.get("HOME") or host.environ.get("USERPROFILE", "")
    for name, path in (("your home directory", user_home), ("the current directory", os.path.dirname(host.cwd))):
        if path and contains_path(location, path):
            raise DestinationError(
                f"`{location}` has {name} in it, and `--clear` would delete it",
                hint="choose another place; what is to be deleted there is for you to delete",
            )


def contains_path(directory: str, path: str) -> bool:
    """Return whether a path, links resolved, is a directory or lies in it."""
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(os.path.realpath(directory), ""))


def read_settings(root: str) -> dict[str, str]:
    """Return the settings of the `pyvenv.cfg` in a directory; empty if there is none that can be read."""
    return pyvenv_cfg.parse_settings(
        (read_at_most(os.path.join(root, pyvenv_cfg.NAME), 1 << 20) or b"").decode("utf-8", "replace")
    )


def is_relocatable(settings: Mapping[str, str]) -> bool:
    """Return whether a `pyvenv.cfg` says that what is in the environment finds its place (cloche and uv write it)."""
    return settings.get("relocatable", "").lower() == "true"


def find_python_mismatch(destination: Destination, interpreter: Interpreter, layout: Layout) -> str | None:
    """Return which Python an existing environment is for (`Python 3.11`), if it is not this one."""
    settings = destination.settings
    recorded = settings.get("version_info") or settings.get("version") or ""
    if recorded and recorded.split(".")[:2] != interpreter.python_version.split("."):
        return f"Python {'.'.join(recorded.split('.')[:3])}"
    implementation = settings.get("implementation", "")
    if (
        implementation
        and {"graalvm": "graalpy"}.get(kind := implementation.lower(), kind) != interpreter.implementation
    ):
        return implementation
    if not os.path.isdir(os.path.join(destination.target, layout.purelib)):
        return "another Python"
    return None


def refuse_long_names(target: str) -> None:
    """:raises DestinationError: a directory that has still to be made has a name that its file system does not accept."""
    there, missing = os.path.dirname(target), []
    while not os.path.isdir(there) and os.path.dirname(there) != there:
        missing.append(os.path.basename(there))
        there = os.path.dirname(there)
    for name in missing:
        try:
            os.lstat(os.path.join(there, name))
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise DestinationError(
                    f"`{name}` is too long for a name: it has {len(os.fsencode(name))} bytes",
                    hint="choose a shorter one; most file systems accept 255 bytes",
                ) from None


def refuse_long_paths(target: str, operations: Iterable[Operation], longest_in_images: int, platform: str) -> None:
    """:raises DestinationError: a path inside would be longer than the system accepts."""
    most = PATH_MAX_MACOS if platform == "darwin" else PATH_MAX
    longest = max((len(operation.path) for operation in operations if hasattr(operation, "path")), default=0)
    if len(os.fsencode(target)) + len(LONGEST_STAGED) + max(longest, longest_in_images) >= most:
        raise DestinationError(
            f"the destination's path is {len(os.fsencode(target))} bytes long: files in it could not be opened",
            hint=f"choose a shorter one; the system's limit for a whole path is {most - 1} bytes",
        )
