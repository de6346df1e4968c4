"""Test that subclasses of `Value` behave like frozen dataclasses."""

from __future__ import annotations

import pytest

from cloche.model.value import Value, fields, replace


class Point(Value):
    x: int
    y: int = 0

    @property
    def total(self) -> int:
        return self.x + self.y


def test_fields_are_positional_or_keyword_arguments_with_defaults():
    assert Point(1) == Point(x=1, y=0) == Point(1, 0)
    assert Point(1, y=2).total == 3


@pytest.mark.parametrize(
    ("positional", "named", "message"),
    [
        ((), {}, "is missing `x`"),
        ((1, 2, 3), {}, "takes 2 arguments"),
        ((1,), {"x": 2}, "multiple values for `x`"),
        ((1,), {"z": 2}, "no field `z`"),
    ],
)
def test_a_wrong_constructor_call_raises_a_type_error(positional, named, message):
    with pytest.raises(TypeError, match=message):
        Point(*positional, **named)


def test_a_field_cannot_be_set_or_deleted():
    point = Point(1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2
    with pytest.raises(AttributeError, match="frozen"):
        del point.x


def test_equality_and_hash_depend_on_class_and_fields():
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Point(1, 2) != Point(2, 1)
    assert Point(1, 2) != (1, 2)


def test_the_repr_is_a_constructor_call():
    assert repr(Point(1)) == "Point(x=1, y=0)"


def test_a_value_can_be_matched_listed_and_copied_with_changes():
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
    assert fields(Point(1, 2)) == {"x": 1, "y": 2}
    assert replace(Point(1, 2), y=3) == Point(1, 3)
