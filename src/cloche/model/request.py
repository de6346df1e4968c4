"""What was asked for, with every source of options resolved and nothing looked up yet."""

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
    """When seeds may be downloaded: never, only if nothing local fits, or always, to get the newest."""

    Consult: TypeAlias = Literal["nothing", "project"]
    """What chooses the Python if none is asked for: the running one, or the files of the project."""


@value
class Wanted:
    """Which packages to seed, and from where."""

    requirements: tuple[str, ...] = ("pip",)
    """`NAME` or `NAME==VERSION` (PEP 508 without markers), each once."""
    find_links: tuple[str, ...] = ()
    """Directories with wheels, absolute paths; they take precedence over every other source."""
    network: Network = "last-resort"
    options: Mapping[str, object] = {}
    """What the user chose among the seeder's own options."""


@value
class EnvironmentSpec:
    """What an environment is: everything that its blueprint depends on, and nothing about where it goes."""

    pythons: tuple[str, ...] = ()
    """What may follow `-p`, in order of preference; empty: see `consult`."""
    try_first_with: tuple[str, ...] = ()
    """Executables to try before any other."""
    consult: Consult = "nothing"
    creator: str | None = None
    """Name of a creator; None for the default of the target."""
    seeder: str | None = None
    """Name of a seeder; None for `pip`."""
    wanted: Wanted | None = Wanted()
    """None for an environment without seeds."""
    activators: tuple[str, ...] | None = None
    """Names in the order given; None means every one that serves the interpreter, () none."""
    site_packages: SitePackages = "isolated"
    options: Mapping[str, object] = {}
    """Options that plugins declare, by option name."""


@value
class Target:
    """Where an environment goes, and what depends on that place."""

    destination: str
    """Absolute path."""
    existing: OnExisting = "keep"
    prompt: str | None = None
    """What an activated shell shows; None for the name of the directory, `.` for that of the current one."""
    link_mode: LinkMode = "auto"
    vcs_ignore: bool = True
    """Whether the environment tells version control to ignore it."""
    placement: Placement = "fixed"
    """`relocatable`: it works wherever it is moved or copied to."""
    extra_settings: Mapping[str, str] = {}
    """What `pyvenv.cfg` says besides cloche's own keys, for a program that creates environments in its own name."""


@value
class Request:
    """What was asked for: an environment, and a place for it. Nothing has been looked up yet."""

    spec: EnvironmentSpec
    target: Target
