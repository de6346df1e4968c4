"""Test that TOML is read in the same way by each parser, and that a problem is always the same exception."""

from __future__ import annotations

import sys

import pytest

from cloche.fs.toml import InvalidToml, parse_toml, parse_with_tomlkit
from tests.test_architecture import REPOSITORY, tomllib

VALID = (
    "",
    "a = 1\nb = 'c'\n[d.e]\nf = [1.5, true, {g = 1979-05-27}]\n",
    "[[a]]\nb = 1\n[a.c]\n[[a]]\nb = 2\n[d]\n",
    'a.b.c = """\nx\\\n  y"""\n\'d e\' = 07:32:00\n',
)

INVALID = (
    ("a = 1\na = 2", " .at "),
    ("a = {b = 1, b = 2}", "b"),
    ("[a]\nb = 1 c = 2", "line 2, column 7"),
    ("[a", " .at "),
    ("a = " + "[" * 100_000, "nested"),
)


@pytest.mark.parametrize("text", VALID)
def test_every_parser_returns_the_same_table(text: str) -> None:
    assert parse_toml(text) == parse_with_tomlkit(text) == tomllib.loads(text)


def test_real_files_mean_the_same_to_every_parser() -> None:
    for path in (REPOSITORY / "pyproject.toml", *REPOSITORY.glob("plugins/*/pyproject.toml")):
        text = path.read_text(encoding="utf-8")
        assert parse_toml(text) == parse_with_tomlkit(text)


@pytest.mark.parametrize("without_tomli", [False, True])
@pytest.mark.parametrize(("text", "reason"), INVALID, ids=range(len(INVALID)))
def test_every_problem_is_the_same_exception(
    text: str, reason: str, without_tomli: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without_tomli:
        monkeypatch.setattr("cloche.fs.toml._parser", lambda: parse_with_tomlkit)

    with pytest.raises(InvalidToml, match=reason):
        parse_toml(text)


def test_a_number_that_python_does_not_convert_is_a_problem_too() -> None:
    with pytest.raises(InvalidToml, match="4300"):
        parse_toml(f"a = {'9' * 5000}")


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="the standard library has a parser")
def test_tomlkit_replaces_tomli_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomli", None)

    assert parse_toml("a = 1") == {"a": 1}
