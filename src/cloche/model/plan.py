"""A request, and the results of planning it: a blueprint, which is valid for every destination, and a plan for one.

A request combines the options of all sources; nothing has been looked up for it yet.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cloche.model.aliases import (
        Builds,
        Compile,
        Consult,
        DefaultGroups,
        Dependencies,
        ExtraPackages,
        LinkMode,
        Network,
        OnExisting,
        Placement,
        SitePackages,
        StartupRule,
        Strategy,
    )
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment, Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.model.package_change import PackageChange


# The request


class LockRequest(Value):
    """A lock file, and what to install from it."""

    path: str
    """Absolute path of a `pylock.toml` (PEP 751) or of a requirements file."""
    extras: tuple[str, ...] = ()
    """Extras to install."""
    groups: tuple[str, ...] = ()
    """Dependency groups to install in addition to the default ones."""
    default_groups: DefaultGroups = "included"


class Wanted(Value):
    """The packages to install as seeds, and where to find them."""

    requirements: tuple[str, ...] = ("pip",)
    """`NAME` or `NAME==VERSION` (PEP 508 without markers), each distribution once."""
    find_links: tuple[str, ...] = ()
    """Absolute paths of directories with wheels; they take precedence over every other source."""
    network: Network = "last-resort"
    dependencies: Dependencies = "included"
    options: Mapping[str, object] = {}
    """The values that the user chose for the seeder's own options."""
    builds: Builds = "allowed"
    """Whether packages of the lock file may be built from source."""
    lock: LockRequest | None = None
    """The lock file whose packages are installed; the requirements are then additional ones."""
    compile: Compile = "auto"


class EnvironmentSpec(Value):
    """The part of a request that a blueprint depends on: everything except the destination."""

    pythons: tuple[str, ...] = ()
    """Python requests as `-p` accepts them, in order of preference; if empty, see `consult`."""
    try_first_with: tuple[str, ...] = ()
    """Executables to try before any other."""
    no_finders: tuple[str, ...] = ()
    """Names of finders that are not asked."""
    consult: Consult = "nothing"
    creator: str | None = None
    """Name of a creator; None for the default of the interpreter's platform."""
    seeder: str | None = None
    """Name of a seeder; None for `lock` if a lock file is wanted, otherwise for `pip`."""
    wanted: Wanted | None = Wanted()
    """None for an environment without seeds."""
    activators: tuple[str, ...] | None = None
    """Names, in order; None for all that support the interpreter, () for none."""
    site_packages: SitePackages = "isolated"
    options: Mapping[str, object] = {}
    """The values of options that components declare, by option name; `list` is a tuple, `flag` True or False."""
    configured_options: tuple[str, ...] = ()
    """The names of those that come from variables and config files, which apply to many environments. They have no effect
    if no component of this one declares them; for any other option that is an error."""
    startup_rule: StartupRule = ("list", ())
    """What happens to packages with startup code, and the normalized names of those that may have it if it is refused."""


class Target(Value):
    """The destination of an environment, and the options that concern it."""

    destination: str
    """Absolute path."""
    existing: OnExisting = "keep"
    prompt: str | None = None
    """The text that an activated shell shows; None for the name of the directory, `.` for that of the current directory."""
    link_mode: LinkMode = "auto"
    vcs_ignore: bool = True
    """Whether to write a `.gitignore` that keeps the environment out of version control."""
    placement: Placement = "fixed"
    """`relocatable` if it must still work after it is moved or copied."""
    extra_packages: ExtraPackages = "removed"
    """What happens to installed packages that the lock file does not name, if the request has one."""
    extra_settings: Mapping[str, str] = {}
    """Additional settings for `pyvenv.cfg`, from a program that marks its environments."""


class Request(Value):
    """A request for an environment at a destination."""

    spec: EnvironmentSpec
    target: Target


# The results of planning


