"""Test the parser of the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cloche.cli.mistakes import OPTIONS_OF_OTHER_TOOLS, WORDS_OF_OTHER_TOOLS
from cloche.cli.parser import ParsedArguments, accept_options, parse_arguments
from cloche.errors import UsageError
from cloche.model.options import Option

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse(argv: list[str], plugin_options: Sequence[Option] = ()) -> ParsedArguments:
    """Parse and check a command line with the options of plugins.

    :raises UsageError: it is not valid.
    """
    arguments = accept_options(parse_arguments(argv), plugin_options)
    arguments.check()
    return arguments


def test_create_is_the_default_command():
    assert parse(["venv"]).command.name == "create"
    assert parse(["create", "venv"]).operands == ("venv",)


def test_a_path_is_never_a_command():
    assert parse(["./info"]).operands == ("./info",)
    assert parse(["info", "info"]).operands == ("info",)


@pytest.mark.parametrize(
    "argv",
    [
        ["-p", "3.12", "venv"],
        ["-p3.12", "venv"],
        ["-p=3.12", "venv"],
        ["--python", "3.12", "venv"],
        ["--python=3.12", "venv"],
        ["venv", "-p", "3.12"],
    ],
)
def test_values_may_be_attached_and_options_may_follow_operands(argv):
    arguments = parse(argv)
    assert arguments.given["python"] == ("3.12",)
    assert arguments.operands == ("venv",)


def test_repeated_options_keep_their_order():
    assert parse(["-p", "3.12", "venv", "-p", ">=3.9,<3.11"]).given["python"] == ("3.12", ">=3.9,<3.11")


def test_short_flags_can_be_combined_and_counted():
    arguments = parse(["-vvq", "venv"])
    assert (arguments.count("verbose"), arguments.count("quiet")) == (2, 1)


def test_an_empty_value_is_a_value():
    assert parse(["venv", "--activators="]).given["activators"] == ("",)
    assert parse(["venv", "--activators", ""]).given["activators"] == ("",)


def test_after_two_dashes_everything_is_an_operand():
    assert parse(["--", "-env"]).operands == ("-env",)


@pytest.mark.parametrize(
    ("argv", "number"),
    [
        (["venv", "-v"], 0),
        (["-p", "3.12", "venv"], 2),
        (["-vp3.12", "--json", "freeze", "-x"], 2),
        (["freeze", "--no-such-option", "-p"], 0),
        (["--json", "--", "freeze"], -1),
        (["--no-such-option", "freeze"], -1),
        (["--link-mode", "teleport", "freeze"], -1),
        (["create", "freeze"], -1),
        (["--json"], -1),
    ],
)
def test_only_the_first_operand_may_name_a_command_of_a_plugin(argv, number):
    assert parse_arguments(argv).command_index == number


def test_options_before_the_first_operand_are_stored_separately():
    arguments = parse_arguments(["--no-plugin", "acme", "freeze", "--no-plugin", "zebra", "-q"])
    assert arguments.given_before == {"no-plugin": ("acme",)}
    assert arguments.given == {"no-plugin": ("acme", "zebra"), "quiet": ("true",)}


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["venv", "--cleer"], "unknown option `--cleer`", "--clear"),
        (["venv", "--promt", "x"], "unknown option `--promt`", "did you mean `--prompt`?"),
        (["venv", "--frobnicate"], "unknown option `--frobnicate`", "`cloche --help` lists all options"),
        (["venv", "-x"], "unknown option `-x`", "`cloche --help` lists all options"),
        (["venv", "--CLEAR"], "unknown option `--CLEAR`", "did you mean `--clear`?"),
        (["pack", "venv", "--out", "x"], "unknown option `--out`", "did you mean `--output`?"),
        (["move", "venv", "x", "--pytho"], "unknown option `--pytho`", "`cloche move --help` lists all options"),
        (["venv", "--fro", "3.9"], "unknown option `--fro`", "`cloche --help` lists all options"),
        (["venv", "--allow-loss"], "unknown option `--allow-loss`", "it is an option of `upgrade`"),
        (["venv", "--find", "."], "unknown option `--find`", "it is an option of `doctor` and `upgrade`"),
        (["verify", "--dry-run"], "unknown option `--dry-run`", "it is an option of `create`, `move` and `upgrade`"),
        (["info", "--lock", "x"], "unknown option `--lock`", "it is an option of `create`"),
        (["venv", "--upgrade-deps"], "unknown option `--upgrade-deps`", "`--download`"),
        (["--name", "mine"], "unknown option `--name`", "`cloche PATH`"),
        (["-r", "requirements.txt"], "unknown option `-r`", "`--lock FILE`"),
        (["venv", "--try-first-with", ""], "`--try-first-with` needs a value", "--try-first-with EXE"),
        (["venv", "--app-data= "], "`--app-data` needs a value", "--app-data DIR"),
        (["venv", "-p"], "`-p` needs a value", "SPEC"),
        (
            ["venv", "--prompt", "--no-seed"],
            "`--prompt` needs a value, but is followed by the option",
            "`--prompt=--no-seed`",
        ),
        (["--cache-dir", "--json", "venv"], "followed by the option `--json`", "--cache-dir DIR"),
        (["venv", "-p", "--pip=24.0"], "followed by the option `--pip=24.0`", "`-p--pip=24.0`"),
        (["\u2014clear"], "`\u2014clear` starts with a dash other than `-`", "write `--clear`"),
        (["venv", "\u2013p", "3.12"], "`\u2013p` starts with a dash", "write `-p`"),
        (["info", "\u2212\u2013json"], "`\u2212\u2013json` starts with a dash", "write `--json`"),
        (["-"], "`-` does not mean standard input", "`./-`"),
        (["pack", "venv", "-", "-o", "x.zip"], "`-` does not mean standard input", "`./-`"),
        (["venv", "--clear=yes"], "takes no value", "--clear"),
        (["venv", "--link-mode", "teleport"], "invalid value `teleport` for `--link-mode`", "hardlink"),
        (["a", "b"], "unexpected argument `b`: only one DEST is allowed", "--help"),
        (["docter", "venv"], "unknown command `docter`", "did you mean `cloche doctor`?"),
        (["upgarde", "venv", "-p", "3.13"], "unknown command `upgarde`", "did you mean `cloche upgrade`?"),
        (["upgrad", "--check"], "unknown command `upgrad`", "did you mean `cloche upgrade`?"),
        (["install", "six"], "unknown command `install`", "pip install"),
        (["move", "doctr", "b", "c"], "unexpected argument `c`: only ENV and DEST are allowed", "`cloche move --help`"),
        (["plugins", "a"], "unknown argument `a`", "choose one of new"),
        (["plugins", "new", "a", "b", "c"], "unexpected argument `c`: at most 3 arguments are allowed", "--help"),
        (["venv", "info"], "unexpected argument `info`", "--help"),
        (["move"], "missing argument ENV", "`cloche move ENV DEST`"),
        (["move", "venv"], "missing argument DEST", "`cloche move ENV DEST`"),
        (["cache"], "missing argument ACTION", "choose one of dir, size, verify, prune, clear"),
        (["completion"], "missing argument SHELL", "choose one of bash, fish"),
        (["cache", "dir", "size"], "unexpected argument `size`: only one argument is allowed", "--help"),
        (["pythons", "3", "4"], "unexpected argument `4`: only one SPEC is allowed", "--help"),
        (["cache", "empty"], "unknown argument `empty`", "prune"),
        (["cache", "claer"], "unknown argument `claer`", "did you mean `cloche cache clear`?"),
    ],
)
def test_invalid_command_lines_are_errors_with_a_useful_hint(argv, message, hint):
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_option_before_a_command_must_belong_to_that_command():
    assert parse(["--json", "info", "venv"]).flag("json")
    with pytest.raises(UsageError, match="--clear"):
        parse(["--clear", "info", "venv"])


def test_aliases_set_the_option_that_they_replace():
    assert parse(["venv", "--copies"]).given == {"creator": ("copy",)}
    assert parse(["venv", "--extra-search-dir", "w"]).given == {"find-links": ("w",)}
    assert parse(["venv", "--without-pip"]).given == {"no-seed": ("true",)}


WHEELHOUSE = Option("wheelhouse", "where wheels are", "list", short="w")
FAST = Option("fast", "hurry", "flag", short="f")


@pytest.mark.parametrize(
    "argv",
    [
        ["venv", "--wheelhouse", "/w"],
        ["--wheelhouse", "/w", "venv"],
        ["--wheelhouse=/w", "venv"],
        ["-w", "/w", "venv"],
        ["-w/w", "venv"],
        ["--wheelhouse", "/w", "create", "venv"],
        ["--wheelhouse", "/w", "--", "venv"],
    ],
)
def test_an_unknown_option_is_accepted_when_a_plugin_declares_it(argv):
    arguments = parse(argv, [WHEELHOUSE])
    assert arguments.given == {"wheelhouse": ("/w",)}
    assert arguments.operands == ("venv",)
    with pytest.raises(UsageError, match=argv[0][:2] if argv[0] != "venv" else "--wheelhouse"):
        parse(argv)


def test_options_of_plugins_keep_their_order_and_combine_with_those_of_cloche():
    arguments = parse(["-w", "/a", "-vfq", "venv", "--wheelhouse", "/b", "-fw", "/c"], [WHEELHOUSE, FAST])
    assert arguments.given["wheelhouse"] == ("/a", "/b", "/c")
    assert (arguments.count("fast"), arguments.count("verbose"), arguments.count("quiet")) == (2, 1, 1)
    assert arguments.operands == ("venv",)


@pytest.mark.parametrize("argv", [["venv", "--wheelhouse"], ["venv", "--wheelhouse", "--json"], ["venv", "-w", "--"]])
def test_an_option_of_a_plugin_needs_its_value(argv):
    with pytest.raises(UsageError, match="needs a value"):
        parse(argv, [WHEELHOUSE])


def test_a_value_may_look_like_an_option():
    assert parse(["venv", "--prompt=--no-seed"]).given["prompt"] == ("--no-seed",)
    assert parse(["venv", "--prompt", "-x"]).given["prompt"] == ("-x",)
    assert parse(["venv", "--prompt", "-p project"]).given["prompt"] == ("-p project",)
    assert parse(["venv", "-p", "-3.12"]).given["python"] == ("-3.12",)


def test_a_path_may_start_with_any_dash():
    assert parse(["./\u2014clear"]).operands == ("./\u2014clear",)
    assert parse(["\u2014"]).operands == ("\u2014",)
    assert parse(["run", "venv", "--", "\u2014x"]).rest == ("\u2014x",)


def test_the_word_after_a_flag_of_a_plugin_is_an_operand():
    assert parse(["--fast", "venv"], [FAST]).operands == ("venv",)
    with pytest.raises(UsageError):
        parse(["--fast", "one", "two"], [FAST])


def test_other_commands_have_no_options_of_plugins():
    with pytest.raises(UsageError, match="--wheelhouse"):
        parse(["info", "venv", "--wheelhouse", "/w"])


def test_help_and_version_need_no_operand():
    assert parse(["--help"]).flag("help")
    assert parse(["info", "-h"]).command.name == "info"


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("hlep", "help"),
        ("Info", "info"),
        ("mvoe", "move"),
        ("urn", "run"),
        ("runn", "run"),
        ("upgrad", "upgrade"),
        ("upgraed", "upgrade"),
        ("activte", "activate"),
        ("plugin", "plugins"),
        ("chache", "cache"),
        ("conf", "config"),
        ("python", "pythons"),
        ("pythno", "pythons"),
        ("compltoin", "completion"),
    ],
)
def test_a_bare_word_that_is_close_to_a_command_creates_nothing(word, command):
    with pytest.raises(UsageError, match="unknown command") as caught:
        parse([word])
    assert caught.value.hint == f"did you mean `cloche {command}`?\n`./{word}` creates an environment of that name"


def test_a_command_without_two_of_its_letters_is_recognized():
    with pytest.raises(UsageError) as caught:
        parse(["pythn"])
    assert caught.value.hint.startswith("did you mean `cloche pythons`?")


def test_the_advice_about_words_of_other_tools_is_valid():
    for advice in (*WORDS_OF_OTHER_TOOLS.values(), *OPTIONS_OF_OTHER_TOOLS.values()):
        for command in re.findall(r"`cloche ([^`]*)`", advice):
            words = [word.strip("[]") for word in command.split()]
            assert parse_arguments(words).check() is None, command


@pytest.mark.parametrize("spelling", OPTIONS_OF_OTHER_TOOLS)
def test_no_option_of_cloche_gets_the_hint_about_other_tools(spelling: str) -> None:
    with pytest.raises(UsageError, match=f"unknown option `{spelling}`"):
        parse(["venv", spelling])


@pytest.mark.parametrize("word", [*WORDS_OF_OTHER_TOOLS, "List", "instal", "isntall", "remov", "Uninstal", "udpate"])
def test_a_command_of_another_tool_creates_nothing(word):
    with pytest.raises(UsageError, match="unknown command") as caught:
        parse([word])
    assert caught.value.hint.endswith(f"\n`./{word}` creates an environment of that name")


@pytest.mark.parametrize(
    "argv",
    [
        ["venv"],
        ["py313"],
        ["python3.13"],
        ["test"],
        ["dev"],
        ["docs"],
        ["core"],
        ["main"],
        ["x"],
        ["run1"],
        ["pythonenv"],
        ["dist"],
        ["lint"],
        ["tools"],
        ["venvs"],
        ["install2"],
        [".hlep"],
        ["./list"],
        ["list/"],
        ["create", "list"],
        ["--", "list"],
    ],
)
def test_other_names_and_paths_are_destinations(argv):
    assert parse(argv).operands == (argv[-1],)


def test_help_and_version_come_before_a_misread_command():
    for option in ("--help", "--version"):
        assert parse(["hlep", option]).command.name == "create"
