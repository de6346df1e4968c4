"""Test the parser of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
    assert parse(["env"]).command.name == "create"
    assert parse(["create", "env"]).operands == ("env",)


def test_a_path_is_never_a_command():
    assert parse(["./info"]).operands == ("./info",)
    assert parse(["info", "info"]).operands == ("info",)


@pytest.mark.parametrize(
    "argv",
    [
        ["-p", "3.12", "env"],
        ["-p3.12", "env"],
        ["-p=3.12", "env"],
        ["--python", "3.12", "env"],
        ["--python=3.12", "env"],
        ["env", "-p", "3.12"],
    ],
)
def test_values_may_be_attached_and_options_may_follow_operands(argv):
    arguments = parse(argv)
    assert arguments.given["python"] == ("3.12",)
    assert arguments.operands == ("env",)


def test_repeated_options_keep_their_order():
    assert parse(["-p", "3.12", "env", "-p", ">=3.9,<3.11"]).given["python"] == ("3.12", ">=3.9,<3.11")


def test_short_flags_can_be_combined_and_counted():
    arguments = parse(["-vvq", "env"])
    assert (arguments.count("verbose"), arguments.count("quiet")) == (2, 1)


def test_an_empty_value_is_a_value():
    assert parse(["env", "--activators="]).given["activators"] == ("",)
    assert parse(["env", "--activators", ""]).given["activators"] == ("",)


def test_after_two_dashes_everything_is_an_operand():
    assert parse(["--", "-env"]).operands == ("-env",)


def test_a_dash_alone_is_an_operand():
    assert parse(["-"]).operands == ("-",)


@pytest.mark.parametrize(
    ("argv", "number"),
    [
        (["env", "-v"], 0),
        (["-p", "3.12", "env"], 2),
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
    assert parse_arguments(argv).first == number


def test_options_before_the_first_operand_are_stored_separately():
    arguments = parse_arguments(["--no-plugin", "acme", "freeze", "--no-plugin", "zebra", "-q"])
    assert arguments.leading == {"no-plugin": ("acme",)}
    assert arguments.given == {"no-plugin": ("acme", "zebra"), "quiet": ("true",)}


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["env", "--cleer"], "unknown option `--cleer`", "--clear"),
        (["env", "-x"], "unknown option `-x`", "--help"),
        (["env", "--try-first-with", ""], "`--try-first-with` needs a value", "--try-first-with EXE"),
        (["env", "--app-data= "], "`--app-data` needs a value", "--app-data DIR"),
        (["env", "-p"], "`-p` needs a value", "SPEC"),
        (["env", "--clear=yes"], "takes no value", "--clear"),
        (["env", "--link-mode", "teleport"], "invalid value `teleport` for `--link-mode`", "hardlink"),
        ([], "missing argument DEST", "`cloche DEST`"),
        (["a", "b"], "unexpected argument `b`: only one DEST is allowed", "--help"),
        (["docter", "env"], "unexpected argument `env`", "did you mean `cloche doctor`?"),
        (["upgarde", "env", "-p", "3.13"], "unexpected argument `env`", "did you mean `cloche upgrade`?"),
        (["move", "doctr", "b", "c"], "unexpected argument `c`: only ENV and DEST are allowed", "`cloche move --help`"),
        (["plugins", "a"], "unexpected argument `a`: none is allowed", "--help"),
        (["env", "info"], "unexpected argument `info`", "--help"),
        (["info"], "missing argument ENV", "`cloche info ENV`"),
        (["move", "env"], "missing argument DEST", "`cloche move ENV DEST`"),
        (["cache", "dir", "size"], "unexpected argument `size`: only one argument is allowed", "--help"),
        (["pythons", "3", "4"], "unexpected argument `4`: only one SPEC is allowed", "--help"),
        (["cache", "empty"], "unknown argument `empty`", "prune"),
    ],
)
def test_invalid_command_lines_are_errors_with_a_useful_hint(argv, message, hint):
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_option_before_a_command_must_belong_to_that_command():
    assert parse(["--json", "info", "env"]).flag("json")
    with pytest.raises(UsageError, match="--clear"):
        parse(["--clear", "info", "env"])


def test_aliases_set_the_option_that_they_replace():
    assert parse(["env", "--copies"]).given == {"creator": ("copy",)}
    assert parse(["env", "--extra-search-dir", "w"]).given == {"find-links": ("w",)}
    assert parse(["env", "--without-pip"]).given == {"no-seed": ("true",)}


WHEELHOUSE = Option("wheelhouse", "where wheels are", "list", short="w")
FAST = Option("fast", "hurry", "flag", short="f")


@pytest.mark.parametrize(
    "argv",
    [
        ["env", "--wheelhouse", "/w"],
        ["--wheelhouse", "/w", "env"],
        ["--wheelhouse=/w", "env"],
        ["-w", "/w", "env"],
        ["-w/w", "env"],
        ["--wheelhouse", "/w", "create", "env"],
        ["--wheelhouse", "/w", "--", "env"],
    ],
)
def test_an_unknown_option_is_accepted_when_a_plugin_declares_it(argv):
    arguments = parse(argv, [WHEELHOUSE])
    assert arguments.given == {"wheelhouse": ("/w",)}
    assert arguments.operands == ("env",)
    with pytest.raises(UsageError, match=argv[0][:2] if argv[0] != "env" else "--wheelhouse"):
        parse(argv)


def test_options_of_plugins_keep_their_order_and_combine_with_those_of_cloche():
    arguments = parse(["-w", "/a", "-vfq", "env", "--wheelhouse", "/b", "-fw", "/c"], [WHEELHOUSE, FAST])
    assert arguments.given["wheelhouse"] == ("/a", "/b", "/c")
    assert (arguments.count("fast"), arguments.count("verbose"), arguments.count("quiet")) == (2, 1, 1)
    assert arguments.operands == ("env",)


@pytest.mark.parametrize("argv", [["env", "--wheelhouse"], ["env", "--wheelhouse", "--json"], ["env", "-w", "--"]])
def test_an_option_of_a_plugin_needs_its_value(argv):
    with pytest.raises(UsageError, match="needs a value"):
        parse(argv, [WHEELHOUSE])


def test_the_word_after_a_flag_of_a_plugin_is_an_operand():
    assert parse(["--fast", "env"], [FAST]).operands == ("env",)
    with pytest.raises(UsageError):
        parse(["--fast", "one", "two"], [FAST])


def test_other_commands_have_no_options_of_plugins():
    with pytest.raises(UsageError, match="--wheelhouse"):
        parse(["info", "env", "--wheelhouse", "/w"])


def test_help_and_version_need_no_operand():
    assert parse(["--help"]).flag("help")
    assert parse(["info", "-h"]).command.name == "info"
