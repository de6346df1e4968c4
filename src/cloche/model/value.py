"""Frozen values: a small replacement for `dataclasses`, which takes 13 ms to import.

Do not add features here: no field functions, no ordering, no inheritance between values, no default that is a function.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_):
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Value:
    """The base of frozen values. The fields of a subclass are its annotations, in order.

    A subclass has a constructor with positional and keyword arguments (class attributes are the defaults), equality and
    hash by value, a repr in the form of a constructor call, and `__match_args__`. A field that is not hashable, such as a
    mapping, is used only for equality. Assigning to a field raises `AttributeError`.
    """

    if not TYPE_CHECKING:

        def __init_subclass__(cls):
            cls.__match_args__ = names = tuple(cls.__annotations__)
            cls._known = known = frozenset(names)
            cls._required = known - cls.__dict__.keys()

        def __init__(self, *positional, **named):
            given = self.__dict__  # filled directly, without the defaults, because a run creates hundreds of values
            given.update(zip(self.__match_args__, positional, strict=False))
            if not named and len(positional) == len(self.__match_args__):
                return  # as for each of ten thousand rows of a RECORD
            given.update(named)
            if len(given) != len(positional) + len(named) or not self._required <= given.keys() <= self._known:
                raise TypeError(_argument_error(type(self), positional, named))

    def __setattr__(self, name: str, _: object) -> None:
        raise AttributeError(f"cannot set `{name}`: {type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete `{name}`: {type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _field_names(type(self)))

    def __hash__(self) -> int:
        values = (getattr(self, name) for name in _field_names(type(self)))
        return hash((type(self), *(field for field in values if field.__hash__ is not None)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={field!r}' for name, field in fields(self).items())})"


def _argument_error(cls: type, positional: tuple[Any, ...], named: dict[str, Any]) -> str:
    """Return what is wrong with the arguments of a constructor."""
    names = _field_names(cls)
    if len(positional) > len(names):
        return f"{cls.__name__} takes {len(names)} arguments, got {len(positional)}"
    if clash := named.keys() & names[: len(positional)]:
        return f"{cls.__name__} got multiple values for `{min(clash)}`"
    if unknown := named.keys() - names:
        return f"{cls.__name__} has no field `{min(unknown)}`"
    missing = next(name for name in names[len(positional) :] if name not in named and name not in cls.__dict__)
    return f"{cls.__name__} is missing `{missing}`"


def _field_names(cls: type) -> tuple[str, ...]:
    """Return the names of a value class's fields, in order of declaration."""
    names: tuple[str, ...] = cls.__dict__["__match_args__"]
    return names


def fields(item: object) -> dict[str, Any]:
    """Return the fields of a value by name, in order of declaration."""
    return {name: getattr(item, name) for name in _field_names(type(item))}


def replace(item: T, /, **changes: object) -> T:
    """Return a copy of a value with some fields changed."""
    return type(item)(**{**fields(item), **changes})
