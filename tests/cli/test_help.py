"""Test that the help fits a terminal and lists every option once."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest

from cloche.cli.commands import COMMANDS
from cloche.cli.help import EXAMPLES, EXAMPLES_OF, help_text, short_help
from cloche.cli.parser import parse_arguments
from cloche.model.options import Option

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bash and some tools set this variable for the programs that they start."""
    monkeypatch.delenv("COLUMNS", raising=False)


def is_whole(line: str, examples: Iterable[str]) -> bool:
    """Return whether a line is one word, a heading, or the command of an example: these are never broken."""
    return len(line.split()) == 1 or (line[0] != " " and line[-1] == ":") or line.strip() in examples


@pytest.mark.parametrize("columns", [0, 20, 30, 40, 80, 110, 200])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_line_is_wider_than_the_terminal(command: object, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal and without `COLUMNS`, there are 80 columns."""
    width = columns or 80
    examples = [line for line, _ in EXAMPLES_OF[command.name]]
    long = Option("an-option-with-a-name-that-leaves-no-room-at-all", "what it does " * 20, metavar="A-LONG-WORD")
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))

    for text in (help_text(command), help_text(command, spellings="all"), help_text(command, [long])):
        too_long = [line for line in text.splitlines() if len(line) > width]
        assert [line for line in too_long if not is_whole(line, examples)] == []
        assert columns < 40 or len(too_long) <= text.count("--an-option") + len(examples)


@pytest.mark.parametrize("columns", [20, 30, 40, 80, 110, 200])
def test_the_short_help_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    lines = short_help().splitlines()

    assert [line for line in lines if len(line) > columns and not is_whole(line, dict(EXAMPLES))] == []


def test_the_synopsis_and_long_options_are_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")

    text = help_text(COMMANDS["upgrade"])

    assert text.startswith("usage: cloche upgrade\n       [options]\n       [ENV...]\n\n")
    assert "\n  --startup-code POLICY\n    what to do with\n" in text


@pytest.mark.parametrize("columns", [300, 160, 100, 64, 40, 24])
def test_help_is_as_wide_as_the_terminal(columns: int) -> None:
    """The longest description ends before column 160."""
    shell = pexpect.spawn(
        sys.executable, ["-m", "cloche", "doctor", "--help"], encoding="utf-8", dimensions=(90, columns)
    )
    try:
        widths = [len(line) for line in re.sub(r"\x1b\[\d*m", "", shell.read()).splitlines()]
    finally:
        shell.close()

    usage_and_examples = 60  # lines that are not wrapped
    assert min(columns - 20, 140) < max(widths) <= max(columns, usage_and_examples)


@pytest.mark.parametrize("columns", ["", "0", "-5", "x", "²", "9" * 30])
def test_any_value_of_columns_is_accepted(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    assert help_text(COMMANDS["info"]).startswith("usage: cloche info")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_two_examples_that_are_valid(name: str) -> None:
    text = help_text(COMMANDS[name])

    assert len(EXAMPLES_OF[name]) == 2
    for line, description in EXAMPLES_OF[name]:
        assert f"\n  {line}" in text
        assert description[-1] != "."
        (words,) = re.findall(r"cloche[^)|]*", line)
        arguments = parse_arguments(shlex.split(words)[1:])
        arguments.check()
        assert arguments.command.name == name


@pytest.mark.parametrize("command", [command for command in COMMANDS.values() if command.ineffective])
def test_an_option_without_effect_is_accepted_and_not_shown(command: object) -> None:
    text = help_text(command)

    for name in command.ineffective:
        assert f"--{name}" not in text
        value = ["x"] if name in ("cache-dir", "no-plugin") else []
        operands = {"unpack": ["a", "b"], "run": ["--", "x"], "cache": ["dir"], "completion": ["bash"]}
        parse_arguments([command.name, f"--{name}", *value, *operands.get(command.name, [])]).check()


@pytest.mark.parametrize("words", ["run . -- x", "cache dir", "completion bash"])
def test_commands_without_options_for_plugins_load_no_plugin(words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-v", "-m", "cloche", *words.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "import 'cloche.cli.commands'" in done.stderr
    assert "import 'cloche.plugins.registry'" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_every_option_is_listed_once_below_its_heading(command: object) -> None:
    text = help_text(command)
    for option in (*command.options, *command.common_options):
        lines = [line for line in text.splitlines() if f" --{option.name} " in f"{line[:24]} " and line[:3] == "  -"]
        assert len(lines) == (0 if option.hidden else 1), option.name
        assert option.hidden or f"\n{option.group}:\n" in text


def test_verbose_help_shows_the_spellings_of_virtualenv() -> None:
    shown = [
        subprocess.run([sys.executable, "-m", "cloche", *argv], capture_output=True, text=True, check=True).stdout
        for argv in (["--help"], ["--help", "-v"])
    ]

    assert "--always-copy" not in shown[0]
    assert "`cloche --help -v` lists them" in " ".join(shown[0].split())
    assert "  --always-copy         same as `--creator copy`" in shown[1].splitlines()


def test_options_of_plugins_have_their_own_heading() -> None:
    text = help_text(COMMANDS["create"], [Option("rope", "how long"), Option("knot", "which one", group="seeds")])

    assert "\noptions of plugins:\n  --rope VALUE          how long\n" in text
    assert text.index("\nseeds:\n") < text.index("--knot") < text.index("\noutput:\n")


def test_help_is_aligned_by_the_width_of_its_characters() -> None:
    """A wide character takes two columns of a terminal."""
    lines = help_text(COMMANDS["create"], [Option("rope", "長さ " * 20, metavar="長さ")]).splitlines()

    first, *others = lines[lines.index("options of plugins:") + 1 :][:3]
    assert first == f"  --rope 長さ{' ' * 11}" + " ".join(["長さ"] * 11)
    assert others[0] == " " * 24 + " ".join(["長さ"] * 9)


def test_help_shows_choices_and_repeatable_options() -> None:
    text = help_text(COMMANDS["create"])

    assert "from the cache (auto, clone, hardlink, copy, symlink)" in " ".join(text.split())
    assert "the Python to use: the first SPEC that has a match; may\n                        be repeated\n" in text


def test_headings_are_colored_on_request() -> None:
    environ = {**os.environ, "FORCE_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "cloche", "info", "--help"], env=environ, capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("\x1b[1musage:\x1b[0m cloche info")
    assert "\x1b" not in help_text(COMMANDS["info"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("pack", "cloche pack [options] [ENV] -o FILE"), ("run", "cloche run [options] [ENV] -- CMD")],
)
def test_the_synopsis_has_everything_that_a_command_needs(name: str, expected: str) -> None:
    assert f"usage: {expected}" in help_text(COMMANDS[name]).splitlines()


def test_json_of_a_command_that_runs_a_program_is_only_for_errors() -> None:
    texts = {name: " ".join(help_text(command).split()) for name, command in COMMANDS.items()}

    assert "--json print an error of cloche as a JSON object" in texts.pop("run")
    assert not [name for name, text in texts.items() if "print an error of cloche" in text]
