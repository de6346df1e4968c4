"""What was asked for, with every source of options resolved and nothing looked up yet."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    from cloche.model.environment import Placement
    from cloche.model.operations import LinkMode

    OnExisting: TypeAlias = Literal["keep", "replace", "replace-anything"]
    """What to do with what stands at the destination: keep it and add, replace an environment, replace whatever it is."""

    SitePackages: TypeAlias = Literal["isolated", "system"]
    """Whether the environment sees the base interpreter's own packages."""

    Network: TypeAlias = Literal["never", "last-resort", "newest"]
    """When seeds may be downloaded: never, if nothing local serves, or always to get the newest."""

    Consult: TypeAlias = Literal["nothing", "project"]
    """What decides on the Python if none is asked for: nothing but the running one, or the project's files."""


@value
class Wanted:
    """What the user wants seeded."""

    requirements: tuple[str, ...] = ("pip",)
    """`NAME` or `NAME==VERSION` (PEP 508 without markers), each once."""
    find_links: tuple[str, ...] = ()
    """Directories with wheels that outrank every other source, absolute."""
    network: Network = "last-resort"
    options: Mapping[str, object] = {}
    """What the user chose among the seeder's own options."""


@value
class Request:
    """What was asked for, with its meaning: every source of options resolved, nothing looked up yet."""

    destination: str
    """Absolute path."""
    pythons: tuple[str, ...] = ()
    """What may stand after `-p`, in order of preference; empty means: see `consult`."""
    try_first_with: tuple[str, ...] = ()
    consult: Consult = "nothing"
    creator: str | None = None
    seeder: str | None = None
    wanted: Wanted | None = Wanted()
    """None for an environment without seeds."""
    activators: tuple[str, ...] | None = None
    """Names in the order given; None means every one that serves the target, () none."""
    existing: OnExisting = "keep"
    site_packages: SitePackages = "isolated"
    prompt: str | None = None
    link_mode: LinkMode = "auto"
    vcs_ignore: bool = True
    """Whether the environment tells version control to ignore it."""
    placement: Placement = "fixed"
    """`relocatable`: it is to work wherever it is moved or copied to."""
    options: Mapping[str, object] = {}
    """Options that plugins declared, by option name."""
    extra_settings: Mapping[str, str] = {}
    """What `pyvenv.cfg` says besides cloche's own keys, for a program that makes environments in its own name."""
