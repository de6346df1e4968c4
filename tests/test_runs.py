"""Test that every test belongs to exactly one run, and that the quick run keeps a case of each kind."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cloche.testing import Check
from tests.pages import REPOSITORY
from tests.runs import COLLECTED, SLOW, VERY_SLOW, each, few, left_out, name_of, pattern_matches

if TYPE_CHECKING:
    from collections.abc import Sequence


class Parameters(NamedTuple):
    params: dict[str, object]


class Case(NamedTuple):
    """The part of a test item that `each` and `few` use."""

    callspec: Parameters


def cases(**values: Sequence[object]) -> list[Case]:
    """Return the product of parameter values, in the order of pytest."""
    product: list[dict[str, object]] = [{}]
    for name, choices in values.items():
        product = [{**params, name: value} for params in product for value in choices]
    return [Case(Parameters(params)) for params in product]


def values(chosen: Sequence[Case]) -> list[tuple[object, ...]]:
    return [tuple(case.callspec.params.values()) for case in chosen]


def test_few_chooses_evenly_spread_cases() -> None:
    numbers = cases(number=range(9))

    assert values(few(3)(numbers)) == [(0,), (3,), (6,)]
    assert few(20)(numbers) == numbers
    assert few(0)(numbers) == []


def test_each_covers_all_values_with_as_few_cases_as_possible() -> None:
    found = values(each("shell", "name")(cases(shell=["sh", "zsh"], name=["a", "b", "c"], more=[1, 2])))

    assert {shell for shell, _, _ in found} == {"sh", "zsh"}
    assert {name for _, name, _ in found} == {"a", "b", "c"}
    assert len(found) == 3


def test_each_chooses_one_case_of_a_test_without_the_parameters() -> None:
    assert values(each("shell")(cases(name=["a", "b"]))) == [("a",)]


def test_checks_with_the_same_first_word_are_of_one_kind() -> None:
    checks = [Check(name, lambda _: None) for name in ("name", "quoting-tab", "quoting-space", "copied-tab")]

    [*found] = [check.name for (check,) in values(each("check")(cases(check=checks)))]  # type: ignore[attr-defined]

    assert found == ["name", "quoting-tab", "copied-tab"]


def test_the_selection_does_not_depend_on_the_order_of_tests(request: pytest.FixtureRequest) -> None:
    by_day = [item for item in request.config.stash[COLLECTED] if not item.get_closest_marker("nightly")]
    items = [item for item in by_day if not item.get_closest_marker("clients")]
    expected = {item.nodeid for item in items if item.get_closest_marker("thorough")}

    random.shuffle(items)

    assert {item.nodeid for item in left_out(items, SLOW)} == expected


def test_a_case_is_marked_for_one_run_only(request: pytest.FixtureRequest) -> None:
    slow = [item for item in request.config.stash[COLLECTED] if item.get_closest_marker("thorough")]

    assert [item.nodeid for item in slow for name in ("nightly", "clients") if item.get_closest_marker(name)] == []


def test_every_pattern_in_the_table_matches_a_test(request: pytest.FixtureRequest) -> None:
    """If you rename a test, rename it in the table too; otherwise the quick run would become slow."""
    if not any(REPOSITORY / arg == REPOSITORY / "tests" for arg in request.config.args):
        pytest.skip("only some of the tests were collected")
    items = request.config.stash[COLLECTED]

    named = [(item, name_of(item)) for item in items]
    unused = [
        pattern
        for pattern in (*SLOW, *VERY_SLOW)
        if not any(pattern_matches(pattern, name, item) for item, name in named)
    ]

    assert unused == []


def collect(*arguments: str) -> set[str]:
    """Return the IDs of the cases that pytest selects."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_every_case_is_in_one_run_and_a_named_case_always_runs() -> None:
    quick, slow = collect("tests/targets"), collect("-m", "thorough", "tests/targets")
    nightly = collect("-m", "nightly", "tests/targets")

    assert quick
    assert slow
    assert nightly
    assert len(quick | slow | nightly) == len(quick) + len(slow) + len(nightly)
    assert quick | slow == collect("-m", "not nightly", "tests/targets")
    assert quick | slow | nightly == collect("-m", "nightly or not nightly", "tests/targets")
    assert collect(min(slow)) == {min(slow)}
