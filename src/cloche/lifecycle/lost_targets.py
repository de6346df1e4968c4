"""Lost targets: the directories that no longer exist, to which links of installed packages lead.

Tools that install packages as links to a cache (`--link-mode symlink`) lose every file of a package at once. These links
are one problem with one cause, and not one for each file.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cloche.lifecycle.embedded_paths import walk_files
from cloche.lifecycle.installed import site_directories
from cloche.model.value import value

if TYPE_CHECKING:
    from cloche.model.environment import Environment

IMAGE = re.compile(r"/images/[^/]+/(?P<name>[^/]+)-(?P<version>[^/-]+)-[0-9a-f]{16}/(?:purelib|platlib)\Z")
"""The end of the directory of a tree of an image in the store, with the name and version of the distribution."""


@value
class LostTarget:
    """A directory that does not exist, to which links lead by the paths that they have in `site-packages`."""

    directory: str
    links: tuple[str, ...]
    """Relative to the root of the environment, sorted."""

    @property
    def seed(self) -> tuple[str, str]:
        """The name and version of the seed of which it was the image in cloche's cache; empty if it was none."""
        match = IMAGE.search(self.directory)
        return (match["name"], match["version"]) if match else ("", "")

    @property
    def metadata(self) -> list[str]:
        """The metadata directories (`.dist-info`) with such links."""
        return list(dict.fromkeys(path for path in map(os.path.dirname, self.links) if path.endswith(".dist-info")))


def find_lost_targets(environment: Environment) -> list[LostTarget]:
    """Return the lost targets of an environment, sorted by directory."""
    found: dict[str, list[str]] = {}
    for site in site_directories(environment.layout):
        root = environment.path_to(site)
        for file in walk_files(root):
            path = os.path.join(root, file.path)
            if file.kind == "link" and not os.path.exists(path):
                target = os.readlink(path)
                if os.path.isabs(target) and target.endswith(f"/{file.path}"):
                    found.setdefault(target[: -len(file.path) - 1], []).append(f"{site}/{file.path}")
    return [LostTarget(directory, tuple(sorted(links))) for directory, links in sorted(found.items())]
