"""Convert settings to a request: flags become typed values."""

from __future__ import annotations

import os

from cloche.errors import UsageError
from cloche.model.request import EnvironmentSpec, LockRequest, Request, Target, Wanted
from cloche.model.value import TYPE_CHECKING
from cloche.planning.destination import absolute_path

if TYPE_CHECKING:
    from cloche.cli.settings import Settings
    from cloche.model.interpreter import Host
    from cloche.model.operations import LinkMode
    from cloche.model.request import Builds, Network, OnExisting


def build_request(operand: str, settings: Settings, host: Host) -> Request:
    """Return the request for `cloche create OPERAND`.

    :raises UsageError: the settings contradict each other.
    """
    links = settings.all("find-links")
    spec = EnvironmentSpec(
        pythons=settings.all("python"),
        try_first_with=settings.all("try-first-with"),
        consult="project",
        creator=settings.last("creator"),
        seeder=settings.last("seeder"),
        wanted=wanted_seeds(settings, tuple(os.path.join(host.cwd, directory) for directory in links), host),
        activators=parse_activators(settings.last("activators")),
        site_packages="system" if settings.flag("system-site-packages") else "isolated",
        options={
            option.name: settings.all(option.name) if option.kind == "list" else settings.last(option.name)
            for option in settings.plugin_options
            if option.name in settings.chosen
        },
    )
    target = Target(
        destination=absolute_path(operand, host),
        existing=existing_policy(settings),
        prompt=settings.last("prompt"),
        link_mode=parse_link_mode(settings.last("link-mode")),
        vcs_ignore=not settings.flag("no-vcs-ignore"),
        placement="relocatable" if settings.flag("relocatable") else "fixed",
        extra_packages="kept" if settings.flag("keep-extra") else "removed",
    )
    return Request(spec, target)


def parse_link_mode(text: str | None) -> LinkMode:
    """Convert a link mode, which the parser has checked, to its type."""
    match text:
        case "clone" | "hardlink" | "copy" | "symlink":
            return text
        case _:
            return "auto"


def existing_policy(settings: Settings) -> OnExisting:
    if not settings.flag("clear"):
        if settings.flag("force") and settings.chosen["force"].origin == "command line":
            raise UsageError("`--force` needs `--clear`", hint="write `--clear --force`")
        return "keep"
    return "replace-anything" if settings.flag("force") else "replace"


def parse_activators(text: str | None) -> tuple[str, ...] | None:
    """Return the names in `a,b`; None for all of them (`all`, or no setting), () for `none` or an empty string."""
    if text is None or text.strip() == "all":
        return None
    if text.strip() in ("", "none"):
        return ()
    return tuple(name.strip() for name in text.replace("\n", ",").split(",") if name.strip())


def wanted_seeds(settings: Settings, links: tuple[str, ...], host: Host) -> Wanted | None:
    """Return the packages to install; None for an environment without packages.

    A lock file replaces the default seed, pip. `embed` and `bundle` are virtualenv's names for the version that needs no
    download.

    :raises UsageError: the settings contradict each other.
    """
    lock = lock_request(settings, host)
    if settings.flag("no-seed"):
        if lock is not None:
            raise UsageError("`--lock` and `--no-seed` contradict each other", hint="choose one")
        return None
    requirements: list[str] = []
    for name in ("pip", "setuptools", "wheel"):
        version = settings.last(name)
        is_default = name == "pip" and lock is None
        if settings.flag(f"no-{name}") or version == "none" or (version is None and not is_default):
            continue
        requirements.append(name if version in (None, "embed", "bundle") else f"{name}=={version}")
    requirements += (seed for seed in settings.all("seed") if seed not in requirements)
    if not requirements and lock is None:
        return None
    return Wanted(tuple(requirements), links, network_policy(settings), builds=builds_policy(settings), lock=lock)


def builds_policy(settings: Settings) -> Builds:
    return "refused" if settings.flag("only-binary") else "allowed"


def lock_request(settings: Settings, host: Host) -> LockRequest | None:
    """Return the lock file to install, and what of it; None without one.

    :raises UsageError: an option that needs a lock file is given without one.
    """
    path = settings.last("lock")
    if path is None:
        for name in ("extra", "group", "no-default-groups", "only-binary", "keep-extra"):
            if name in settings.chosen and settings.chosen[name].origin == "command line":
                raise UsageError(f"`--{name}` needs a lock file", hint="name one with `--lock`")
        return None
    return LockRequest(
        path=absolute_path(path, host),
        extras=settings.all("extra"),
        groups=settings.all("group"),
        default_groups="excluded" if settings.flag("no-default-groups") else "included",
    )


def network_policy(settings: Settings) -> Network:
    """Return when to use the network.

    :raises UsageError: one source sets both `download` and `no-download`.
    """
    wants, forbids = settings.flag("download"), settings.flag("no-download")
    if wants and forbids:
        raise UsageError("`--download` and `--no-download` contradict each other", hint="choose one")
    return "newest" if wants else "never" if forbids else "last-resort"
