"""The startup code in an environment that exists: what runs whenever its Python starts. Nothing is run to find it.

What cloche installs into such an environment is subject to the rule of the user, or else to the one that the environment was
created with.
"""

from __future__ import annotations

import os
import posixpath

from cloche.fs import list_names, read_at_most
from cloche.lifecycle.installed import site_directories
from cloche.lifecycle.recorded_command import recorded_startup_rule
from cloche.model.distribution import StartupCode
from cloche.model.metadata import normalize_name
from cloche.model.value import TYPE_CHECKING, Value
from cloche.store.startup_code import (
    added_directory,
    find_startup_code,
    is_module_file,
    is_startup_file,
    refuse_packages,
    startup_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.aliases import StartupRule
    from cloche.model.environment import Environment

MAX_BYTES = 1 << 24
"""The maximum number of bytes that are read of a file."""


class InstalledStartupCode(Value):
    """Startup code in an environment."""

    code: StartupCode
    """Its `path` is relative to the root; absolute for a module in a directory outside that a `.pth` file adds."""
    distribution: str
    """`NAME VERSION`; empty if no RECORD lists the file."""


def installed_startup_code(info: EnvironmentInfo) -> list[InstalledStartupCode]:
    """Return the startup code in the directories for packages of an environment, whichever tool installed it."""
    return startup_code_in(info.environment, info.distributions, version_of(info))


def startup_code_in(
    environment: Environment, distributions: Iterable[InstalledDistribution], version: Sequence[object]
) -> list[InstalledStartupCode]:
    """Return the startup code in an environment for a version of Python.

    :param distributions: those that the files may belong to.
    """
    owners = {
        row.path: f"{distribution.name} {distribution.version}"
        for distribution in distributions
        for row in distribution.rows
    }
    found = []
    for site in site_directories(environment.layout):
        directory = os.path.join(environment.location, site)
        files = startup_files(directory, version)
        for code in find_startup_code(files, version):
            path = code.path if os.path.isabs(code.path) else posixpath.normpath(f"{site}/{code.path}")
            found.append(InstalledStartupCode(StartupCode(path, code.line, code.text), owners.get(path, "")))
    return found


def startup_rule(settings: Mapping[str, str], chosen: StartupRule | None) -> StartupRule:
    """Return the rule for packages with startup code that are installed into an environment with these settings.

    :param chosen: the user's rule; None for the one that the environment was created with.
    """
    return chosen or recorded_startup_rule(settings)


def refuse_distributions(found: Iterable[InstalledStartupCode], allowed: Sequence[str]) -> None:
    """Refuse distributions in an environment with startup code.

    :param allowed: the distributions that may have such code, normalized.
    :raises StartupCodeRefused: another one has.
    """
    packages: dict[str, tuple[str, StartupCode]] = {}
    for item in found:
        if item.distribution:
            name, _, version = item.distribution.rpartition(" ")
            packages.setdefault(normalize_name(name), (version, item.code))
    refuse_packages(packages, allowed)


def startup_files(directory: str, version: Sequence[object]) -> dict[str, bytes]:
    """Return the files in a `site-packages` that may be startup code, and those in directories that `.pth` files add."""
    found: dict[str, bytes] = {}
    added = [""]
    for name in list_names(directory):
        if is_startup_file(name) and (content := read_at_most(os.path.join(directory, name), MAX_BYTES)) is not None:
            found[name] = content
            if name.endswith(".pth"):
                lines = startup_lines(name, content, version)
                added += (added_directory(line) for line in lines if line)
    for parent in dict.fromkeys(added):
        found.update((path, b"") for path in module_files(directory, parent))
    return found


def module_files(directory: str, parent: str) -> Iterator[str]:
    """Yield the files of `sitecustomize` and `usercustomize` in a directory that Python searches."""
    for name in list_names(os.path.join(directory, parent)):
        path = posixpath.join(parent, name)
        if is_module_file(path):
            yield path
        elif is_module_file(f"{path}/__init__.py"):
            inner = (f"{path}/{name}" for name in list_names(os.path.join(directory, path)))
            yield from filter(is_module_file, inner)


def version_of(info: EnvironmentInfo) -> Sequence[object]:
    """Return the version of the Python of an environment: as it is, or else as it was recorded."""
    if info.base is not None:
        return info.base.version
    parts = info.recorded_version.split(".")[:2]
    return tuple(map(int, parts)) if len(parts) == 2 and all(map(str.isdecimal, parts)) else (3, 12)
