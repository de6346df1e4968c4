"""What a built wheel depends on, and where the store keeps it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.model.value import Value, replace
from cloche.store.builds.directories import content_of_directory
from cloche.store.builds.process import UNIMPORTANT_VARIABLES
from cloche.store.builds.projects import read_pyproject
from cloche.store.builds.sources import archive_hash, check_source
from cloche.store.distributions import read_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.builds.sources import SourceCode

FORMAT = 1
"""Increased when wheels that an earlier version built must not be used."""


class BuildKey(Value):
    """What a built wheel is stored by."""

    digest: str
    """A hash of everything that the wheel depends on."""
    is_complete: bool
    """Whether the hash covers everything that the wheel depends on. If it does not, the wheel is used only in this run."""


def build_key(source: SourceCode, interpreter: Interpreter, environ: Mapping[str, str], store: Store) -> BuildKey:
    """Return the key of a built wheel in the store; the store records a directory as an input.

    :raises SeedError: the source is not usable.
    """
    check_source(source)
    content: str | None = source.commit
    if os.path.isdir(source.path):
        content = content_of_directory(source, read_pyproject(source), store.inputs)
    elif not source.vcs:
        content = archive_hash(source.path)
    variables = sorted((name, text) for name, text in environ.items() if name not in UNIMPORTANT_VARIABLES)
    described = replace(source, version="", path=source.path if os.path.isdir(source.path) else "")
    decided = (FORMAT, described, content, repr(interpreter), variables)
    digest = hashlib.sha256(repr(decided).encode("utf-8", "surrogateescape")).hexdigest()
    return BuildKey(digest, is_complete=content is not None)


def find_built_wheel(key: BuildKey, store: Store) -> str:
    """Return the path of a wheel that was built earlier; empty if there is none, or if another may be built now."""
    if not key.is_complete:
        return ""
    for directory in store.readable_directories("builds"):
        parent = os.path.join(directory, key.digest)
        for name in os.listdir(parent) if os.path.isdir(parent) and not os.path.islink(parent) else ():
            path = os.path.join(parent, name)
            try:
                read_wheel(path)
            except SeedError:
                continue
            if store.is_persistent:
                try:
                    os.utime(parent)  # `cloche cache prune` removes what is not used for a month
                except OSError:
                    pass
            return path
    return ""
