"""Test that tables fit the terminal, and become lists in a narrow one."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from cloche.cli.table import Row, table_lines
from cloche.cli.terminal import display_width

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
    widths = [display_width(text) for text in ("e", "é", "e\u0301", "東", "\uff21", "\x1b[31me\x1b[0m")]
    assert widths == [1, 1, 1, 2, 2, 1]


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
        "\x1b[1mname\x1b[0m  \x1b[1mstatus\x1b[0m  \x1b[1moffers\x1b[0m",
        "one   \x1b[31mbad\x1b[0m     a",
        "              b",
        "\x1b[32mtwo\x1b[0m   \x1b[32mgood\x1b[0m    \x1b[32mc\x1b[0m",
    ]


@pytest.mark.parametrize("columns", [40, 80, 110])
def test_styles_do_not_move_columns(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    rows = [Row(row.cells, row.last, "red", styled) for row, styled in zip(ROWS, (None, 2), strict=True)]
    plain = [*table_lines(HEAD, rows, columns)]
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert [re.sub(r"\x1b\[\d*m", "", line) for line in table_lines(HEAD, rows, columns)] == plain


@pytest.mark.parametrize("columns", [30, 79, 80, 110])
def test_a_path_that_is_longer_than_the_terminal_is_not_broken(columns: int) -> None:
    """You can copy it."""
    path = "/a-directory" * 12
    rows = [Row(("*", "one", path), (f"see {path} and others",))]

    assert [line.split().count(path) for line in table_lines(HEAD, rows, columns) if path in line] in ([1, 1], [2])


def test_control_characters_are_escaped() -> None:
    [_, line] = table_lines(("name", "path"), [Row(("a\x1b[31m\n",), ("b\r",))], None)

    assert line == "a\\x1b[31m\\n  b\\r"


@pytest.mark.parametrize("columns", [20, 30, 40, 80, 110, 200])
@pytest.mark.parametrize("command", ["pythons", "plugins", "config"])
def test_the_tables_of_commands_fit(command: str, columns: int) -> None:
    environ = {**os.environ, "COLUMNS": str(columns)}
    argv = [sys.executable, "-m", "cloche", command, "--no-plugins"]

    lines = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout.splitlines()

    if command == "plugins" or columns < 80:  # a long path is not broken
        wide = [line for line in lines if len(line) > columns and len(line.split()) > 1]
        assert [line for line in wide if not line.startswith(("* chosen:", "file:"))] == []
    last = {"pythons": "found by: ", "plugins": "offers: ", "config": "from: "}[command]
    assert last in "\n".join(lines) or columns > 40


@pytest.mark.parametrize("columns", ["1", "x", "-5", "9" * 30, "9" * 6000])
def test_any_value_of_columns_is_accepted(columns: str) -> None:
    environ = {**os.environ, "COLUMNS": columns}
    argv = [sys.executable, "-m", "cloche", "plugins", "--no-plugins"]

    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "symlink" in done.stdout


@pytest.mark.parametrize("command", ["pythons", "plugins", "config"])
def test_json_needs_no_library_for_tables(command: str) -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "cloche", command, "--no-plugins"]
    shown, encoded = (
        {*re.findall(r"\| +(prettytable|wcwidth)$", subprocess.run([*argv, *more], **RUN).stderr, re.MULTILINE)}
        for more in ([], ["--json"])
    )

    assert (shown, encoded) == ({"prettytable", "wcwidth"}, set())


RUN = {"capture_output": True, "text": True, "check": True}
