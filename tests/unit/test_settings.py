"""Test the four sources of settings, in the order of their precedence, and errors and warnings about their content."""

from __future__ import annotations

import os
import re
import sys

import pytest

from cloche.cli.commands import COMMANDS
from cloche.cli.create import build_request
from cloche.cli.parser import parse_arguments
from cloche.cli.precedence import resolve_settings
from cloche.cli.setting_values import split_values
from cloche.cli.settings import read_sources
from cloche.errors import UsageError
from cloche.model.interpreter import Host
from cloche.model.options import Option
from cloche.model.plan import Wanted


@pytest.fixture
def resolve(tmp_path):
    """Return a function that resolves the settings of given sources, and returns them and the request."""
    project = tmp_path / "project"
    project.mkdir()

    def resolve_all(argv=(), environ=(), pyproject=None, user=None):
        config = tmp_path / "user.toml"
        if pyproject is not None:
            (project / "pyproject.toml").write_text(pyproject)
        config.write_text(user or "")
        variables = {"CLOCHE_CONFIG_FILE": str(config), **dict(environ)}
        host = Host(variables, str(project), "linux", "posix", "/usr/bin/python3")
        arguments = parse_arguments([*argv, "venv"])
        settings = resolve_settings(arguments, read_sources(host))
        settings.check()
        return settings, build_request("env", settings, host)

    return resolve_all


def test_the_command_line_overrides_variables_which_override_project_and_user_config(resolve):
    sources = {
        "argv": ["--prompt", "argv"],
        "environ": {"CLOCHE_PROMPT": "variable"},
        "pyproject": '[tool.cloche]\nprompt = "project"\n',
        "user": 'prompt = "user"\n',
    }
    origins = {"argv": "command line", "environ": "CLOCHE_PROMPT", "pyproject": "pyproject.toml", "user": "user.toml"}
    for strongest, prompt in (("argv", "argv"), ("environ", "variable"), ("pyproject", "project"), ("user", "user")):
        settings, request = resolve(**sources)
        assert request.target.prompt == prompt
        assert origins[strongest] in settings.chosen["prompt"].origin
        sources[strongest] = "" if strongest == "pyproject" else ()


def test_a_list_on_the_command_line_replaces_the_configured_one(resolve):
    _, request = resolve(["-p", "3.12"], {"CLOCHE_PYTHON": "3.9"}, '[tool.cloche]\npython = ["3.8"]\n')
    assert request.spec.pythons == ("3.12",)


def test_a_flag_overrides_its_opposite_in_weaker_sources(resolve):
    _, request = resolve(["--download"], {"CLOCHE_NO_DOWNLOAD": "1"})
    assert request.spec.wanted.network == "newest"


def test_a_flag_of_a_plugin_overrides_the_option_that_it_contradicts(tmp_path):
    options = (Option("color", "print in color", "flag"), Option("no-color", "do not", "flag", negation="color"))
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.cloche]\ncolor = true\n")
    variables = {"CLOCHE_NO_COLOR": "1", "CLOCHE_CONFIG_FILE": os.devnull}
    sources = read_sources(Host(variables, str(tmp_path), "linux", "posix", "/usr/bin/python3"))
    settings = resolve_settings(parse_arguments(["venv"]), sources, options)
    assert (settings.flag("color"), settings.flag("no-color")) == (False, True)


def test_another_spelling_in_a_weaker_source_does_not_override_a_stronger_one(resolve):
    _, request = resolve(["--find-links", "/near"], {"CLOCHE_EXTRA_SEARCH_DIR": "/far"})
    assert request.spec.wanted.find_links == ("/near",)
    _, request = resolve(["--creator", "venv"], {"CLOCHE_COPIES": "1"})
    assert request.spec.creator == "venv"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_reads_common_options_in_the_spelling_of_virtualenv(command, tmp_path):
    variables = {"CLOCHE_APP_DATA": "/cache", "CLOCHE_WITH_TRACEBACK": "1", "CLOCHE_CONFIG_FILE": os.devnull}
    sources = read_sources(Host(variables, str(tmp_path), "linux", "posix", "/usr/bin/python3"))
    settings = resolve_settings(parse_arguments([command]), sources)
    assert (settings.last("cache-dir"), settings.flag("traceback"), settings.warnings) == ("/cache", True, ())


