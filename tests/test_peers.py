"""Test how `tox -e peers` compares the results of other projects' test suites with what is expected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.peers.__main__ import (
    HERE,
    Outcome,
    Suite,
    compare,
    forget_explained,
    plugins_of,
    read_report,
    read_suites,
    summary,
)

if TYPE_CHECKING:
    from pathlib import Path

SUITE = Suite(
    "example", "example==1", "stand-in", 1, 0, ["tests"], not_applicable={"uses internals": ["*::test_internal*"]}
)


def test_a_run_as_expected_has_no_problems() -> None:
    results = {"m::test_a": "passed", "m::test_b": "unrelated", "m::test_internal[x]": "failed", "m::test_c": "skipped"}
    assert compare(SUITE, results) == Outcome(SUITE, passed=1, unrelated=1, skipped=1, not_applicable=1)


def test_a_failure_without_a_reason_is_a_problem() -> None:
    results = {"m::test_a": "passed", "m::test_b": "failed", "m::test_internal": "failed"}
    assert compare(SUITE, results).problems == ["m::test_b failed"]


def test_a_test_that_also_fails_without_cloche_is_not_a_problem() -> None:
    results = {"m::test_a": "passed", "m::test_b": "failed", "m::test_internal": "failed"}
    assert compare(SUITE, results, {"m::test_b"}) == Outcome(SUITE, passed=1, not_applicable=1, failing_without=1)


def test_only_failures_without_a_reason_run_again(tmp_path: Path) -> None:
    file = tmp_path / "lastfailed"
    file.write_text('{"t/m.py::test_internal[a::b]": true, "t/m.py::A::test_x[c::d]": true, "t/n.py": true}')
    suite = replace(SUITE, not_applicable={"": ["t.m::test_internal*", "::t.n"]})
    assert forget_explained(suite, file) == 1
    assert file.read_text() == '{"t/m.py::A::test_x[c::d]": true}'
    assert forget_explained(replace(suite, not_applicable={"": ["t.m.A::test_x?c::d?"]}), file) == 0
    assert forget_explained(SUITE, tmp_path / "missing") == 0


def test_fewer_tests_that_pass_are_a_problem() -> None:
    results = {"m::test_a": "unrelated", "m::test_internal": "failed"}
    assert compare(SUITE, results).problems == ["0 tests passed, expected at least 1"]


def test_a_test_that_is_skipped_only_here_is_not_missing() -> None:
    """This machine may lack a shell."""
    results = {"m::test_a": "skipped", "m::test_internal": "failed"}
    assert not compare(SUITE, results).problems
    assert compare(replace(SUITE, skipped=1), results).problems == ["0 tests passed, expected at least 1"]


@pytest.mark.parametrize("result", ["passed", "unrelated"])
def test_a_reason_for_a_test_that_passes_is_a_problem(result: str) -> None:
    results = {"m::test_a": "passed", "m::test_internal": result}
    assert compare(SUITE, results).problems == ["`*::test_internal*` is listed, but matches no failing test"]


def test_a_reason_for_a_test_that_is_skipped_here_is_kept() -> None:
    assert not compare(SUITE, {"m::test_a": "passed", "m::test_internal": "skipped"}).problems


def test_a_report_says_which_tests_reach_cloche(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        """<testsuites><testsuite>
        <testcase classname="m" name="a"><properties><property name="reached" value="cloche"/></properties></testcase>
        <testcase classname="m" name="b"/>
        <testcase classname="m" name="c"><skipped/></testcase>
        <testcase classname="m" name="d"><failure/></testcase>
        <testcase classname="m" name="e"><skipped/><error/></testcase>
        </testsuite></testsuites>"""
    )
    expected = {"m::a": "passed", "m::b": "unrelated", "m::c": "skipped", "m::d": "failed", "m::e": "failed"}
    assert read_report(report) == expected


def test_the_last_line_adds_up_all_suites() -> None:
    outcomes = [
        Outcome(SUITE, passed=2, skipped=1, not_applicable=3, problems=["x"]),
        Outcome(SUITE, failing_without=4),
    ]
    assert summary(outcomes).strip("= ") == "2 passed, 1 failed, 1 skipped, 7 xfailed"


def test_every_suite_can_be_run() -> None:
    suites = list(read_suites(HERE / "suites.toml"))
    for suite in suites:
        assert suite.passed > 0
        assert suite.python or "==" in suite.source, "the version of an sdist is fixed"
        assert all((HERE / f"{name}.py").is_file() for name in plugins_of(suite))
    assert len(suites) == len({suite.name for suite in suites})
