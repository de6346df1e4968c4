"""Test which names are suggested for a misspelled one, and that a name that is not near is never suggested."""

from __future__ import annotations

import pytest

from cloche.cli.commands import COMMANDS
from cloche.cli.mistakes import nearest_command
from cloche.plugins.similar_names import count_edits, nearest_name

OPTIONS = (
    "force", "relocatable", "prompt", "pip", "lock", "link-mode", "find-links", "system-site-packages", "python", "p",
)  # fmt: skip


@pytest.mark.parametrize(
    ("word", "name", "edits"),
    [
        ("prompt", "prompt", 0),
        ("promt", "prompt", 1),
        ("promptt", "prompt", 1),
        ("prumpt", "prompt", 1),
        ("porompt", "prompt", 1),
        ("rpompt", "prompt", 1),
        ("pormtp", "prompt", 2),
        ("store", "force", 3),
        ("", "pip", 3),
        ("pip", "", 3),
    ],
)
def test_a_swap_of_neighbours_counts_as_one_edit(word: str, name: str, edits: int) -> None:
    assert count_edits(word, name) == edits
    assert count_edits(name, word) == edits


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("promt", "prompt"),
        ("pipp", "pip"),
        ("linkmode", "link-mode"),
        ("lnik-mdoe", "link-mode"),
        ("find_link", "find-links"),
        ("relocateable", "relocatable"),
        ("system-ste-packges", "system-site-packages"),
        ("sys", "system-site-packages"),
        ("python-version", "python"),
        ("lock-file", "lock"),
    ],
)
def test_a_misspelling_an_abbreviation_or_an_extension_suggests_the_name(word: str, name: str) -> None:
    assert nearest_name(word, OPTIONS) == name


@pytest.mark.parametrize("word", ["frobnicate", "store", "x", "", "-", "zap", "romp", "sy", "packages", "lnikmdoe"])
def test_a_word_that_is_not_near_any_name_suggests_nothing(word: str) -> None:
    assert nearest_name(word, OPTIONS) == ""


def test_a_name_may_differ_in_one_character_and_one_more_for_every_seven() -> None:
    for length in range(3, 30):
        name = "abcdefghijklmnopqrstuvwxyzABCDEF"[:length]
        edits = 1 + length // 7
        assert nearest_name("#" * edits + name[edits:], [name]) == name
        assert nearest_name("#" * (edits + 1) + name[edits + 1 :], [name]) == ""


def test_the_nearest_name_wins_and_of_several_the_first() -> None:
    assert nearest_name("fishes", ["fisher", "fishes!", "bash"]) == "fisher"
    assert nearest_name("find-lonks", ["find-locks", "find-links", "find-lonk"]) == "find-locks"


@pytest.mark.parametrize("word", ["docker", "packages", "pythonenv", "information", "created-env", "notes", "wheels"])
def test_a_word_that_is_not_near_a_command_names_a_directory(word: str) -> None:
    assert nearest_command(word, COMMANDS) == ""
