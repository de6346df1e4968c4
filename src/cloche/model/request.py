"""A request for an environment, after options from all sources were combined and before anything is looked up."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    from cloche.model.environment import Placement
    from cloche.model.operations import LinkMode

    OnExisting: TypeAlias = Literal["keep", "replace", "replace-anything"]
    """What to do with an existing destination: keep and refresh it, replace an environment, replace any directory."""

    SitePackages: TypeAlias = Literal["isolated", "system"]
    """Whether the environment sees the packages of its base interpreter."""

    Network: TypeAlias = Literal["never", "last-resort", "newest"]
    """When seeds may be downloaded: never, only if no local wheel fits, or always, to get the newest version."""

    DefaultGroups: TypeAlias = Literal["included", "excluded"]
    """Whether the dependency groups that a lock file names as its default groups are installed."""

    ExtraPackages: TypeAlias = Literal["removed", "kept"]

    Builds: TypeAlias = Literal["allowed", "refused"]

    Consult: TypeAlias = Literal["nothing", "project"]
    """What determines the Python if the request names none: nothing (the running Python is used) or the project's files."""


@value
class LockRequest:
    """A lock file, and what to install of it."""

    path: str
    """Absolute path of a `pylock.toml` (PEP 751) or of a requirements file."""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Dependency groups to install in addition to the default ones."""
    default_groups: DefaultGroups = "included"


@value
class Wanted:
    """The packages to install as seeds, and where to find them."""

    requirements: tuple[str, ...] = ("pip",)
    """`NAME` or `NAME==VERSION` (PEP 508 without markers), each distribution once."""
    find_links: tuple[str, ...] = ()
    """Absolute paths of directories with wheels; they take precedence over every other source."""
    network: Network = "last-resort"
    options: Mapping[str, object] = {}
    """The values that the user chose for the seeder's own options."""
    builds: Builds = "allowed"
    """Whether packages of the lock file may be built from source."""
    lock: LockRequest | None = None
    """The lock file whose packages are installed; the requirements are then additional ones."""


@value
class EnvironmentSpec:
    """The part of a request that a blueprint depends on: everything except the destination."""

    pythons: tuple[str, ...] = ()
    """Python requests as `-p` accepts them, in order of preference; if empty, see `consult`."""
    try_first_with: tuple[str, ...] = ()
    """Executables to try before any other."""
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
    """The values of options that plugins declare, by option name."""


@value
class Target:
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


@value
class Request:
    """A request for an environment at a destination."""

    spec: EnvironmentSpec
    target: Target