class ChosenComponent(Value):
    """A component of a plugin that was chosen for an environment."""

    name: str
    item: Any
    """The object itself, or a reference to it, `"package.module:attribute"`."""
    selected: str = "by default"
    """`by name` or `by default`. It is an error if a component that the user chose by name refuses or fails; a component that
    is used by default is left out instead."""
    source: str = ""
    """Its plugin and distribution, for display."""
    options: Mapping[str, object] = {}
    """The values that the user chose for the options that it declares."""


class Blueprint(Value):
    """Everything about an environment that does not depend on its destination.

    If it was resolved for an existing environment, seeds that stay there have no image: the `root` of their `Image` is empty.
    """

    spec: EnvironmentSpec
    """The request that it was resolved from."""
    interpreter: Interpreter
    chosen_because: str
    """The project file that requests this interpreter, for display: "`.python-version` in /home/me/project"; empty if none
    does, and after `-p`."""
    layout: Layout
    creator: str
    operations: tuple[Operation, ...]
    """The operations of the creator, without seeds and scripts."""
    seeder: str | None
    images: tuple[Image, ...]
    activators: tuple[ChosenComponent, ...]
    """The activators to ask for scripts. Each may still refuse the interpreter when the environment is planned."""
    runtime: Image | None = None
    """The image of the interpreter itself, for a portable environment."""
    server_choices: tuple[str, ...] = ()
    """Descriptions of files that a server chose, because the lock file has versions without hashes. Next time it may choose
    others of these versions, so a cached blueprint only tells whether an environment is up to date."""

    @property
    def all_images(self) -> tuple[Image, ...]:
        """The images of the seeds and of the runtime."""
        return (*self.images, self.runtime) if self.runtime else self.images

    @property
    def is_locked(self) -> bool:
        """Whether the images come from a lock file, so that an environment must have no others."""
        return self.spec.wanted is not None and self.spec.wanted.lock is not None


class Plan(Value):
    """Everything that a run will do: `--dry-run` prints it, and `cloche.apply` performs it."""

    environment: Environment
    """The environment as it will be."""
    target: str
    """Absolute path of the root directory: the environment's location, or the target of a symbolic link there."""
    strategy: Strategy
    outcome: str
    """The result in a word or two, for display: `created`, `replaced`, `refreshed`, `added`; with a lock file, an existing
    environment is `updated`, `repaired` or `up to date`."""
    operations: tuple[Operation, ...]
    """What is created or changed, in this order."""
    creator: str
    """The name of the creator."""
    seeder: str | None
    """The name of the seeder; None for an environment without seeds."""
    images: tuple[Image, ...]
    """The seeds."""
    activators: tuple[str, ...]
    """The names of the activators whose scripts it gets."""
    link_mode: LinkMode
    chosen_because: str = ""
    """The project file or the variable of pyenv that requested this Python, for display; empty if there is none."""
    runtime: Image | None = None
    """The image of the interpreter itself, for a portable environment."""
    changes: tuple[PackageChange, ...] = ()
    """The distributions that differ from the existing environment, if the request has a lock file; sorted by name."""
    notes: tuple[str, ...] = ()
    """What was left out or differs from the request, and why; one line each."""

    @property
    def is_update(self) -> bool:
        """Whether it brings the packages of an existing environment into line with a lock file."""
        return self.outcome in ("updated", "repaired", "up to date")

    @property
    def new_images(self) -> list[Image]:
        """The images of the packages that it adds or changes."""
        changed = {change.distribution for change in self.changes}
        return [image for image in self.images if not self.is_update or image.distribution in changed]

    @property
    def way(self) -> Strategy:
        """The name of `strategy` in version 0.1, kept for code that uses it."""
        return self.strategy


class Result(Value):
    """The result of a run that created an environment."""

    environment: Environment
    """The environment that exists now."""
    plan: Plan
    """The plan that was applied."""
    seconds: float
    """Elapsed time, without the start of the Python process."""
    warnings: tuple[str, ...] = ()
    """One line each, in the order in which they occurred."""
    compiled: tuple[str, ...] = ()
    """The names of the packages that this run compiled to bytecode, sorted; later environments share that."""
