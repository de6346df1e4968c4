"""Loose files: files in an environment that belong to no installed package and were not written by the tool that created it."""

from __future__ import annotations

import os
import posixpath
import stat
from typing import TYPE_CHECKING

from cloche.fs import list_names
from cloche.fs.manifests import (
    MANIFEST,
    RUNTIME_MANIFEST,
    files_from_other_tools,
    format_manifest,
    parse_manifest,
    read_manifest,
    sha256_of,
    was_edited,
)
from cloche.lifecycle.embedded_paths import generated_file_states
from cloche.lifecycle.installed import site_directories
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.tree import is_same_content
from cloche.planning.destination import refuse_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.tree import Tree
    from cloche.model.environment import Environment, Layout
    from cloche.shells import ShellFamily


STARTUP_FILES = ("_virtualenv.py", "_virtualenv.pth", "distutils-precedence.pth")
"""Files that virtualenv and setuptools write beside packages, for one version of Python."""


class LooseFiles:
    """A rule that decides, by its path, whether a file in an environment is loose."""

    def __init__(
        self,
        root: str,
        layout: Layout,
        shells: Mapping[str, ShellFamily],
        distributions: Iterable[InstalledDistribution],
        links: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Collect what is not loose.

        :param shells: the shells of activation scripts, by file name in lower case.
        :param distributions: the packages whose files are not loose.
        :param links: the links between directories in whose place is a copy of the directory.
        """
        everything = list(distributions)
        self._root, self._layout, self._shells = root, layout, shells
        self._owned = {row.path for distribution in everything for row in distribution.rows}
        self._metadata = tuple(f"{distribution.metadata}/" for distribution in everything)
        self._runtime = parse_manifest(read_manifest(root, RUNTIME_MANIFEST)).keys()
        self._known = {
            layout.config,
            MANIFEST,
            RUNTIME_MANIFEST,
            *ROOT_FILES,
            ".lock",
            *self._owned,
            *self._runtime,
            *parse_manifest(read_manifest(root)),
            *(distribution.metadata for distribution in everything),
            *(f"{layout.bin}/{point.name}" for distribution in everything for point in distribution.entry_points),
        }
        self._sites = {*site_directories(layout), *(distribution.site for distribution in everything)}
        self._links = {"lib64", "local", *(path for path, _ in layout.links)}
        self._copies = [(link, target) for link, target in links if os.path.isdir(os.path.join(root, link))]

    def has(self, path: str, *, is_link: bool) -> bool:
        """Return whether a file or link is loose."""
        directory, _, name = path.rpartition("/")
        if path in self._known or path.startswith(self._metadata):
            return False
        if path.endswith(".pyc") and directory.endswith("__pycache__"):
            return False  # Python writes it again; a module without source is elsewhere
        if directory == self._layout.bin and (PYTHON_NAME.fullmatch(name) or name.lower() in self._shells):
            return False
        if is_link and (path in self._links or target_inside(self._root, path) in self._runtime):
            return False
        if name in STARTUP_FILES and directory in self._sites:
            return False
        return not any(is_stale_copy(self._root, path, link, target, self._owned) for link, target in self._copies)

    def in_tree(self, tree: Tree) -> list[str]:
        """Return the paths of the loose files in the tree of the environment.

        :raises DestinationError: a directory cannot be read; the files in it would be lost.
        """
        files = [(path, stat.S_IFMT(status.st_mode)) for path, status in tree.entries.items()]
        for error in tree.errors:
            refuse_unreadable(error)
        return [
            path
            for path, kind in files
            if kind in (stat.S_IFREG, stat.S_IFLNK) and self.has(path, is_link=kind == stat.S_IFLNK)
        ]


def is_stale_copy(root: str, path: str, link: str, target: str, owned: AbstractSet[str]) -> bool:
    """Return whether a file is in a copy of a directory, made in place of a link to it, and the directory has it as well.

    A file of a package may be different there, because it was installed again since.
    """
    if not path.startswith(f"{link}/"):
        return False
    original = target + path[len(link) :]
    return original in owned or is_same_content(os.path.join(root, path), os.path.join(root, original))


def target_inside(root: str, path: str) -> str:
    """Return the path that a relative link leads to, relative to the root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), os.readlink(os.path.join(root, path))))


def files_with_edits(environment: Environment, shells: Mapping[str, ShellFamily]) -> list[str]:
    """Return the activation scripts, and the files that tools write into the root, if they may have edits.

    What other tools wrote is unknown, so all of their files are kept. Activation scripts do not depend on the version of
    Python, except for the library directory in `activate_this.py`.
    """
    overlay = Overlay(environment.location)
    states = generated_file_states(overlay)
    names = list_names(overlay.on_disk(environment.layout.bin))
    scripts = [f"{environment.layout.bin}/{name}" for name in names if name.lower() in shells]
    return [
        path
        for path in (*scripts, *ROOT_FILES)
        if overlay.content(path) is not None and states.get(path, "other tool") != "unedited"
    ]


def manifest_with_kept_files(text: str, kept: Iterable[str], old: Overlay, new: Overlay) -> bytes:
    """Return the manifest of a new environment with the hashes of kept files that another tool wrote.

    Edited files of cloche have the hash of what cloche writes, so that they still count as edited.

    :param text: the manifest that the new environment would have.
    :param kept: files of the old environment that are kept.
    :param old: the environment that it replaces.
    :param new: the new one; it may be the same if no kept file changes.
    """
    states = generated_file_states(old)
    recorded = parse_manifest(old.text(MANIFEST))
    hashes = parse_manifest(text)
    others = {*files_from_other_tools(text)}
    for path in kept:
        digest = sha256_of(new.content(path) or b"")
        if states.get(path, "other tool") == "other tool" and digest != hashes.get(path):
            was_true = path not in recorded or not was_edited(old.content(path) or b"", recorded[path])
            hashes[path] = digest if was_true else recorded[path]
            others.add(path)
    return format_manifest(hashes, others)


ROOT_FILES = (".gitignore", "CACHEDIR.TAG")
"""Files that tools write into the root, and that users edit."""
