"""What plugins give, by kind and name, as their hooks answer; how the hooks are called is not its business."""

from __future__ import annotations

from cloche.errors import PluginError
from cloche.model.options import Option
from cloche.model.value import TYPE_CHECKING, value
from cloche.plugins.guard import cause, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, Literal, TypeAlias

    from cloche.plugins.guard import Source

    Kind: TypeAlias = Literal["finder", "creator", "seeder", "activator", "command"]

KINDS: tuple[Kind, ...] = ("finder", "creator", "seeder", "activator", "command")


@value
class Component:
    """One thing that a plugin gives."""

    kind: Kind
    name: str
    source: Source
    item: object
    """The object itself or a `Descriptor` that names it."""
    options: tuple[Option, ...] = ()
    summary: str = ""
    """What it is for, in a few words; empty if its plugin does not say."""
    replaces: str = ""
    """Name of the built-in whose place it offers to take; empty for none."""
    reference: str = ""
    """`"package.module:attribute"` of the object, if it is named and not given."""

    def resolve(self) -> Any:
        """Return the object.

        :raises PluginError: its module cannot be imported, or has no such attribute.
        """
        if not self.reference:
            return self.item
        try:
            return resolve(self.reference)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(
                f"{self.kind} `{self.name}` of plugin {self.source} cannot be loaded: {cause(error)}",
                hint=f"reinstall {self.source.distribution}, or leave it out with `--no-plugin {self.source.name}`",
            ) from error


NEEDS: Mapping[Kind, tuple[str, ...]] = {
    "finder": ("candidates",),
    "creator": ("refusal", "operations"),
    "seeder": ("refusal", "images"),
    "activator": ("refusal", "quote", "scripts"),
    "command": ("summary", "implementation"),
}

TEXTS = {"summary": "summary", "replaces": "replaces", "reference": "implementation"}
"""Fields of what is provided, and the attributes of an object that they are read from."""


def collect(
    answers: Callable[[str], Iterable[object]], source: Source, kinds: Iterable[Kind] = KINDS
) -> Iterator[Component]:
    """Yield what one plugin gives; of several commands only the one that has the entry point's name, if one has it.

    What an object says of itself is read here and nowhere else: an attribute may be code of the plugin's that fails.

    :param answers: calls a hook of that name, and returns what each of the plugin's implementations answers.
    :raises TypeError: it gives something that is not what its hook is for.
    :raises Exception: whatever the plugin raises.
    """
    for kind in kinds:
        given: list[Component] = []
        for items in answers(f"cloche_{kind}s"):
            if isinstance(items, str) or not hasattr(items, "__iter__"):
                raise TypeError(f"cloche_{kind}s gave {items!r}, and has to give a list")
            for item in items:
                name = getattr(item, "name", None)
                if not isinstance(name, str) or not name or any(letter.isspace() or letter in ",=" for letter in name):
                    raise TypeError(f"cloche_{kind}s gave {item!r}, which has no name that can be asked for")
                missing = [method for method in NEEDS[kind] if not hasattr(item, method)]
                if missing and not (kind != "command" and hasattr(item, "implementation")):
                    raise TypeError(f"the {kind} `{name}` has no `{missing[0]}`")
                if any(other.name == name for other in given):
                    raise TypeError(f"cloche_{kind}s gave two of the name `{name}`")
                texts = {field: getattr(item, attribute, "") for field, attribute in TEXTS.items()}
                for field, text in texts.items():
                    if not isinstance(text, str):
                        raise TypeError(
                            f"the {kind} `{name}` has {text!r} for its `{TEXTS[field]}`, which has to be a text"
                        )
                one = Component(kind, name, source, item, tuple(getattr(item, "options", ())), **texts)
                if wrong := [option for option in one.options if type(option) is not Option]:
                    raise TypeError(f"the {kind} `{name}` has {wrong[0]!r} among its options, which is none")
                if misnamed := [option.name for option in one.options if not can_be_an_option(option.name)]:
                    raise TypeError(
                        f"the {kind} `{name}` has an option {misnamed[0]!r}, and needs a name as `link-mode`"
                    )
                given.append(one)
        own = [one for one in given if one.name == source.name]
        yield from own if kind == "command" and own else given


def can_be_an_option(name: object) -> bool:
    """Return whether an option of that name can be asked for everywhere: small letters and digits, joined by hyphens."""
    return isinstance(name, str) and name.isascii() and name.islower() and all(map(str.isalnum, name.split("-")))
