"""The options of components: check the values that the user chose, and give each component the values of its own options."""

from __future__ import annotations

import os

from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING
from cloche.plugins.components import COMPONENT_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloche.model.options import Option
    from cloche.model.plan import EnvironmentSpec
    from cloche.plugins.components import Component
    from cloche.plugins.registry import Registry


def check_options(spec: EnvironmentSpec, chosen: Iterable[Component], registry: Registry) -> None:
    """Refuse options that would have no effect, unless they come from variables and config files.

    :param chosen: the components of the environment.
    :raises UsageError: no component declares one of the options, or only one that the environment does not have.
    """
    own = {option.name for component in chosen for option in component.options}
    others = {
        option.name: component
        for kind in COMPONENT_KINDS
        for component in registry.all(kind)
        for option in component.options
    }
    declared = own | others.keys()
    for name in sorted(spec.options.keys() - own - {*spec.configured_options}):
        if name not in others:
            raise UsageError(
                f"unknown plugin option `{name}`",
                hint=f"available: {', '.join(f'`{known}`' for known in sorted(declared))}",
            )
        owner = others[name]
        raise UsageError(
            f"the option `{name}` needs the {owner.kind} `{owner.name}`, which this environment does not use",
            hint=f"choose that {owner.kind}, or leave the option out",
        )


def own_options(spec: EnvironmentSpec, component: Component) -> Mapping[str, object]:
    """Return the values that the user chose for the options that one component declares.

    :raises UsageError: a value has the wrong type, or is not one of the choices.
    """
    return {
        option.name: typed_value(option, spec.options[option.name])
        for option in component.options
        if option.name in spec.options
    }


def typed_value(option: Option, given: object) -> object:
    """Return the value of an option in the type for its kind; see `Option.kind`.

    A flag may also be `true` or `false`, as `pyvenv.cfg` records it.

    :raises UsageError: it has another type, or is not one of the choices.
    """
    if option.kind == "flag":
        if isinstance(given, bool) or given in ("true", "false"):
            return given in (True, "true")
        raise wrong_type(option, given, "True or False")
    if option.kind == "count":
        if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            return given
        raise wrong_type(option, given, "a number")
    if option.kind == "list":
        if not isinstance(given, (list, tuple)):
            raise wrong_type(option, given, "a list of strings")
        texts = tuple(as_text(option, item, given, "a list of strings") for item in given)
    else:
        texts = (as_text(option, given, given, "a string"),)
    for text in texts:
        if option.choices and text not in option.choices:
            raise UsageError(
                f"invalid value `{text}` for the option `{option.name}`",
                hint=f"choose one of {', '.join(option.choices)}",
            )
    return texts if option.kind == "list" else texts[0]


def as_text(option: Option, item: object, given: object, expected: str) -> str:
    """Return a string, or a path for an option that takes one, as a string.

    :param given: the value that it is part of, for the message.
    :raises UsageError: it is something else.
    """
    text = os.fspath(item) if option.is_path and isinstance(item, os.PathLike) else item
    if isinstance(text, str):
        return text
    raise wrong_type(option, given, expected)


def wrong_type(option: Option, given: object, expected: str) -> UsageError:
    return UsageError(f"the option `{option.name}` must be {expected}, not {given!r}")
