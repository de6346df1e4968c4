"""The arguments of the Python interface: they are checked, and become a request."""

from __future__ import annotations

import os

from cloche.errors import UsageError
from cloche.model.plan import EnvironmentSpec, LockRequest, Request, Target, Wanted
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Unpack

    from cloche.model.aliases import Choices, StartupPolicy, StrPath
    from cloche.model.interpreter import Host

ALLOWED_VALUES: Mapping[str, tuple[str, ...]] = {
    "network": ("never", "last-resort", "newest"),
    "dependencies": ("included", "omitted"),
    "existing": ("keep", "replace", "replace-anything"),
    "site_packages": ("isolated", "system"),
    "default_groups": ("included", "excluded"),
    "builds": ("allowed", "refused"),
    "compile": ("auto", "now", "never"),
    "extra_packages": ("removed", "kept"),
    "link_mode": ("auto", "clone", "hardlink", "copy", "symlink"),
    "access": ("read-write", "read-only", "none"),
}
"""The arguments with a fixed set of values. Any other value is an error, and never means the default."""

SINGLE_VALUES: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("creator", "seeder", "prompt"), ((str, type(None)), "a string")),
    **dict.fromkeys(("vcs_ignore", "relocatable"), ((bool,), "True or False")),
    **dict.fromkeys(("cache", "lock"), ((str, os.PathLike, type(None)), "a string or a path")),
}
"""The other arguments with a single value: their types, and a description of these for error messages."""

SEQUENCES = ("try_first_with", "no_finders", "seeds", "extras", "groups", "find_links", "activators")
"""The arguments that are lists. A string is refused, because it would be a sequence of its characters."""


def check_choices(choices: Mapping[str, object]) -> None:
    """Refuse arguments that a type checker would refuse, because not every program is type-checked.

    :raises TypeError: wrong type.
    :raises UsageError: unknown value of an argument with a fixed set of values.
    """
    for name, values in ALLOWED_VALUES.items():
        if name in choices and choices[name] not in values:
            allowed = f"{', '.join(f'`{value}`' for value in values[:-1])} or `{values[-1]}`"
            raise UsageError(f"`{name}` must be {allowed}, not {choices[name]!r}")
    for name in SEQUENCES:
        if isinstance(choices.get(name), (str, bytes, os.PathLike)) and (name, choices[name]) != ("seeds", "default"):
            raise TypeError(f"`{name}` must be a list, not {choices[name]!r}")
    for name, (types, expected) in SINGLE_VALUES.items():
        if name in choices and not isinstance(choices[name], types):
            raise TypeError(f"`{name}` must be {expected}, not {choices[name]!r}")
    for name in ("options", "environ", "pyvenv_cfg"):
        if choices.get(name) is not None and not hasattr(choices[name], "keys"):
            raise TypeError(f"`{name}` must be a mapping, not {choices[name]!r}")


def as_strings(name: str, argument: StrPath | Iterable[StrPath] | None) -> tuple[str, ...]:
    """Return the strings and paths of an argument as strings; a single string or path is a list of one.

    :raises TypeError: it contains something else, such as the number 3.10, which would become `3.1`.
    """
    if argument is None:
        return ()
    try:
        items = (argument,) if isinstance(argument, (str, os.PathLike)) else argument
        strings = tuple(os.fspath(item) for item in items)
        if all(isinstance(string, str) for string in strings):
            return strings
    except TypeError:
        pass
    expected = "a string, a path, or a list of them" if name in ("python", "specs") else "a list of strings"
    raise TypeError(f"`{name}` must be {expected}, not {argument!r}")


def as_settings(argument: Mapping[str, str]) -> dict[str, str]:
    """Return the argument `pyvenv_cfg` as settings for the file.

    :raises TypeError: a key or a value is not a string.
    :raises UsageError: the file format cannot represent a key or a value.
    """
    from cloche.planning.pyvenv_cfg import find_value_problem

    items: Iterable[tuple[object, object]] = argument.items()
    for key, text in items:
        if not (isinstance(key, str) and isinstance(text, str)):
            raise TypeError(f"`pyvenv_cfg` must map strings to strings, not {key!r} to {text!r}")
        if key != " ".join(key.lower().split()) or key[:1] in ("", "#") or "=" in key:
            raise UsageError(
                f"`pyvenv_cfg` cannot contain the key {key!r}", hint="use lower-case words without `=`, on one line"
            )
        if problem := find_value_problem(text):
            raise UsageError(
                f"`pyvenv_cfg` cannot contain `{text}` as `{key}`, because it {problem}",
                hint="use one line without leading and trailing spaces",
            )
    return dict(argument)


def request_for(host: Host, *, destination: StrPath, **choices: Unpack[Choices]) -> Request:
    """Return the request that these arguments describe; see `create` for their meaning."""
    from cloche.planning.destination import absolute_path

    activators = choices.get("activators")
    startup: tuple[StartupPolicy, tuple[str, ...]] = ("list", ())
    if choices.get("startup_code", "list") != "list":
        from cloche.store.startup_code import parse_policy

        startup = parse_policy(as_strings("startup_code", choices["startup_code"]))
    spec = EnvironmentSpec(
        pythons=as_strings("python", choices.get("python")),
        try_first_with=as_strings("try_first_with", choices.get("try_first_with")),
        no_finders=as_strings("no_finders", choices.get("no_finders")),
        creator=choices.get("creator"),
        seeder=choices.get("seeder"),
        wanted=wanted_packages(host, **choices),
        activators=None if activators is None else as_strings("activators", activators),
        site_packages=choices.get("site_packages", "isolated"),
        options=choices.get("options") or {},
        startup_code=startup[0],
        startup_packages=startup[1],
    )
    target = Target(
        destination=absolute_path(os.fspath(destination), host),
        existing=choices.get("existing", "keep"),
        prompt=choices.get("prompt"),
        link_mode=choices.get("link_mode", "auto"),
        vcs_ignore=choices.get("vcs_ignore", True),
        placement="relocatable" if choices.get("relocatable", False) else "fixed",
        extra_packages=choices.get("extra_packages", "removed"),
        extra_settings=as_settings(choices.get("pyvenv_cfg") or {}),
    )
    return Request(spec, target)


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
    """Return the lock file that these arguments name, and what to install from it.

    :raises UsageError: an argument needs a lock file, but `lock` is not given.
    """
    from cloche.planning.destination import absolute_path

    path = choices.get("lock")
    if path is None:
        for name in ("extras", "groups"):
            if choices.get(name):
                raise UsageError(f"`{name}` needs a lock file", hint="name one with `lock`")
        return None
    return LockRequest(
        path=absolute_path(os.fspath(path), host),
        extras=as_strings("extras", choices.get("extras")),
        groups=as_strings("groups", choices.get("groups")),
        default_groups=choices.get("default_groups", "included"),
    )
