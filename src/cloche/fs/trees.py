"""Trees of files as inputs: which of their files count, and a value that changes with these."""

from __future__ import annotations

import errno
import os
import stat
from hashlib import sha256
from typing import TYPE_CHECKING

from cloche.fs.manifests import hash_file
from cloche.model import PYVENV_CFG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION_CONTROL = frozenset({".bzr", ".git", ".hg", ".jj", ".svn"})
"""Names of directories, or of files in their place, that make their parent the root of a repository."""

BYTECODE = "__pycache__"
"""The name of a directory that Python writes (PEP 3147)."""

GENERATED = ".egg-info"
"""The end of the name of a directory that setuptools writes into a project whenever it builds it."""

MARKS = frozenset({"CACHEDIR.TAG", "conda-meta", PYVENV_CFG})
"""Entries that mark a directory as not part of a project: a cache (bford.info/cachedir) or an environment."""

IGNORE_FILES = (".gitignore", ".hgignore")
"""Hidden files that decide which files of a project are packaged."""


def tree_signature(root: str, signature_of: Callable[[os.stat_result], object], *, only_names: bool) -> str:
    """Return a value that changes with every file of a project, without reading the files.

    :param signature_of: returns a value that changes with a file.
    :param only_names: whether modules count by name only, and hidden entries in the root not at all.
    """

    def state(path: str, status: os.stat_result) -> object:
        return os.readlink(path) if stat.S_ISLNK(status.st_mode) else signature_of(status)

    try:
        return _hash_of(root, state, only_names=only_names)
    except OSError as error:
        return f"unreadable: {error}"


def tree_content(root: str, *, only_names: bool) -> str:
    """Return the SHA-256 in hexadecimal of the paths, contents and permissions of a project's files.

    :param only_names: whether modules count by name only, and hidden entries in the root not at all.
    :raises OSError: a file cannot be read or is not a regular one, or a link leads out of the tree.
    """
    inside = os.path.realpath(root) + os.sep

    def state(path: str, status: os.stat_result) -> object:
        if not stat.S_ISLNK(status.st_mode):
            return status.st_mode & 0o111, hash_file(path)
        if not os.path.realpath(path).startswith(inside):
            raise OSError(errno.EXDEV, "leads out of the project", path)
        return os.readlink(path)

    return _hash_of(root, state, only_names=only_names)


def _hash_of(root: str, state: Callable[[str, os.stat_result], object], *, only_names: bool) -> str:
    hashed = sha256()
    for path in sorted(_files(root, with_hidden=not only_names)):
        full = os.path.join(root, path)
        is_module = path.endswith((".py", ".pyi"))
        found = None if only_names and is_module else state(full, os.lstat(full))
        hashed.update(repr((path, found)).encode("utf-8", "surrogateescape"))
    return hashed.hexdigest()


def _files(root: str, *, with_hidden: bool) -> Iterator[str]:
    """Yield the paths of a project's files and links, relative to its root.

    :param with_hidden: whether hidden entries in the root are part of the project; `IGNORE_FILES` always are.
    :raises OSError: a directory cannot be read.
    """
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        with os.scandir(os.path.join(root, directory)) as scanned:
            entries = list(scanned)
        if directory and not MARKS.isdisjoint(entry.name for entry in entries):
            continue
        for entry in entries:
            name = entry.name
            if name in VERSION_CONTROL or name == BYTECODE or name.endswith(GENERATED):
                continue
            if not directory and not with_hidden and name.startswith(".") and name not in IGNORE_FILES:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(os.path.join(directory, name))
            else:
                yield os.path.join(directory, name)
