"""What a wheel or an installed distribution must not contain: everything in it is untrusted."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.fs.case import folded
from cloche.model.metadata import parse_scripts
from cloche.store.reserved_names import is_reserved_program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.model.distribution import EntryPoint
    from cloche.store.archives import Member

MAX_PATH_BYTES = 1024
"""The length of the longest path that common systems allow, which includes the path of the environment."""

MAX_NAME_BYTES = 255
"""The length of the longest name of a file that common file systems allow."""

_CHARACTERS = r"\x00-\x1f\x7f\x85\u2028\u2029\\:"
FORBIDDEN = re.compile(f"[{_CHARACTERS}]")
"""The characters that no name may contain."""

_PART = f"[^/{_CHARACTERS}]*[^/{_CHARACTERS} .]"
_SAFE_PATH = re.compile(f"{_PART}(?:/{_PART})*")
"""A path that no check of `check_path` refuses."""


def check_member(location: str, member: Member) -> None:
    """Refuse a member of an archive that is not a regular file or a directory with a safe name."""
    check_path(location, member.name.removesuffix("/"))
    if stat.S_IFMT(member.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise unusable_distribution(location, f"`{member.name}` is not a regular file")


def check_path(location: str, name: str) -> None:
    """Refuse a name that means another path on some system, or that cannot be a line of a RECORD or file list."""
    if (len(name) < 64 or (len(name) <= MAX_NAME_BYTES and name.isascii())) and _SAFE_PATH.fullmatch(name):
        return  # short enough, whatever its characters are
    if len(name.encode("utf-8", "replace")) > MAX_PATH_BYTES:
        raise unusable_distribution(location, f"`{escape(name)}` is a path of more than {MAX_PATH_BYTES} bytes")
    parts = name.split("/")
    if any(len(part.encode("utf-8", "replace")) > MAX_NAME_BYTES for part in parts):
        raise unusable_distribution(location, f"`{escape(name)}` contains a name of more than {MAX_NAME_BYTES} bytes")
    if any(part in ("", ".", "..") for part in parts):
        raise unusable_distribution(location, f"`{escape(name)}` is not a safe relative path")
    if FORBIDDEN.search(name):
        raise unusable_distribution(
            location, f"`{escape(name)}` contains a character that is not allowed in file names"
        )
    if any(part.endswith((" ", ".")) for part in parts):
        raise unusable_distribution(location, f"`{escape(name)}` names another file on Windows")


def check_path_collisions(location: str, files: Iterable[tuple[str, str, str]]) -> None:
    """Refuse two files with the same path, and a file with the path of a directory.

    Paths are compared as on file systems that ignore case and the Unicode form of accents. `purelib` and `platlib` count
    as the same directory, because they are in nearly all environments.

    :param files: for each, the tree that it belongs to, the path in it, and its name for messages.
    """
    seen: dict[str, str] = {}
    for tree, path, name in files:
        key = folded(f"{'lib' if tree.endswith('lib') else tree}/{path}")
        if key in seen:
            raise unusable_distribution(location, f"`{seen[key]}` and `{name}` are the same file on some systems")
        seen[key] = name
    directories = set[str]()
    for key, name in seen.items():
        parent = key.rpartition("/")[0]
        while parent and parent not in directories:
            if parent in seen:
                raise unusable_distribution(location, f"`{seen[parent]}` is both a file and the directory of `{name}`")
            directories.add(parent)
            parent = parent.rpartition("/")[0]


def count_directories(paths: Iterable[str], limit: int) -> int:
    """Return the number of directories above some paths; stop when there are more than `limit`."""
    found: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
        if len(found) > limit:
            break
    return len(found)


def valid_scripts(location: str, text: str) -> tuple[EntryPoint, ...]:
    """Return the scripts that an `entry_points.txt` declares.

    :raises SeedError: one of them is not valid, or would replace another program.
    """
    found = tuple(parse_scripts(text))
    for point in found:
        usable = not FORBIDDEN.search(point.name) and "/" not in point.name and point.name not in ("", ".", "..")
        if not usable or len(point.name.encode("utf-8", "replace")) > MAX_NAME_BYTES or not point.names_object():
            declared = escape(f"{point.name} = {point.module}:{point.attribute}")
            raise unusable_distribution(location, f"its entry point `{declared}` is not valid")
        if is_reserved_program(point.name):
            raise unusable_distribution(
                location, f"its script `{escape(point.name)}` would replace a program of the environment itself"
            )
    names = [folded(point.name) for point in found]
    if len(set(names)) != len(names):
        raise unusable_distribution(location, "it declares a script twice")
    return found


def escape(text: str) -> str:
    """Return untrusted text as one line of at most 200 characters, with control characters escaped."""
    return text.encode("unicode_escape", "backslashreplace").decode()[:200]


def unusable_distribution(location: str, reason: str) -> SeedError:
    """Return the error for a wheel or an installed distribution that cannot be installed."""
    plain = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in reason[:500])
    return SeedError(
        f"`{location}` cannot be used: {plain}",
        hint="delete or reinstall it, or choose another version with `--pip`, with `--seed` or in the lock file",
    )
