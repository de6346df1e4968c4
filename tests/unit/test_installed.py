"""Test that metadata of an installed package that is not valid does not stop a command."""

from __future__ import annotations

import pytest

from cloche.lifecycle.installed import parse_direct_url

INVALID = ["", "x", "[]", "1" * 5000, "[" * 100_000, '{"url": ' * 100_000]


@pytest.mark.parametrize("text", INVALID, ids=range(len(INVALID)))
def test_an_invalid_record_of_the_source_is_ignored(text: str) -> None:
    """A text with many brackets needs more recursion than Python allows."""
    assert parse_direct_url(text) == {}
