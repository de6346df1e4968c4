"""The packed files with paths that will not exist where the archive is unpacked."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from cloche.fs import is_within
from cloche.fs.manifests import MANIFEST, RUNTIME_MANIFEST, parse_manifest, read_manifest
from cloche.lifecycle.embedded_paths import files_to_relocate
from cloche.lifecycle.embedded_paths.content_search import TEXT_LIMIT, ContentSearch
from cloche.lifecycle.installed import pth_entries, site_directories
from cloche.lifecycle.pack.entries import content_of
from cloche.lifecycle.relocation import Relocation, needle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.pack.entries import Entry
    from cloche.lifecycle.tree import Tree
    from cloche.model.environment import Environment


def files_with_roots(entries: Iterable[Entry], info: EnvironmentInfo, tree: Tree, roots: Sequence[str]) -> list[str]:
    """Return the files that may contain one of the paths of the environment: they contain the longest plain part of it.

    :param tree: the status of the files in the environment.
    """
    search = ContentSearch({needle(root) for root in roots} - {b""})
    own = {MANIFEST, *parse_manifest(read_manifest(info.environment.location, RUNTIME_MANIFEST)), RUNTIME_MANIFEST}
    possible = {file.path for file in files_to_relocate(tree, info.distributions, info.settings)} - own
    return [
        entry.path
        for entry in entries
        if entry.kind == "file"
        and (
            search.is_in(entry.content)
            if entry.content is not None
            else (entry.path in possible or entry.path not in tree.entries)
            and search.is_in_file(entry.source, entry.size)
        )
    ]


def mentions_root(entry: Entry, roots: Sequence[str]) -> bool:
    """Return whether a file, which may contain a path of the environment, does contain it.

    :raises ClocheError: it cannot be read.
    """
    if entry.size > TEXT_LIMIT:
        return True
    relocation = Relocation(tuple((root, "") for root in roots))
    return relocation.mentions_old_root(content_of(entry).decode("utf-8", "surrogateescape"))


def outside_directories(entries: Iterable[Entry], environment: Environment) -> Iterator[str]:
    """Yield a warning for each existing directory outside the environment that a `.pth` file adds to the search path.

    :raises ClocheError: a file cannot be read.
    """
    root = environment.location
    sites = site_directories(environment.layout)
    for entry in entries:
        if entry.kind != "file" or not entry.path.endswith(".pth") or posixpath.dirname(entry.path) not in sites:
            continue
        for added in pth_entries(content_of(entry).decode("utf-8", "surrogateescape"), environment):
            if "\0" in added:
                continue
            directory = os.path.normpath(os.path.join(root, posixpath.dirname(entry.path), added))
            is_inside = is_within(directory, root) or is_within(os.path.realpath(directory), os.path.realpath(root))
            if not is_inside and os.path.isdir(directory):
                yield f"`{entry.path}` adds a directory that is outside the environment and not packed: `{directory}`"
