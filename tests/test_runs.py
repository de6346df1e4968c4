"""The runs share all tests, and the quick run keeps a case of each kind."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cloche.testing import Check
from tests.pages import REPOSITORY
from tests.runs import COLLECTED, SLOW, each, few, matches, thorough

if TYPE_CHECKING:
    from collections.abc import Sequence


class Parameters(NamedTuple):
    params: dict[str, object]


class Case(NamedTuple):
    """The part of a test item that `each` and `few` use."""

    callspec: Parameters


def cases(**values: Sequence[object]) -> list[Case]:
    """Return the product of parameters, as pytest makes it."""
    product: list[dict[str, object]] = [{}]
    for name, several in values.items():
        product = [{**one, name: value} for one in product for value in several]
    return [Case(Parameters(one)) for one in product]


def values(chosen: Sequence[Case]) -> list[tuple[object, ...]]:
    return [tuple(case.callspec.params.values()) for case in chosen]


def test_few_cases_are_spread_over_all() -> None:
    numbers = cases(number=range(9))

    assert values(few(3)(numbers)) == [(0,), (3,), (6,)]
    assert few(20)(numbers) == numbers
    assert few(0)(numbers) == []


def test_each_value_of_each_parameter_occurs_in_as_few_cases_as_possible() -> None:
    found = values(each("shell", "name")(cases(shell=["sh", "zsh"], name=["a", "b", "c"], more=[1, 2])))

    assert {shell for shell, _, _ in found} == {"sh", "zsh"}
    assert {name for _, name, _ in found} == {"a", "b", "c"}
    assert len(found) == 3


def test_one_case_is_enough_of_a_test_without_the_parameters() -> None:
    assert values(each("shell")(cases(name=["a", "b"]))) == [("a",)]


def test_promises_about_names_are_of_one_kind() -> None:
    checks = [Check(name, lambda _: None) for name in ("name", "quoting-tab", "quoting-space", "copied-tab")]

    [*found] = [check.name for (check,) in values(each("check")(cases(check=checks)))]  # type: ignore[attr-defined]

    assert found == ["name", "quoting-tab", "copied-tab"]


def test_what_the_quick_run_has_does_not_depend_on_the_order(request: pytest.FixtureRequest) -> None:
    items = list(request.config.stash[COLLECTED])
    expected = {item.nodeid for item in items if item.get_closest_marker("thorough")}

    random.shuffle(items)

    assert {item.nodeid for item in thorough(items)} == expected


def test_a_case_belongs_to_one_run(request: pytest.FixtureRequest) -> None:
    late = [item for item in request.config.stash[COLLECTED] if item.get_closest_marker("thorough")]

    assert [item.nodeid for item in late for name in ("nightly", "clients") if item.get_closest_marker(name)] == []


def test_every_rule_is_about_some_test(request: pytest.FixtureRequest) -> None:
    """If you rename a test, rename it in the table too; otherwise the quick run would become slow."""
    if not any(REPOSITORY / arg == REPOSITORY / "tests" for arg in request.config.args):
        pytest.skip("only some of the tests were collected")
    items = request.config.stash[COLLECTED]

    idle = [pattern for pattern in SLOW if not any(matches(pattern, item) for item in items)]

    assert idle == []


def collected(*arguments: str) -> set[str]:
    """Return the cases that pytest collects."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_the_runs_share_all_cases_and_a_named_case_always_runs() -> None:
    quick, late = collected("tests/targets"), collected("-m", "thorough", "tests/targets")
    night = collected("-m", "nightly", "tests/targets")

    assert quick
    assert late
    assert night
    assert len(quick | late | night) == len(quick) + len(late) + len(night)
    assert quick | late == collected("-m", "not nightly", "tests/targets")
    assert quick | late | night == collected("-m", "nightly or not nightly", "tests/targets")
    assert collected(min(late)) == {min(late)}