def test_an_empty_variable_is_ignored(resolve):
    _, request = resolve(environ={"CLOCHE_PROMPT": ""}, pyproject='[tool.cloche]\nprompt = "project"\n')
    assert request.target.prompt == "project"


def test_download_and_no_download_contradict_each_other(resolve):
    with pytest.raises(UsageError, match="contradict"):
        resolve(["--download", "--no-download"])


@pytest.mark.parametrize(
    ("text", "expected"), [("1", "replace"), ("True", "replace"), ("on", "replace"), ("False", "keep"), ("", "keep")]
)
def test_flags_in_variables_are_boolean_words(resolve, text, expected):
    _, request = resolve(environ={"CLOCHE_CLEAR": text})
    assert request.target.existing == expected


def test_the_error_for_an_invalid_flag_names_the_variable(resolve):
    with pytest.raises(UsageError, match="CLOCHE_CLEAR"):
        resolve(environ={"CLOCHE_CLEAR": "perhaps"})


def test_unknown_names_are_warnings_with_the_closest_known_name(resolve):
    settings, _ = resolve(environ={"CLOCHE_CLEARR": "1"}, pyproject='[tool.cloche]\npromt = "x"\n', user="color = 3\n")
    warned = "\n".join(settings.warnings)
    assert "CLOCHE_CLEARR" in warned
    assert "`CLOCHE_CLEAR`" in warned
    assert "`promt`" in warned
    assert "`prompt`" in warned
    assert "`color`" in warned


def test_options_that_work_only_on_the_command_line_are_warnings(resolve):
    settings, _ = resolve(environ={"CLOCHE_QUIET": "1"}, pyproject="[tool.cloche]\ndry-run = true\n")
    assert [text.partition(" has no effect: ")[2] for text in settings.warnings] == [
        "`--quiet` works only on the command line",
        "`--dry-run` works only on the command line",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[tool.cloche\nprompt = 3", r".+ \(at line 1, column 13\)"),
        (b"[tool.cloche]\nprompt = 'x'\n\nprompt 3", r".+ \(at line 4, column 8\)"),
        (b"[tool.cloche]\nprompt = '\xff'", r"it is not UTF-8 \(at line 2\)"),
        (b"[tool.cloche]\nprompt = " + b"[" * 100_000, "it is nested too deeply"),
        (b"#" * (1 << 22) + b"\n[tool.cloche]", "it is larger than 4 MiB"),
    ],
)
def test_an_invalid_file_is_ignored_with_a_warning_that_has_the_position(resolve, tmp_path, content, reason):
    path = tmp_path / "project" / "pyproject.toml"
    path.write_bytes(content)
    settings, request = resolve()
    assert len(settings.warnings) == 1
    assert re.fullmatch(f"`{re.escape(str(path))}` is ignored: {reason}", settings.warnings[0])
    assert request.target.prompt is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a file that not even root can read")
