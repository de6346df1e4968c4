"""The Python interface: functions of plain values, for programs that make or read environments."""

from __future__ import annotations

import os
import sys

from cloche.errors import UsageError
from cloche.model.interpreter import Host
from cloche.model.request import EnvironmentSpec, Request, Target, Wanted
from cloche.model.value import TYPE_CHECKING
from cloche.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from typing_extensions import TypedDict, Unpack

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import LinkMode
    from cloche.model.plan import Plan
    from cloche.model.request import Network, OnExisting, SitePackages
    from cloche.store import Access

    StrPath: TypeAlias = str | os.PathLike[str]

    class Choices(TypedDict, total=False):
        """The arguments of `create`, which `plan`, `find` and `load` take as far as they mean something there."""

        python: StrPath | Sequence[StrPath] | None
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

WORDS: Mapping[str, tuple[str, ...]] = {
    "network": ("never", "last-resort", "newest"),
    "existing": ("keep", "replace", "replace-anything"),
    "site_packages": ("isolated", "system"),
    "link_mode": ("auto", "clone", "hardlink", "copy", "symlink"),
    "access": ("read-write", "read-only", "none"),
}
"""What the arguments that take one of a few words take. A wrong one must not pass for the default."""

ALONE: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("creator", "seeder", "prompt"), ((str, type(None)), "a text")),
    "relocatable": ((bool,), "True or False"),
    "cache": ((str, os.PathLike, type(None)), "a text or a path"),
}
"""Of what kinds the other arguments are that take a single thing, and how that is said."""


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


def check(choices: Mapping[str, object]) -> None:
    """Refuse what a type checker would.

    :raises TypeError: there is no such argument, or it is of another kind.
    :raises UsageError: a word that is none of those that there are.
    """
    if unknown := choices.keys() - CHOICES:
        raise TypeError(f"unknown argument `{min(unknown)}`; there are {', '.join(sorted(CHOICES))}")
    for name, words in WORDS.items():
        if name in choices and choices[name] not in words:
            there = f"{', '.join(f'`{word}`' for word in words[:-1])} or `{words[-1]}`"
            raise UsageError(f"`{name}` is {there}, and not {choices[name]!r}")
    for name in ("seeds", "find_links", "activators"):  # a text is a sequence of texts, its letters
        if isinstance(choices.get(name), (str, bytes, os.PathLike)):
            raise TypeError(f"`{name}` takes a list, and not {choices[name]!r} alone")
    for name, (kinds, takes) in ALONE.items():
        if name in choices and not isinstance(choices[name], kinds):
            raise TypeError(f"`{name}` takes {takes}, and not {choices[name]!r}")
    for name in ("options", "environ"):
        if not (hasattr(choices.get(name, {}), "keys") or (name == "environ" and choices[name] is None)):
            raise TypeError(f"`{name}` takes a mapping, and not {choices[name]!r}")


def texts(name: str, given: StrPath | Iterable[StrPath] | None) -> tuple[str, ...]:
    """Return an argument that takes several texts or paths as texts; for some a single one stands for itself.

    :raises TypeError: there is something else (`3.10` as a number would be `3.1`).
    """
    if given is None:
        return ()
    try:
        found = tuple(os.fspath(one) for one in ((given,) if isinstance(given, (str, os.PathLike)) else given))
        if all(isinstance(one, str) for one in found):
            return found
    except TypeError:
        pass
    takes = "a text or a path, or several" if name in ("python", "specs") else "a list of texts"
    raise TypeError(f"`{name}` takes {takes}, and not {given!r}")


def request(destination: StrPath, host: Host, **choices: Unpack[Choices]) -> Request:
    """Return the request that these arguments stand for; see `create`."""
    from cloche.planning.destination import absolute

    seeds = texts("seeds", choices.get("seeds", ("pip",)))
    links = [os.path.join(host.cwd, one) for one in texts("find_links", choices.get("find_links"))]
    activators = choices.get("activators")
    spec = EnvironmentSpec(
        pythons=texts("python", choices.get("python")),
        creator=choices.get("creator"),
        seeder=choices.get("seeder"),
        wanted=Wanted(seeds, tuple(links), choices.get("network", "last-resort")) if seeds else None,
        activators=None if activators is None else texts("activators", activators),
        site_packages=choices.get("site_packages", "isolated"),
        options=choices.get("options", {}),
    )
    target = Target(
        destination=absolute(os.fspath(destination), host),
        existing=choices.get("existing", "keep"),
        prompt=choices.get("prompt"),
        link_mode=choices.get("link_mode", "auto"),
        placement="relocatable" if choices.get("relocatable", False) else "fixed",
    )
    return Request(spec, target)


