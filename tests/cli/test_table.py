"""Test that tables fit the terminal, and become lists in a narrow one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cloche.cli.table import Row, display_width, table_lines

HEAD = ("", "name", "path", "offers")
ROWS = (
    Row(("*", "one", "/usr/bin/one"), ("first: a, b, c, d, e, f, g, h, i, j, k", "second: l")),
    Row(("", "two", "/usr/bin/東京"), ("third: m",)),
)


@pytest.fixture(autouse=True)
def no_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.mark.parametrize("columns", [20, 30, 40, 60, 80, 110, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    lines = [*table_lines(HEAD, ROWS, columns)]

    assert [line for line in lines if display_width(line) > columns and len(line.split()) > 1] == []
    shown = " ".join(" ".join(lines).split())
    for row in ROWS:
        assert all(cell in shown for cell in row.cells)
        assert all(text in shown for text in row.last) or columns < 80  # other cells may be between the lines


def test_a_table_is_aligned_by_the_width_of_its_characters() -> None:
    """A wide character takes two columns of a terminal, a combining one takes none."""
    assert [*table_lines(HEAD, ROWS, 80)] == [
        "   name  path           offers",
        "*  one   /usr/bin/one   first: a, b, c, d, e, f, g, h, i, j, k",
        "                        second: l",
        "   two   /usr/bin/東京  third: m",
    ]
    assert [display_width(text) for text in ("e", "é", "e\u0301", "東", "\uff21")] == [1, 1, 1, 2, 2]


def test_a_narrow_terminal_gets_a_list() -> None:
    assert [*table_lines(HEAD, ROWS, 34)] == [
        "* name: one",
        "path: /usr/bin/one",
        "offers: first: a, b, c, d, e, f,",
        "  g, h, i, j, k; second: l",
        "",
        "name: two",
        "path: /usr/bin/東京",
        "offers: third: m",
    ]


def test_without_a_terminal_lines_are_never_wrapped() -> None:
    """Programs such as `grep` read them."""
    long = Row(("", "three", "/" + "x" * 200), ("path",))

    assert [*table_lines(HEAD, [long], None)][1] == f"  three  /{'x' * 200}  path"


def test_styles_cover_a_row_or_one_cell_of_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    rows = [Row(("one", "bad"), ("a", "b"), "red", styled=1), Row(("two", "good"), ("c",), "green")]

    assert [*table_lines(("name", "status", "offers"), rows, 80)] == [
        "\x1b[1mname  status  offers\x1b[0m",
        "one   \x1b[31mbad   \x1b[0m  a",
        "              b",
        "\x1b[32mtwo   good    c\x1b[0m",
    ]


def test_control_characters_are_escaped() -> None:
    [_, line] = table_lines(("name", "path"), [Row(("a\x1b[31m\n",), ("b\r",))], None)

    assert line == "a\\x1b[31m\\n  b\\r"


@pytest.mark.parametrize("columns", [20, 30, 40, 80, 110, 200])
@pytest.mark.parametrize("command", ["pythons", "plugins"])
def test_the_tables_of_commands_fit(command: str, columns: int) -> None:
    environ = {**os.environ, "COLUMNS": str(columns)}
    argv = [sys.executable, "-m", "cloche", command, "--no-plugins"]

    lines = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout.splitlines()

    if command == "plugins" or columns < 80:  # a long path is not broken
        wide = [line for line in lines if len(line) > columns and len(line.split()) > 1]
        assert [line for line in wide if not line.startswith("* chosen:")] == []
    assert ("found by: " if command == "pythons" else "offers: ") in "\n".join(lines) or columns > 40
