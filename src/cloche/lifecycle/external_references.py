"""Find external references: files outside an environment that name it. They are reported, never changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.fs import is_within, list_names, read_at_most
from cloche.lifecycle.relocation import Relocation, spellings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.interpreter import Host

PROJECT_FILES = (".envrc", ".vscode/settings.json", ".git/hooks/pre-commit", ".venv", "pyrightconfig.json", "Makefile")
"""Files in a project, relative to its directory, that often name its environment."""

HOME_DIRECTORIES = (".local/bin", ".local/share/applications", "Library/Jupyter/kernels", ".config/systemd/user")
"""Directories, relative to the home directory, whose links and files often name environments."""

HOME_FILES = (
    ".bash_aliases",
    ".bash_profile",
    ".bashrc",
    ".config/fish/config.fish",
    ".profile",
    ".zprofile",
    ".zshrc",
)
"""Files, relative to the home directory, that often name environments."""


def find_external_references(
    roots: Iterable[str], locations: Iterable[str], host: Host, linked: Collection[str]
) -> list[str]:
    """Return descriptions of everything outside an environment that names it.

    :param roots: the paths of the environment to look for.
    :param locations: where it is and was; the projects there are searched.
    :param linked: its metadata that is outside, see `linked_distributions`.
    """
    names = spellings(roots)
    found = [
        f"`{path}`"
        for path in dict.fromkeys([*candidate_files(locations, host), *files_beside(linked)])
        if any(refers_to(path, name) for name in names)
    ]
    if any(is_within(os.path.normpath(host.environ.get("VIRTUAL_ENV", "")), name) for name in names):
        found.append("`VIRTUAL_ENV` in this shell")
    return found


def candidate_files(locations: Iterable[str], host: Host) -> Iterator[str]:
    """Yield the paths of files, existing or not, that may name an environment at one of these locations."""
    for location in locations:
        project = os.path.dirname(location)
        while os.path.basename(project).startswith("."):  # `.direnv`, `.tox`, `.nox`
            project = os.path.dirname(project)
        yield from (os.path.join(project, name) for name in PROJECT_FILES)
    if home := host.environ.get("HOME") or host.environ.get("USERPROFILE"):
        yield from (os.path.join(home, name) for name in HOME_FILES)
        for directory in (*(os.path.join(home, name) for name in HOME_DIRECTORIES), *kernel_directories(home, host)):
            for name in list_names(directory):
                path = os.path.join(directory, name)
                yield os.path.join(path, "kernel.json") if os.path.isdir(path) else path


def linked_distributions(info: EnvironmentInfo) -> dict[str, InstalledDistribution]:
    """Return the distributions whose metadata is outside the environment, by the absolute path of the metadata.

    Their `site-packages`, or a parent of it, is a link to a directory elsewhere, which other environments may use as well.
    """
    root = info.environment.location
    real = os.path.realpath(root)
    sites = {item.site: os.path.realpath(os.path.join(root, item.site)) for item in info.distributions}
    return {
        os.path.join(sites[item.site], os.path.basename(item.metadata)): item
        for item in info.distributions
        if not is_within(sites[item.site], real)
    }


def files_beside(linked: Collection[str]) -> Iterator[str]:
    """Yield the files beside and in metadata that often name an environment, existing or not."""
    for metadata in linked:
        yield os.path.join(metadata, "direct_url.json")
    for site in dict.fromkeys(map(os.path.dirname, linked)):
        yield from (os.path.join(site, name) for name in list_names(site) if name.endswith(".pth"))


def outdated_records(linked: Mapping[str, InstalledDistribution], changed: Iterable[str]) -> list[str]:
    """Return a message for each RECORD outside an environment that has the hash of a script which has changed."""
    paths = frozenset(changed)
    return [
        f"`{os.path.join(metadata, 'RECORD')}` is outside the environment and keeps the hashes of the scripts as they were"
        for metadata, distribution in linked.items()
        if any(row.path in paths for row in distribution.rows_outside)
    ]


def kernel_directories(home: str, host: Host) -> Iterator[str]:
    """Yield the directories in which Jupyter looks for the kernels of a user."""
    data = host.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    for directory in (host.environ.get("JUPYTER_DATA_DIR"), os.path.join(data, "jupyter")):
        if directory:
            yield os.path.join(directory, "kernels")


def refers_to(path: str, location: str) -> bool:
    """Return whether a symbolic link points into a directory, or the first 64 KiB of a file contain its path."""
    try:
        if os.path.islink(path):
            return is_within(os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path))), location)
        text = (read_at_most(path, 1 << 16) or b"").decode("utf-8", "surrogateescape")
    except OSError:
        return False
    relocation = Relocation(((location, ""),))
    return relocation.mentions_old_root(text) or relocation.json(text) != text
