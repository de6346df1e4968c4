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
        return lambda decorator: decorator


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Turn `cls` into a frozen value whose fields are its annotations, in order.

    It gets a constructor with positional and keyword arguments (class attributes are the defaults), equality and hash by
    value, a repr in the form of a constructor call, and `__match_args__`. A field that is not hashable, such as a mapping,
    is used only for equality. Assigning to a field raises `AttributeError`.
    """
    names: tuple[str, ...] = tuple(cls.__annotations__)
    known = frozenset(names)
    required = known - cls.__dict__.keys()

    def __init__(self: object, *positional: Any, **named: Any) -> None:
        given = self.__dict__  # filled directly, without the defaults, because a run creates hundreds of values
        given.update(zip(names, positional, strict=False))
        given.update(named)
        if len(given) != len(positional) + len(named) or not required <= given.keys() <= known:
            raise TypeError(_argument_error(cls, positional, named))

    def __setattr__(self: object, name: str, _: object) -> None:
        raise AttributeError(f"cannot set `{name}`: {cls.__name__} is frozen")

    def __delattr__(self: object, name: str) -> None:
        raise AttributeError(f"cannot delete `{name}`: {cls.__name__} is frozen")

    def __eq__(self: object, other: object) -> bool:
        if other.__class__ is not cls:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __hash__(self: object) -> int:
        values = (getattr(self, name) for name in names)
        return hash((cls, *(field for field in values if field.__hash__ is not None)))

    def __repr__(self: object) -> str:
        return f"{cls.__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    for function in (__init__, __setattr__, __delattr__, __eq__, __hash__):
        setattr(cls, function.__name__, function)
    if "__repr__" not in cls.__dict__:
        setattr(cls, "__repr__", __repr__)
    setattr(cls, "__match_args__", names)
    return cls


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
