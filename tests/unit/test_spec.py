"""Test Python requests: every row of the tables in the reference, and properties of arbitrary texts."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from cloche.errors import UsageError
from cloche.model.spec import ANY, InterpreterSpec, range_contains
from cloche.model.value import replace
from tests.unit.interpreters import interpreter

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "reference", "python-requests.md")


def rows(*header: str) -> list[list[str]]:
    """Return the rows, as lists of cells, of every table on the page with this header."""
    found: list[list[str]] = []
    inside = False
    with open(PAGE, encoding="utf-8") as page:
        for line in page:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
            if not cells:
                inside = False
            elif cells == list(header):
                inside = True
            elif inside and set(line.strip()) != set("|-"):
                found.append(cells)
    return found


def names(cell: str) -> list[str]:
    return cell.split("`")[1::2]


KINDS = rows("Request", "Asks for", "Matches", "Does not match")
PATHS = rows("Request", "Is read as", "Meaning")
INVALID = rows("Request", "Hint")


def test_the_page_has_tables() -> None:
    assert len(KINDS) > 50
    assert len(PATHS) > 5
    assert len(INVALID) > 5


@pytest.mark.parametrize(("request_cell", "_", "takes", "passes_over"), KINDS, ids=[row[0].strip("`") for row in KINDS])
def test_a_request_matches_the_interpreters_that_the_page_lists(
    request_cell: str, _: str, takes: str, passes_over: str
) -> None:
    spec = InterpreterSpec.parse(request_cell.strip("`"))
    assert {name: spec.refusal(interpreter(name)) for name in names(takes)} == dict.fromkeys(names(takes))
    for name in names(passes_over):
        assert spec.refusal(interpreter(name)), name
        assert not spec.accepts(interpreter(name))


@pytest.mark.parametrize(("request_cell", "kind", "_"), PATHS, ids=[row[0].strip("`") for row in PATHS])
def test_a_path_or_command_is_parsed_as_the_page_says(request_cell: str, kind: str, _: str) -> None:
    text = request_cell.strip("`")
    spec = InterpreterSpec.parse(text)
    assert {"path": spec.path, "name": spec.name} == {"path": "", "name": "", kind: text}
    assert spec.is_exact
    assert spec.accepts(interpreter("CPython 3.15.0b1"))


@pytest.mark.parametrize(("request_cell", "hint"), INVALID, ids=[row[0].strip("`") for row in INVALID])
def test_an_invalid_request_is_refused_with_the_hint_on_the_page(request_cell: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        InterpreterSpec.parse(request_cell.strip("`"))
    assert caught.value.hint == hint


@pytest.mark.parametrize("text", ["-", "--", "---", "-64", "-3", "--clear"])
def test_an_option_is_not_a_request_for_any_python(text: str) -> None:
    with pytest.raises(UsageError, match="is not a valid Python request"):
        InterpreterSpec.parse(text)


@pytest.mark.parametrize("text", ["", " ", "\n", "3.12\n3.13", "3.12\0", "\x1b[31m"])
def test_an_empty_request_and_control_characters_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        InterpreterSpec.parse(text)


@pytest.mark.parametrize(
    "text", ["3.12-32-64", "3.12-x86_64-arm64", "3.12-dbg-debug", "3.12+nogil", "3.12-32-sparc", "3.14rc1000"]
)
def test_an_unknown_or_repeated_build_or_machine_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        InterpreterSpec.parse(text)


@pytest.mark.parametrize(
    ("request_text", "name", "sentence"),
    [
        ("3.12", "CPython 3.11.7", "is 3.11.7, not 3.12"),
        ("pypy3.10", "CPython 3.10.13", "is CPython 3.10.13, not PyPy"),
        (">=3.12", "CPython 3.11.7", "is 3.11.7, not >=3.12"),
        (">=3.12", "CPython 3.15.0b1", "is 3.15.0b1, a prerelease; to allow it, request `3.15.0b1`"),
        ("3", "CPython 3.15.0b1", "is 3.15.0b1, a prerelease; to allow it, request `3.15.0b1`"),
        ("3.13", "CPython 3.13.0t", "is free-threaded; to allow it, request `3.13t`"),
        ("3.13t", "CPython 3.13.0", "is not free-threaded"),
        ("3.12", "CPython 3.12.1d", "is a debug build; to allow it, request `3.12d`"),
        ("3.12d", "CPython 3.12.1", "is not a debug build"),
        ("3.12-32", "CPython 3.12.1", "is built for 64 bits, not 32"),
        ("3.12-arm64", "CPython 3.12.1", "is built for x86_64, not arm64"),
        ("cpython-3.12-macos", "CPython 3.12.1", "is built for linux, not darwin"),
        ("3.14.0rc2", "CPython 3.14.0rc1", "is 3.14.0rc1, not 3.14.0rc2"),
    ],
)
def test_a_refusal_names_what_was_found_and_what_was_requested(request_text: str, name: str, sentence: str) -> None:
    assert InterpreterSpec.parse(request_text).refusal(interpreter(name)) == sentence


@pytest.mark.parametrize(
    ("text", "suggested"),
    [("3.13t-dev", "3.13t"), ("3.12dt", "3.12td"), ("3.13d-dev", "3.13d"), ("3.14a", "3.14"), ("1!3.12", "3.12")],
)
def test_a_suggestion_keeps_the_version_and_the_build(text: str, suggested: str) -> None:
    with pytest.raises(UsageError) as caught:
        InterpreterSpec.parse(text)
    assert caught.value.hint == f"did you mean `{suggested}`?"


def test_only_version_specifiers_are_a_range() -> None:
    assert InterpreterSpec.parse(">=3.10").is_range
    assert not InterpreterSpec.parse("3").is_range
    assert not InterpreterSpec.parse("./python").is_range


def test_the_request_any_matches_everything() -> None:
    assert InterpreterSpec.parse("any") == ANY


def test_an_interpreter_with_another_c_library_is_refused() -> None:
    musl = replace(interpreter("CPython 3.12.1"), soabi="cpython-312-x86_64-linux-musl")
    assert InterpreterSpec.parse("cpython-3.12-linux-x86_64-musl").accepts(musl)
    assert InterpreterSpec.parse("cpython-3.12-linux-x86_64-gnu").refusal(musl) == "is not built for gnu"


def outcome(text: str) -> InterpreterSpec | str | None:
    """Return the parsed request, or the hint of its refusal."""
    try:
        return InterpreterSpec.parse(text)
    except UsageError as error:
        return error.hint


@given(st.text(max_size=40))
def test_every_text_is_parsed_or_refused_with_a_hint(text: str) -> None:
    assert outcome(text)


@given(st.text(alphabet="<>=!~.,0123456789 *rcabdtpyon-@+x_", max_size=20))
def test_texts_similar_to_requests_are_parsed_or_refused_with_a_hint(text: str) -> None:
    match outcome(text):
        case InterpreterSpec() as spec:
            assert spec.refusal(interpreter("CPython 3.12.1")) != ""
        case hint:
            assert hint


VERSIONS = st.tuples(st.integers(3, 4), st.integers(0, 20), st.integers(0, 30))
CLAUSES = st.tuples(
    st.sampled_from([">=", "<"]), st.lists(st.integers(0, 20), min_size=1, max_size=3).map(lambda it: [3, *it][:3])
)


@given(VERSIONS, st.lists(CLAUSES, min_size=1, max_size=3))
def test_simple_ranges_give_the_same_result_as_packaging(
    release: tuple[int, int, int], clauses: list[tuple[str, list[int]]]
) -> None:
    text = ",".join(f"{operator}{'.'.join(map(str, bound))}" for operator, bound in clauses)
    version = ".".join(map(str, release))
    assert range_contains(text, (*release, "final", 0)) == SpecifierSet(text).contains(version)


def test_a_bound_with_four_parts_excludes_the_release_with_its_first_three() -> None:
    assert not range_contains(">=3.10.0.1", (3, 10, 0, "final", 0))
    assert range_contains(">=3.10.0.1", (3, 10, 1, "final", 0))


def test_prereleases_are_compared_as_in_pep_440() -> None:
    found = interpreter("CPython 3.14.0rc2")
    assert range_contains(">=3.14.0rc1", found.version)
    assert not range_contains(">=3.14", found.version)
