"""The arguments of the Python interface: refuse what a type checker would refuse, because not every program is checked."""

from __future__ import annotations

import os

from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING
from cloche.planning import PATH, as_path, as_strings, check_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

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
    **dict.fromkeys(("cache", "lock"), ((str, os.PathLike, type(None)), PATH)),
}
"""The other arguments with a single value: their types, and a description of these for error messages."""

PATHS = ("find_links", "try_first_with")
"""The arguments that are lists of paths. A blank one is refused, because it would mean the current directory."""

SEQUENCES = ("try_first_with", "no_finders", "seeds", "extras", "groups", "find_links", "activators")
"""The arguments that are lists. A string is refused, because it would be a sequence of its characters."""


def check_choices(choices: Mapping[str, Any]) -> None:
    """Refuse arguments that have a wrong type or an unknown value; `check_request` refuses those that contradict each other.

    :raises TypeError: wrong type.
    :raises UsageError: unknown value of an argument with a fixed set of values, an invalid rule for startup code, a blank
        path, or settings for `pyvenv.cfg` that it cannot contain.
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
    for name in ("creator", "seeder", "prompt"):
        check_text(name, choices.get(name))
    for name in ("options", "pyvenv_cfg"):
        if choices.get(name) is not None and not hasattr(choices[name], "keys"):
            raise TypeError(f"`{name}` must be a mapping, not {choices[name]!r}")
    if "startup_code" in choices and choices["startup_code"] is None:
        raise TypeError("`startup_code` must be a policy or a list of packages, not None")
    if choices.get("startup_code", "list") != "list":
        from cloche.store.startup_code import parse_policy

        parse_policy(as_strings("startup_code", choices["startup_code"]), "startup_code")
    lock = choices.get("lock")
    paths = {name: as_strings(name, choices.get(name)) for name in PATHS}
    paths["lock"] = () if lock is None else (as_path("lock", lock),)
    for name, values in paths.items():
        if any(not path.strip() for path in values):
            raise UsageError(f"`{name}` must not be blank", hint="check the variable that the path comes from")
    for name in choices.get("options") or ():
        check_text("options", name)
    check_settings(choices.get("pyvenv_cfg") or {})


def as_environ(argument: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return environment variables, if a program can be started with them.

    :raises TypeError: it is not a mapping of strings to strings.
    :raises UsageError: a name contains `=`, or see `check_text`.
    """
    if argument is None:
        return None
    if not hasattr(argument, "keys"):
        raise TypeError(f"`environ` must be a mapping, not {argument!r}")
    items: Iterable[tuple[object, object]] = argument.items()
    for variable, text in items:
        if not (isinstance(variable, str) and isinstance(text, str)):
            raise TypeError(f"`environ` must map strings to strings, not {variable!r} to {text!r}")
        check_text("environ", variable)
        check_text("environ", text)
        if not variable or "=" in variable[1:]:  # Windows has `=C:`, the current directory of a drive
            raise UsageError(f"`environ` cannot contain a variable named `{variable}`", hint="use a name without `=`")
    return argument


def check_settings(settings: Any) -> None:
    """Refuse settings for `pyvenv.cfg` that it cannot contain.

    :raises TypeError: a key or a value is not a string.
    :raises UsageError: the file format cannot represent a key or a value.
    """
    from cloche.planning.pyvenv_cfg import find_value_problem

    for key, text in settings.items():
        if not (isinstance(key, str) and isinstance(text, str)):
            raise TypeError(f"`pyvenv_cfg` must map strings to strings, not {key!r} to {text!r}")
        if key != " ".join(key.lower().split()) or key[:1] in ("", "#") or "=" in key:
            raise UsageError(
                f"`pyvenv_cfg` cannot contain the key {key!r}", hint="use lower-case words without `=`, on one line"
            )
        check_text("pyvenv_cfg", key)
        if problem := find_value_problem(text):
            raise UsageError(
                f"`pyvenv_cfg` cannot contain `{text}` as `{key}`, because it {problem}",
                hint="use one line without leading and trailing spaces",
            )
