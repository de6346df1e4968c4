"""Frozen values: what `dataclasses` gives, without the 13 ms that importing it costs a run.

It must not grow features: no field functions, no ordering, no inheritance between values.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_):
        return lambda decorator: decorator


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make `cls` a frozen value whose fields are its annotations, in order.

    It gets a constructor (positional or by keyword, class attributes are the defaults), equality and hash by value (a
    field without a hash, a mapping, counts for equality alone), a repr that reads as the call that makes it, and
    `__match_args__`. Assigning to a field raises `AttributeError`.
    """
    names: tuple[str, ...] = tuple(cls.__annotations__)
    known = frozenset(names)
    defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}

    def __init__(self: object, *positional: Any, **named: Any) -> None:
        given = {**dict(zip(names, positional, strict=False)), **named}
        filled = {**defaults, **given}
        if len(given) != len(positional) + len(named) or filled.keys() != known:
            raise TypeError(complaint(cls, positional, named, filled))
        self.__dict__.update(filled)  # at once: a run makes hundreds of values

    def __setattr__(self: object, name: str, _: object) -> None:
        raise AttributeError(f"{cls.__name__} is frozen, `{name}` cannot be set")

    def __delattr__(self: object, name: str) -> None:
        raise AttributeError(f"{cls.__name__} is frozen, `{name}` cannot be deleted")

    def __eq__(self: object, other: object) -> bool:
        if other.__class__ is not cls:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __hash__(self: object) -> int:
        values = (getattr(self, name) for name in names)
        return hash((cls, *(one for one in values if one.__hash__ is not None)))

    def __repr__(self: object) -> str:
        return f"{cls.__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    for function in (__init__, __setattr__, __delattr__, __eq__, __hash__):
        setattr(cls, function.__name__, function)
    if "__repr__" not in cls.__dict__:
        setattr(cls, "__repr__", __repr__)
    setattr(cls, "__match_args__", names)
    return cls


def complaint(cls: type, positional: tuple[Any, ...], named: dict[str, Any], filled: dict[str, Any]) -> str:
    """Return what is wrong with the arguments of a value's constructor; `filled` is what they make of its fields."""
    names = names_of(cls)
    if len(positional) > len(names):
        return f"{cls.__name__} takes {len(names)} values, got {len(positional)}"
    if clash := named.keys() & names[: len(positional)]:
        return f"{cls.__name__} got `{min(clash)}` twice"
    if unknown := named.keys() - names:
        return f"{cls.__name__} has no field `{min(unknown)}`"
    return f"{cls.__name__} needs `{next(name for name in names if name not in filled)}`"


def names_of(cls: type) -> tuple[str, ...]:
    """Return the names of a value class's fields, in the order in which it declares them."""
    names: tuple[str, ...] = cls.__dict__["__match_args__"]
    return names


def fields(item: object) -> dict[str, Any]:
    """Return a value's fields by name, in the order in which its class declares them."""
    return {name: getattr(item, name) for name in names_of(type(item))}


def replace(item: T, /, **changes: object) -> T:
    """Return a copy of a value with some fields changed."""
    return type(item)(**{**fields(item), **changes})