def create(destination: StrPath, **choices: Unpack[Choices]) -> Environment:
    """Make an environment, all or nothing, and return it.

    Project files, user configuration and `CLOCHE_*` variables are not read: the same arguments mean the same anywhere.
    Only `CLOCHE_DISABLE_PLUGINS` is heeded. What the command would warn of goes to the logger `cloche` (`logging`).

    :param destination: the directory to make; one that is an environment of the same Python is refreshed.
    :param python: what may stand after `-p`, or several in order of preference; by default the running Python's base.
    :param creator: name of a creator; by default `symlink`, on Windows `copy`.
    :param seeder: name of a seeder; by default `pip`.
    :param seeds: requirements (`NAME` or `NAME==VERSION`) to lay into it, by default `pip`; None or () for none.
    :param find_links: directories with wheels that outrank every other source.
    :param network: when seeds may be downloaded: `never`, `last-resort` (the default) or `newest`.
    :param activators: names, () for none; None, the default, for every one that serves the target.
    :param existing: `keep` what is there (the default), `replace` an environment, `replace-anything`.
    :param site_packages: `isolated` (the default), or `system` to see the base interpreter's packages.
    :param prompt: what an activated shell shows, by default the name of the directory; `.` for that of the current one.
    :param link_mode: how seeds reach it: `auto` (the default), `clone`, `hardlink`, `copy`, `symlink`.
    :param relocatable: whether it is to work wherever it is moved or copied to, without anybody's help.
    :param options: options of plugins, by name.
    :param environ: environment variables to use instead of `os.environ`.
    :param cache: directory of the store; by default the user's.
    :param access: what may be done with the store: `read-write` (the default), `read-only`, `none`.
    :raises ClocheError: any refusal or failure (see `cloche.errors`); the destination is then as it was.
    :raises TypeError: there is no such argument, or it takes something else.
    """
    with session(**choices) as run:
        result = run.create(request(destination, run.host, **choices))
    tell((*result.warnings, *result.plan.notes))
    return result.environment


def plan(destination: StrPath, **choices: Unpack[Choices]) -> Plan:
    """Describe the environment that `create` would make from the same arguments, and write nothing near it.

    :raises ClocheError: what `create` would refuse.
    """
    with session(**choices) as run:
        planned = run.plan(request(destination, run.host, **choices))
    tell((*run.warnings, *planned.notes))
    return planned


def find(*specs: StrPath, **choices: Unpack[Choices]) -> Interpreter:
    """Return the first interpreter that can be had of what is asked for; the running Python's base for nothing.

    :param specs: what may stand after `-p`; what `python` says, as for `create`, stands behind them.
    :raises InterpreterNotFound: there is none; the hint lists the nearest misses.
    :raises UsageError: something that was asked for does not parse.
    """
    with session(**choices) as run:
        pythons = (*texts("specs", specs), *texts("python", choices.get("python")))
        found = run.find(EnvironmentSpec(pythons=pythons)).interpreter
    tell(run.warnings)
    return found


def load(path: StrPath, **choices: Unpack[Choices]) -> Environment:
    """Return the environment at a path, whoever made it (PEP 405).

    :raises DestinationError: there is none.
    """
    from cloche.lifecycle.reader import read

    with session(**choices) as run:
        environment = read(os.fspath(path), run.host, run.probes)
    tell(run.warnings)
    return environment


def session(**choices: Unpack[Choices]) -> Session:
    """Return a run with these arguments; see `check` for what it refuses."""
    from cloche.plugins.guard import blocked_names

    check(choices)
    host = current_host(choices.get("environ"))
    cache = choices.get("cache")
    return Session(
        host,
        cache=None if cache in (None, "") else os.path.join(host.cwd, cache),
        access=choices.get("access", "read-write"),
        blocklist=blocked_names(host),
    )


def tell(warnings: Sequence[str]) -> None:
    """Hand what the command line would print as warnings to the logger `cloche`, which a program may turn off."""
    if warnings:
        import logging

        for text in warnings:
            logging.getLogger("cloche").warning("%s", text)
