"""Test the words of messages."""

from __future__ import annotations

import pytest

from cloche.errors import counted


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ["file"], "0 files"),
        (1, ["file"], "1 file"),
        (2, ["file"], "2 files"),
        (1, ["entry", "entries"], "1 entry"),
        (2, ["entry", "entries"], "2 entries"),
    ],
)
def test_a_number_agrees_with_its_noun(number: int, words: list[str], text: str) -> None:
    assert counted(number, *words) == text