def test_an_unreadable_file_is_ignored_with_a_warning(resolve):
    settings, _ = resolve(environ={"CLOCHE_CONFIG_FILE": "/proc/self/mem"})
    assert settings.warnings == ("`/proc/self/mem` is ignored: input/output error",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_is_ignored_with_a_warning_and_does_not_block(resolve, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    settings, _ = resolve(environ={"CLOCHE_CONFIG_FILE": str(tmp_path / "fifo")})
    assert settings.warnings == (f"`{tmp_path / 'fifo'}` is ignored: it is not a regular file",)


def test_a_missing_config_file_is_not_a_warning(resolve, tmp_path):
    settings, _ = resolve(environ={"CLOCHE_CONFIG_FILE": "", "XDG_CONFIG_HOME": str(tmp_path / "none")})
    assert settings.warnings == ()


@pytest.mark.parametrize("content", ["[[tool.cloche]]\nprompt = 'x'\n", "[tool]\ncloche = 3\n"])
def test_settings_that_are_not_a_table_are_a_warning(resolve, content):
    settings, request = resolve(pyproject=content)
    assert [text.partition(" in ")[0] for text in settings.warnings] == ["`tool.cloche`"]
    assert request.target.prompt is None


def test_a_missing_config_file_is_a_warning_if_the_variable_names_it(resolve, tmp_path):
    for path in (tmp_path / "nowhere.toml", tmp_path):
        settings, _ = resolve(environ={"CLOCHE_CONFIG_FILE": str(path)})
        assert settings.warnings == (f"`CLOCHE_CONFIG_FILE` is set to `{path}`, which is not a file",)
    assert resolve(environ={"CLOCHE_CONFIG_FILE": os.devnull})[0].warnings == ()


def test_an_invalid_pyproject_without_settings_for_cloche_is_ignored(resolve):
    assert resolve(pyproject="[tool.other\nprompt = 3")[0].warnings == ()


def test_a_byte_order_mark_is_ignored(resolve):
    assert resolve(pyproject='\ufeff[tool.cloche]\nprompt = "project"\n')[1].target.prompt == "project"


@pytest.mark.parametrize("wrong", ["[1, 2]", '["a"]', "true", "1.5", "{a = 1}"])
def test_the_error_for_a_wrong_type_names_the_file(resolve, wrong):
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        resolve(pyproject=f"[tool.cloche]\nprompt = {wrong}\n")


def test_the_error_for_an_invalid_choice_names_its_source(resolve):
    with pytest.raises(UsageError, match="CLOCHE_LINK_MODE") as refused:
        resolve(environ={"CLOCHE_LINK_MODE": "teleport"})
    assert "hardlink" in refused.value.hint


@pytest.mark.parametrize("setting", ["find-links = ['']", "try-first-with = [' ']", "cache-dir = ''"])
def test_a_blank_path_is_an_error(resolve, setting):
    with pytest.raises(UsageError, match="must not be blank"):
        resolve(pyproject=f"[tool.cloche]\n{setting}\n")
    assert resolve(environ={"CLOCHE_FIND_LINKS": "", "CLOCHE_CACHE_DIR": ""}, pyproject="")[0].chosen == {}


def test_a_version_without_quotes_is_an_error(resolve):
    """TOML reads 3.10 as the number 3.1. An integer is unambiguous."""
    with pytest.raises(UsageError, match=r"invalid value `3\.1` for `python` in .*pyproject\.toml") as refused:
        resolve(pyproject="[tool.cloche]\npython = 3.10\n")
    assert "3.10 is 3.1" in refused.value.hint
    assert resolve(pyproject="[tool.cloche]\npython = 3\n")[1].spec.pythons == ("3",)


def test_replacements_are_read_from_the_config(resolve):
    settings, _ = resolve(user='replace = ["bash=acme"]\n')
    assert settings.replacements == {"bash": "acme"}
    with pytest.raises(UsageError, match="BUILT-IN=NAME"):
        resolve(user="replace = 3\n")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("3.12,3.11", ("3.12", "3.11")),
        (">=3.10,<3.13", (">=3.10,<3.13",)),
        ("3.9,>=3.10,!=3.11,~=3.12,==3.12.*", ("3.9,>=3.10,!=3.11,~=3.12,==3.12.*",)),
        ("3.9\n>=3.10,<3.12", ("3.9", ">=3.10,<3.12")),
        (" , ", ()),
    ],
)
def test_a_comma_before_an_operator_does_not_separate_values(text, parts):
    assert split_values(text, Option("python", "", "list", "SPEC")) == parts


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        ([], Wanted(("pip",))),
        (["--pip", "24.0"], Wanted(("pip==24.0",))),
        (["--pip=embed", "--setuptools", "bundle"], Wanted(("pip", "setuptools"))),
        (["--no-pip", "--seed", "wheel"], Wanted(("wheel",))),
        (["--seed", "six==1.16.0", "--seed", "pip"], Wanted(("pip", "six==1.16.0"))),
        (["--no-seed"], None),
        (["--no-pip", "--no-setuptools", "--no-wheel"], None),
        (["--never-download"], Wanted(("pip",), (), "never")),
    ],
)
def test_seeds_can_be_requested_with_several_options(resolve, argv, wanted):
    assert resolve(argv)[1].spec.wanted == wanted


@pytest.mark.parametrize(
    ("text", "names"),
    [("bash,fish", ("bash", "fish")), ("", ()), ("none", ()), ("all", None), (" bash , csh", ("bash", "csh"))],
)
def test_activators_are_a_list_of_names_or_all_or_none(resolve, text, names):
    assert resolve(["--activators", text])[1].spec.activators == names


def test_force_needs_clear(resolve):
    with pytest.raises(UsageError, match="--clear"):
        resolve(["--force"])
    assert resolve(["--clear", "--force"])[1].target.existing == "replace-anything"
