"""What can be said of an environment without starting it: for `cloche info`, and for whoever wants it as data."""

from __future__ import annotations

import os

from cloche.lifecycle.activation_scripts import shells_by_script
from cloche.lifecycle.embedded_paths import files, roots
from cloche.lifecycle.installed import Installed, installed
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.reader import known_settings, listed, maker_of, read, standing_base
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session
    from cloche.shells.family import ShellFamily

SEEDS = ("pip", "setuptools", "wheel")
"""Distributions that makers put into new environments."""


@value
class EnvironmentInfo:
    """An environment, its history as far as it shows, and its contents."""

    environment: Environment
    settings: Mapping[str, str]
    """What `pyvenv.cfg` says, or what the rest of the environment tells where it is broken."""
    maker: str
    recorded_version: str
    """The version that it was made for."""
    base: Interpreter | None
    """What stands where its base was; None if nothing does."""
    recorded_roots: tuple[str, ...]
    """Every place that files in it take for its root, the most frequent first."""
    distributions: tuple[Installed, ...]
    activators: tuple[str, ...]
    """File names of its activation scripts."""
    shells: Mapping[str, ShellFamily]
    """Those that read activation scripts, by the scripts' file names in lower case."""
    own_size: int
    """Bytes of files that are its alone."""
    shared_size: int
    """Bytes of files that it shares with a store, or with other environments, through hard links."""

    @property
    def version_text(self) -> str:
        """The recorded version as releases are named: `3.12.1` for `3.12.1.final.0`; empty if there is none."""
        parts = self.recorded_version.split(".")
        level, serial = parts[3:5] if len(parts) == 5 else ("final", "")
        suffix = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(level)
        return ".".join(parts[:3]) + (f"{suffix}{serial}" if suffix else "")

    @property
    def seeds(self) -> tuple[Installed, ...]:
        return tuple(one for one in self.distributions if one.key in SEEDS)

    @property
    def editable(self) -> tuple[Installed, ...]:
        return tuple(one for one in self.distributions if one.editable)


def environment_info(path: str, session: Session) -> EnvironmentInfo:
    """Return what can be seen of the environment at a path.

    :raises DestinationError: there is none.
    """
    host, cache = session.host, session.probes
    environment = read(path, host, cache)
    settings = known_settings(environment.location)
    distributions = installed(environment)
    names = listed(environment.path_to(environment.layout.bin))
    shells = shells_by_script(names, environment, session)
    recorded = roots(environment, settings, distributions, shells, Overlay(environment.location))
    own, shared = sizes(environment.location)
    return EnvironmentInfo(
        environment=environment,
        settings=settings,
        maker=maker_of(settings),
        recorded_version=settings.get("version_info") or settings.get("version") or "",
        base=environment.interpreter or standing_base(settings, host, cache),
        recorded_roots=tuple(sorted(recorded, key=lambda root: -len(recorded[root]))),
        distributions=tuple(distributions),
        activators=tuple(name for name in names if name.lower() in shells),
        shells=shells,
        own_size=own,
        shared_size=shared,
    )


def sizes(root: str) -> tuple[int, int]:
    """Return the bytes of files with one name, and of those with more, each of the latter once."""
    own, shared, seen = 0, 0, set()
    for file in files(root):
        if file.kind != "file":
            continue
        status = os.lstat(os.path.join(root, file.path))
        if status.st_nlink == 1:
            own += status.st_size
        elif (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            shared += status.st_size
    return own, shared
