"""The Python interface: functions of plain values, for programs that make or read environments."""

from __future__ import annotations

import os
import sys

from cloche.model import Host, Request, Wanted
from cloche.session import Session
from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from typing_extensions import TypedDict, Unpack

    from cloche.model import Environment, Interpreter, Network, OnExisting, Plan, SitePackages
    from cloche.operations import LinkMode
    from cloche.store import Access

    StrPath: TypeAlias = str | os.PathLike[str]

    class Choices(TypedDict, total=False):
        """The arguments of `create`, which `plan`, `find` and `load` take as far as they mean something there."""

        python: StrPath | Sequence[str] | None
        creator: str | None
        seeder: str | None
        seeds: Sequence[str] | None
        find_links: Sequence[StrPath]
        network: Network
        activators: Sequence[str] | None
        existing: OnExisting
        site_packages: SitePackages
        prompt: str | None
        link_mode: LinkMode
        relocatable: bool
        options: Mapping[str, object]
        environ: Mapping[str, str] | None
        cache: StrPath | None
        access: Access


CHOICES = frozenset(
    "python creator seeder seeds find_links network activators existing site_packages prompt link_mode relocatable "
    "options environ cache access".split()
)


def current_host(environ: Mapping[str, str] | None = None) -> Host:
    """Return the world outside as it is now; `environ` stands for `os.environ`."""
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = ""
    return Host(
        environ=dict(os.environ) if environ is None else environ,
        cwd=cwd,
        platform=sys.platform,
        os_name=os.name,
        executable=sys.executable,
    )


def request(destination: StrPath, host: Host, **choices: Unpack[Choices]) -> Request:
    """Return the request that these arguments stand for; see `create`."""
    from cloche.destination import absolute

    if unknown := choices.keys() - CHOICES:
        raise TypeError(f"unknown argument `{min(unknown)}`; there are {', '.join(sorted(CHOICES))}")
    python = choices.get("python")
    seeds = choices.get("seeds", ("pip",))
    links = [os.path.join(host.cwd, one) for one in choices.get("find_links", ())]
    activators = choices.get("activators")
    if python is None:
        pythons: tuple[str, ...] = ()
    else:
        pythons = (os.fspath(python),) if isinstance(python, (str, os.PathLike)) else tuple(python)
    return Request(
        destination=absolute(os.fspath(destination), host),
        pythons=pythons,
        creator=choices.get("creator"),
        seeder=choices.get("seeder"),
        wanted=Wanted(tuple(seeds), tuple(links), choices.get("network", "last-resort")) if seeds else None,
        activators=None if activators is None else tuple(activators),
        existing=choices.get("existing", "keep"),
        site_packages=choices.get("site_packages", "isolated"),
        prompt=choices.get("prompt"),
        link_mode=choices.get("link_mode", "auto"),
        placement="relocatable" if choices.get("relocatable", False) else "fixed",
        options=choices.get("options", {}),
    )


def create(destination: StrPath, **choices: Unpack[Choices]) -> Environment:
    """Make an environment, all or nothing, and return it.

    Project files, user configuration and `CLOCHE_*` variables are not read: the same arguments mean the same anywhere.

    :param destination: the directory to make; one that is an environment of the same Python is refreshed.
    :param python: what may stand after `-p`, or several in order of preference; by default the running Python's base.
    :param creator: name of a creator; by default `symlink`, on Windows `copy`.
    :param seeder: name of a seeder; by default `pip`.
    :param seeds: requirements (`NAME` or `NAME==VERSION`) to lay into it; None or () for none.
    :param find_links: directories with wheels that outrank every other source.
    :param network: when seeds may be downloaded: `never`, `last-resort` or `newest`.
    :param activators: names; None for every one that serves the target.
    :param existing: `keep` what is there, `replace` an environment, `replace-anything`.
    :param site_packages: `isolated`, or `system` to see the base interpreter's packages.
    :param prompt: what an activated shell shows; `.` for the name of the current directory.
    :param link_mode: how seeds reach it: `auto`, `clone`, `hardlink`, `copy`, `symlink`.
    :param relocatable: whether it is to work wherever it is moved or copied to, without anybody's help.
    :param options: options of plugins, by name.
    :param environ: environment variables to use instead of `os.environ`.
    :param cache: directory of the store; by default the user's.
    :param access: what may be done with the store: `read-write`, `read-only`, `none`.
    :raises ClocheError: any refusal or failure (see `cloche.errors`); the destination is then as it was.
    :raises TypeError: there is no such argument.
    """
    with session(**choices) as run:
        return run.create(request(destination, run.host, **choices)).environment


def plan(destination: StrPath, **choices: Unpack[Choices]) -> Plan:
    """Describe the environment that `create` would make from the same arguments, and write nothing near it.

    :raises ClocheError: what `create` would refuse.
    """
    with session(**choices) as run:
        return run.plan(request(destination, run.host, **choices))


def find(*specs: str, **choices: Unpack[Choices]) -> Interpreter:
    """Return the first interpreter that can be had of what is asked for; the running Python's base for nothing.

    :param specs: what may stand after `-p`.
    :raises InterpreterNotFound: there is none; the hint lists the nearest misses.
    :raises UsageError: something that was asked for does not parse.
    """
    with session(**choices) as run:
        return run.find(Request(destination="", pythons=specs)).interpreter


def load(path: StrPath, **choices: Unpack[Choices]) -> Environment:
    """Return the environment at a path, whoever made it (PEP 405).

    :raises DestinationError: there is none.
    """
    from cloche.lifecycle.reading import read

    with session(**choices) as run:
        return read(os.fspath(path), run.host, run.probes)


def session(**choices: Unpack[Choices]) -> Session:
    from cloche.extension import blocked

    host = current_host(choices.get("environ"))
    cache = choices.get("cache")
    return Session(
        host,
        cache=None if cache is None else os.path.join(host.cwd, cache),
        access=choices.get("access", "read-write"),
        blocklist=blocked(host),
    )
