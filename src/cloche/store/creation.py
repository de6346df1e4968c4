"""Create the directories of the store, for its user alone.

A warm run does not load this module, because its directories exist.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from cloche.errors import ClocheError, reason_of

if TYPE_CHECKING:
    from collections.abc import Collection

TAG = b"""Signature: 8a477f597d28d172789f06886806bc55
# This directory is the cache of cloche. You can delete it at any time; cloche creates it again.
# See https://bford.info/cachedir/
"""


def create_root(root: str, users: Collection[int] | None = None) -> None:
    """Create the root of the store and its missing parents, and mark it as a cache.

    :param users: the ids of the users who may own the nearest existing parent; None if it does not matter.
    :raises OSError: it cannot be created, or the nearest existing parent belongs to another user, as under `sudo` with the
        HOME of the calling user.
    """
    parent = os.path.dirname(root)
    missing = [root]
    while not os.path.isdir(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    if users is not None and (owner := os.stat(parent).st_uid) not in users:
        raise PermissionError(0, f"`{parent}` belongs to user {owner}")
    for path in reversed(missing):
        create_private_directory(path)
    try:
        tag = os.open(os.path.join(root, "CACHEDIR.TAG"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    try:
        os.write(tag, TAG)
    finally:
        os.close(tag)


def create_private_directory(path: str) -> None:
    """Create a directory for this user alone, unless something exists at `path`.

    :raises OSError: it cannot be created.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass


def create_temporary_root() -> str:
    """Create a directory that replaces the root for one run; return its path.

    :raises ClocheError: it cannot be created.
    """
    try:
        return tempfile.mkdtemp(prefix="cloche-")
    except OSError as error:
        raise ClocheError(
            f"cannot create a temporary directory ({reason_of(error)})",
            hint="set `TMPDIR` or `--cache-dir` to a writable directory",
        ) from None
