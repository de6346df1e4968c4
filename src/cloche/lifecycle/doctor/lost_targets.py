"""Lost targets: the directories that no longer exist, to which links of installed packages lead.

Tools that install packages as links to a cache (`--link-mode symlink`) lose every file of a package at once. These links
are one problem with one cause, and not one for each file.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cloche.lifecycle.installed import site_directories
from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.lifecycle.tree import Tree
    from cloche.model.environment import Environment

IMAGE = re.compile(r"/images/[^/]+/(?P<name>[^/]+)-(?P<version>[^/-]+)-[0-9a-f]{16}/(?:purelib|platlib)\Z")
"""The end of the directory of a tree of an image in the store, with the name and version of the distribution."""


class LostSeed(Value):
    """A seed that lost its files, because its image in cloche's cache was removed."""

    name: str
    version: str
    links: tuple[str, ...]
    """Its links, relative to the root of the environment, sorted."""
    metadata: tuple[str, ...]
    """The metadata directories with such links."""

    @property
    def requirement(self) -> str:
        """The requirement that installs it again."""
        return f"{self.name}=={self.version}"


class LostTarget(Value):
    """A missing directory that links in `site-packages` point into, each to the same relative path."""

    directory: str
    links: tuple[str, ...]
    """Relative to the root of the environment, sorted."""

    @property
    def seed(self) -> tuple[str, str]:
        """The name and version of the seed of which it was the image in cloche's cache; otherwise empty."""
        match = IMAGE.search(self.directory)
        return (match["name"], match["version"]) if match else ("", "")

    @property
    def metadata(self) -> list[str]:
        """The metadata directories (`.dist-info`) with such links."""
        return list(dict.fromkeys(path for path in map(os.path.dirname, self.links) if path.endswith(".dist-info")))


def seeds_of(targets: Iterable[LostTarget]) -> list[LostSeed]:
    """Return the seeds among lost targets, sorted by name."""
    found: dict[tuple[str, str], list[LostTarget]] = {}
    for target in targets:
        if target.seed[0]:
            found.setdefault(target.seed, []).append(target)
    return [
        LostSeed(
            name,
            version,
            tuple(sorted(link for target in trees for link in target.links)),
            tuple(path for target in trees for path in target.metadata),
        )
        for (name, version), trees in sorted(found.items())
    ]


def find_lost_targets(environment: Environment, tree: Tree) -> list[LostTarget]:
    """Return the lost targets of an environment, sorted by directory."""
    found: dict[str, list[str]] = {}
    for path in tree.dangling_links:
        target = os.readlink(os.path.join(tree.root, path))
        for site in site_directories(environment.layout):
            inside = path.removeprefix(f"{site}/")
            if inside != path and os.path.isabs(target) and target.endswith(f"/{inside}"):
                found.setdefault(target[: -len(inside) - 1], []).append(path)
    return [LostTarget(directory, tuple(sorted(links))) for directory, links in sorted(found.items())]
