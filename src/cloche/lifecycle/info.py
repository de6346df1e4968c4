"""Collect information about an environment without starting its Python."""

from __future__ import annotations

from functools import cached_property

from cloche.fs import list_names
from cloche.fs.manifests import parse_manifest, read_manifest
from cloche.lifecycle.embedded_paths.activation_scripts import shells_by_script
from cloche.lifecycle.embedded_paths.recorded_roots import find_recorded_roots
from cloche.lifecycle.installed import InstalledDistribution, installed_distributions
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.reader import created_by, current_base, effective_settings, read_environment, unusable_base
from cloche.lifecycle.tree import Tree
from cloche.model.value import TYPE_CHECKING, Value
from cloche.planning.pyvenv_cfg import is_portable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session
    from cloche.shells import ShellFamily

SEEDS = ("pip", "setuptools", "wheel")
"""Distributions that tools install into new environments."""


class EnvironmentInfo(Value):
    """An environment, its content, and its history as far as it is recorded."""

    environment: Environment
    settings: Mapping[str, str]
    """The settings in `pyvenv.cfg`; missing ones are inferred (see `reader.effective_settings`)."""
    created_by: str
    """The tool that created it, for display: `uv 0.9.2`."""
    recorded_version: str
    """The Python version in `pyvenv.cfg`, as written there; empty if there is none."""
    base: Interpreter | None
    """The interpreter at the path of its base, which may be of another version; None if there is none."""
    recorded_roots: tuple[str, ...]
    """The paths that files in it record as its root, most frequent first."""
    distributions: tuple[InstalledDistribution, ...]
    activators: tuple[str, ...]
    """File names of the activation scripts of known shells."""
    shells: Mapping[str, ShellFamily]
    """The shells of activation scripts, by file name in lower case."""
    activation_scripts: tuple[str, ...] = ()
    """File names of all activation scripts, including those of unknown shells."""
    unusable_base: tuple[str, str] | None = None
    """If there is no `base`: the path of a file in its place, and why that cannot be used; None if there is no file."""
    known_tree: Tree | None = None
    """Its files, if they were read before."""

    @cached_property
    def tree(self) -> Tree:
        """Its files, as they were when this property was first read."""
        return self.known_tree or Tree(self.environment.location)

    @property
    def own_size(self) -> int:
        """Bytes of files with a single hard link."""
        return self.tree.disk_usage[0]

    @property
    def shared_size(self) -> int:
        """Bytes of files that it shares through hard links, with a store or with other environments."""
        return self.tree.disk_usage[1]

    @property
    def is_portable(self) -> bool:
        """Whether it contains its interpreter."""
        return is_portable(self.settings)

    @property
    def version_text(self) -> str:
        """The recorded version in the form of a release: `3.12.1` for `3.12.1.final.0`; empty if there is none."""
        parts = self.recorded_version.split(".")
        level, serial = parts[3:5] if len(parts) == 5 else ("final", "")
        suffix = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(level)
        return ".".join(parts[:3]) + (f"{suffix}{serial}" if suffix else "")

    @property
    def seeds(self) -> tuple[InstalledDistribution, ...]:
        """What was installed with the environment: what a seeder of cloche installed, and the usual seeds of other tools."""
        return tuple(
            distribution
            for distribution in self.distributions
            if distribution.key in SEEDS or distribution.installer == "cloche"
        )

    @property
    def editable(self) -> tuple[InstalledDistribution, ...]:
        return tuple(distribution for distribution in self.distributions if distribution.editable)


def environment_info(path: str, session: Session) -> EnvironmentInfo:
    """Return information about the environment at a path.

    :raises DestinationError: there is no environment at the path.
    """
    return info_of(read_environment(path, session.host, session.probes), session)


def info_of(
    environment: Environment,
    session: Session,
    tree: Tree | None = None,
    known: Mapping[str, InstalledDistribution] | None = None,
) -> EnvironmentInfo:
    """Return information about an environment that was read.

    :param tree: its files, if they were read before.
    :param known: as for `installed_distributions`.
    """
    host, cache = session.host, session.probes
    settings = effective_settings(environment.location)
    distributions = installed_distributions(environment, known=known)
    names = list_names(environment.path_to(environment.layout.bin))
    shells = shells_by_script(names, environment, session)
    recorded = find_recorded_roots(environment, settings, distributions, shells, Overlay(environment.location))
    base = environment.interpreter or current_base(environment.location, settings, host, cache)
    return EnvironmentInfo(
        environment=environment,
        settings=settings,
        created_by=created_by(settings),
        recorded_version=settings.get("version_info") or settings.get("version") or "",
        base=base,
        unusable_base=None if base is not None else unusable_base(environment.location, settings, host, cache),
        recorded_roots=tuple(sorted(recorded, key=lambda root: -len(recorded[root]))),
        distributions=tuple(distributions),
        activators=tuple(name for name in names if name.lower() in shells),
        activation_scripts=find_activation_scripts(environment, names, shells, distributions),
        shells=shells,
        known_tree=tree,
    )


def find_activation_scripts(
    environment: Environment,
    names: Iterable[str],
    shells: Iterable[str],
    distributions: Iterable[InstalledDistribution],
) -> tuple[str, ...]:
    """Return the names of the activation scripts in `bin`, including those of plugins that are no longer installed.

    They are the scripts of known shells, names such as `activate.xsh`, and what cloche generated that is not a package's.
    """
    root, directory = environment.location, environment.layout.bin
    generated = set(parse_manifest(read_manifest(root)))
    if generated:
        generated -= {row.path for distribution in distributions for row in distribution.rows}
    known = set(shells)
    return tuple(
        name
        for name in names
        if name.lower() in known or name.lower().startswith("activate") or f"{directory}/{name}" in generated
    )
