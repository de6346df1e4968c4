"""Frozen values behave as frozen dataclasses do."""

from __future__ import annotations

import pytest

from cloche.model.value import fields, replace, value


@value
class Point:
    x: int
    y: int = 0

    @property
    def total(self) -> int:
        return self.x + self.y


def test_fields_are_given_by_position_or_by_name_and_defaults_fill_in():
    assert Point(1) == Point(x=1, y=0) == Point(1, 0)
    assert Point(1, y=2).total == 3


@pytest.mark.parametrize(
    ("positional", "named", "says"),
    [
        ((), {}, "needs `x`"),
        ((1, 2, 3), {}, "takes 2"),
        ((1,), {"x": 2}, "`x` twice"),
        ((1,), {"z": 2}, "no field `z`"),
    ],
)
def test_a_wrong_call_names_what_is_wrong(positional, named, says):
    with pytest.raises(TypeError, match=says):
        Point(*positional, **named)


def test_a_field_can_neither_be_set_nor_deleted():
    point = Point(1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2
    with pytest.raises(AttributeError, match="frozen"):
        del point.x


def test_equality_and_hash_go_by_value_and_class():
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Point(1, 2) != Point(2, 1)
    assert Point(1, 2) != (1, 2)


def test_a_repr_reads_as_the_call_that_makes_it():
    assert repr(Point(1)) == "Point(x=1, y=0)"


def test_a_value_can_be_matched_taken_apart_and_copied_with_changes():
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
    assert fields(Point(1, 2)) == {"x": 1, "y": 2}
    assert replace(Point(1, 2), y=3) == Point(1, 3)
