"""File systems that ignore the case of names, and names that are the same on them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cloche.fs import list_names

if TYPE_CHECKING:
    from collections.abc import Callable


def folded(path: str) -> str:
    """Return a path in a form in which two paths are equal if a file system that ignores case treats them as one.

    Such file systems also ignore the Unicode form of accents: those of macOS, and ext4 with `casefold`.
    """
    if path.isascii():
        return path.lower()
    import unicodedata

    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def ignores_case(directory: str) -> bool:
    """Return whether an existing directory ignores the case of names; False if it cannot be found out without writing.

    It looks for an entry, or else for the directory itself, under a name in the other case.
    """
    if sys.platform == "win32":
        return True
    names = set(list_names(directory))
    parent, name = os.path.split(os.path.realpath(directory))
    for where, entries in ((directory, sorted(names)), (parent, [name])):
        for entry in entries:
            other = entry.swapcase()
            if other != entry and other not in names and len(other) == len(entry):
                return is_same(os.path.join(where, entry), os.path.join(where, other))
    return False


def is_same(one: str, other: str) -> bool:
    """Return whether two paths lead to the same entry; links are not followed."""
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except OSError:
        return False


def key_in(directory: str) -> Callable[[str], str]:
    """Return the function by which paths in an existing directory are compared: two paths are the same if its results are."""
    return folded if ignores_case(directory) else str
