"""Planning: what is requested (a request), what it consists of (a blueprint), and how to create it (a plan).

This module has the first step, from arguments to a request. The command line and the Python interface both use it, so that
the same wrong call gets the same error. Messages name options as the command line has them; for the Python interface,
`cloche.api.spelling` replaces these by arguments.
"""

from __future__ import annotations

import os
import sys

from cloche.errors import UsageError
from cloche.model.plan import EnvironmentSpec, LockRequest, Request, Target, Wanted
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from typing_extensions import Unpack

    from cloche.model.aliases import Choices, Consult, StartupRule, StrPath
    from cloche.model.interpreter import Host

PATH = "a string or a path"
"""What a path may be, for messages."""

NEEDS_LOCK: Mapping[str, tuple[str, object]] = {
    "extras": ("--extra", ()),
    "groups": ("--group", ()),
    "default_groups": ("--no-default-groups", "included"),
    "builds": ("--only-binary", "allowed"),
    "extra_packages": ("--keep-extra", "removed"),
}
"""The arguments that concern only a lock file, each with its option and its default."""


def request_for(
    host: Host,
    *,
    destination: StrPath,
    consult: Consult = "nothing",
    configured_options: tuple[str, ...] = (),
    **choices: Unpack[Choices],
) -> Request:
    """Return the request that the arguments of `cloche.create` describe.

    :param configured_options: the names, in `options`, of those that come from variables and config files.
    :raises TypeError: an argument that is a list has an item of the wrong type.
    :raises UsageError: the arguments contradict each other, or one of them would have no effect.
    """
    from cloche.planning.destination import absolute_path

    check_request(**choices)
    activators = choices.get("activators")
    spec = EnvironmentSpec(
        pythons=as_strings("python", choices.get("python")),
        try_first_with=as_strings("try_first_with", choices.get("try_first_with")),
        no_finders=as_strings("no_finders", choices.get("no_finders")),
        consult=consult,
        creator=choices.get("creator"),
        seeder=choices.get("seeder"),
        wanted=wanted_packages(host, **choices),
        activators=None if activators is None else as_strings("activators", activators),
        site_packages=choices.get("site_packages", "isolated"),
        options=choices.get("options") or {},
        configured_options=configured_options,
        startup_rule=startup_rule(**choices),
    )
    target = Target(
        destination=absolute_path(as_path("destination", destination), host),
        existing=choices.get("existing", "keep"),
        prompt=choices.get("prompt"),
        link_mode=choices.get("link_mode", "auto"),
        vcs_ignore=choices.get("vcs_ignore", True),
        placement="relocatable" if choices.get("relocatable", False) else "fixed",
        extra_packages=choices.get("extra_packages", "removed"),
        extra_settings=dict(choices.get("pyvenv_cfg") or {}),
    )
    return Request(spec, target)


def check_request(**choices: Unpack[Choices]) -> None:
    """Refuse arguments that contradict each other, and those that would have no effect.

    What depends on the interpreter or on plugins, `resolve` refuses.

    :raises UsageError: there are such arguments.
    """
    given: Mapping[str, object] = {**choices}
    if given.get("lock") is None:
        for name, (option, default) in NEEDS_LOCK.items():
            if (given.get(name) or default) != default:
                raise UsageError(f"`{option}` needs a lock file", hint="name one with `--lock`")
    if given.get("existing", "keep") != "keep" and given.get("extra_packages") == "kept":
        raise UsageError("`--keep-extra` contradicts `--clear`, which removes all packages", hint="choose one")


def warnings_about(host: Host, **choices: Unpack[Choices]) -> Iterator[str]:
    """Yield a warning for each argument that is likely to be a mistake."""
    for directory in as_strings("find_links", choices.get("find_links")):
        if not os.path.isdir(os.path.join(host.cwd, directory)):
            yield f"`--find-links` is set to `{directory}`, which is not a directory"


def as_path(name: str, argument: object) -> str:
    """Return the path of a file or directory as a string.

    :raises TypeError: it is neither a string nor a path, or a path of bytes.
    :raises UsageError: see `check_text`.
    """
    if isinstance(argument, (str, os.PathLike)):
        path = os.fspath(argument)
        if isinstance(path, str):
            check_text(name, path)
            return path
    raise TypeError(f"`{name}` must be {PATH}, not {argument!r}")


def as_strings(name: str, argument: StrPath | Iterable[StrPath] | None) -> tuple[str, ...]:
    """Return the strings and paths of an argument as strings; a single string or path is a list of one.

    :raises TypeError: it contains something else, such as the number 3.10, which would become `3.1`.
    :raises UsageError: see `check_text`.
    """
    if argument is None:
        return ()
    try:
        items = (argument,) if isinstance(argument, (str, os.PathLike)) else argument
        strings = tuple(os.fspath(item) for item in items)
        if all(isinstance(string, str) for string in strings):
            for string in strings:
                check_text(name, string)
            return strings
    except TypeError:
        pass
    expected = "a string, a path, or a list of them" if name in ("python", "specs") else "a list of strings"
    raise TypeError(f"`{name}` must be {expected}, not {argument!r}")


def check_text(name: str, argument: object) -> None:
    """Refuse a string that neither a file name nor an argument of a program can contain.

    The characters that stand for undecodable bytes in a path (PEP 383) are allowed.

    :raises UsageError: it contains a NUL character or another surrogate.
    """
    if not isinstance(argument, str):
        return
    if "\0" in argument:
        raise UsageError(f"`{name}` contains a NUL character", hint="use text without it")
    try:
        argument.encode("utf-8", sys.getfilesystemencodeerrors())
    except UnicodeEncodeError as error:
        surrogate = f"U+{ord(argument[error.start]):04X}"
        raise UsageError(f"`{name}` contains {surrogate}, which is not a character", hint="use valid Unicode") from None


def startup_rule(**choices: Unpack[Choices]) -> StartupRule:
    """Return what happens to packages with startup code.

    :raises UsageError: the argument is neither a policy nor a list of packages.
    """
    if choices.get("startup_code", "list") == "list":
        return "list", ()
    from cloche.store.startup_code import parse_policy

    words = as_strings("startup_code", choices["startup_code"])
    return parse_policy(words) if words else ("refuse", ())  # no package may have such code


def wanted_packages(host: Host, **choices: Unpack[Choices]) -> Wanted | None:
    """Return the packages that these arguments ask for; None for an environment without packages."""
    lock = lock_request(host, **choices)
    seeds = choices.get("seeds", "default")
    seeds = as_strings("seeds", (() if lock else ("pip",)) if seeds == "default" else seeds)
    links = [os.path.join(host.cwd, path) for path in as_strings("find_links", choices.get("find_links"))]
    if not seeds and lock is None:
        return None
    return Wanted(
        seeds,
        tuple(links),
        choices.get("network", "last-resort"),
        choices.get("dependencies", "included"),
        builds=choices.get("builds", "allowed"),
        compile=choices.get("compile", "auto"),
        lock=lock,
    )


def lock_request(host: Host, **choices: Unpack[Choices]) -> LockRequest | None:
    """Return the lock file that these arguments name, and what to install from it; None without one."""
    from cloche.planning.destination import absolute_path

    path = choices.get("lock")
    if path is None:
        return None
    return LockRequest(
        path=absolute_path(as_path("lock", path), host),
        extras=as_strings("extras", choices.get("extras")),
        groups=as_strings("groups", choices.get("groups")),
        default_groups=choices.get("default_groups", "included"),
    )
