"""Components: what plugins offer, as values with a kind, a name and the plugin that they come from."""

from __future__ import annotations

from cloche.errors import PluginError
from cloche.model.options import Option
from cloche.model.value import TYPE_CHECKING, Value
from cloche.plugins import describe_exception, load_object
from cloche.plugins.similar_names import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal, TypeAlias

    from cloche.plugins import Source

    Kind: TypeAlias = Literal["finder", "creator", "seeder", "activator", "packer", "command"]

COMPONENT_KINDS: tuple[Kind, ...] = ("finder", "creator", "seeder", "activator", "packer", "command")

REQUIRED_ATTRIBUTES: Mapping[Kind, tuple[str, ...]] = {
    "finder": ("candidates",),
    "creator": ("refusal", "operations"),
    "seeder": ("refusal", "images"),
    "activator": ("refusal", "quote", "scripts"),
    "packer": ("suffix", "refusal", "write"),
    "command": ("summary", "implementation"),
}
"""The attributes that an object of each kind must have, in addition to `name`."""


class Component(Value):
    """A finder, creator, seeder, activator, packer or command that a plugin offers."""

    kind: Kind
    name: str
    source: Source
    item: object
    """The object itself, or a `Descriptor` that names it."""
    options: tuple[Option, ...] = ()
    summary: str = ""
    """What it does, as a lower-case fragment; may be empty."""
    replaces: str = ""
    """Name of the built-in component that it can replace; empty for none."""
    reference: str = ""
    """`"package.module:attribute"` of the object if a `Descriptor` names it; empty for an object."""

    def load(self) -> Any:
        """Return the object.

        :raises PluginError: its module cannot be imported, or has no such attribute.
        """
        if not self.reference:
            return self.item
        try:
            return load_object(self.reference)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(
                f"{self.kind} `{self.name}` of plugin {self.source} cannot be loaded: {describe_exception(error)}",
                hint=f"reinstall {self.source.distribution}, or leave it out with `--no-plugin {self.source.name}`",
            ) from error

    def contract_error(self, problem: str) -> PluginError:
        """Return the error for a component that does not do what its kind requires."""
        return PluginError(f"{self.kind} `{self.name}` of plugin {self.source} is broken: {problem}")


def parse_component(kind: Kind, item: object, source: Source) -> Component:
    """Return the component that describes an object which a hook returned.

    Only this function reads the attributes of the object, because each may be a property that fails.

    :raises TypeError: the object is not a valid component of this kind; the text names the hook and what was expected.
    :raises Exception: whatever an attribute of the object raises.
    """
    hook = f"cloche_{kind}s"
    name = getattr(item, "name", None)
    if not isinstance(name, str) or not name or any(character.isspace() or character in ",=" for character in name):
        raise TypeError(
            f"`{hook}` returned {item!r}: expected {kind}s, each with a `name` that is a word without `,` and `=`"
        )
    missing = [attribute for attribute in REQUIRED_ATTRIBUTES[kind] if not hasattr(item, attribute)]
    if missing and not (kind != "command" and hasattr(item, "implementation")):
        similar = suggestion(missing[0], (word for word in dir(item) if not word.startswith("_")))
        raise TypeError(f"`{hook}` returned the {kind} `{name}`, which has no `{missing[0]}`{similar}")
    summary = text_attribute(item, "summary", kind, name)
    replaces = text_attribute(item, "replaces", kind, name)
    reference = text_attribute(item, "implementation", kind, name)
    declared = getattr(item, "options", ())
    if isinstance(declared, str) or not hasattr(declared, "__iter__"):
        raise TypeError(f"{kind} `{name}` has {declared!r} as `options`: expected a list of `cloche.Option`")
    options = tuple(declared)
    for option in options:
        if type(option) is not Option:
            raise TypeError(f"{kind} `{name}` has {option!r} in `options`: expected a `cloche.Option`")
        if not is_option_name(option.name):
            raise TypeError(f"{kind} `{name}` has an option {option.name!r}: expected a name such as `link-mode`")
    return Component(kind, name, source, item, options, summary, replaces, reference)


def text_attribute(item: object, attribute: str, kind: Kind, name: str) -> str:
    """Return an attribute of a component as a string; empty if the component does not have it.

    :raises TypeError: the attribute is not a string.
    """
    text = getattr(item, attribute, "")
    if not isinstance(text, str):
        raise TypeError(f"{kind} `{name}` has {text!r} as `{attribute}`: expected a string")
    return text


def is_option_name(name: object) -> bool:
    """Return whether a name is valid for an option in every source: lower-case letters and digits, joined by hyphens."""
    return isinstance(name, str) and name.isascii() and name.islower() and all(map(str.isalnum, name.split("-")))
