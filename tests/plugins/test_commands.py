"""Test that plugins can add commands (`cloche NAME`), which do not slow down other commands."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.cli.parser import is_bare_word
from cloche.plugins.entry_points import find_sources
from tests.plugins.site import Site, offering, statuses
from tests.plugins.test_loading import load
from tests.plugins.test_plugins_command import cloche, list_plugins

if TYPE_CHECKING:
    from pathlib import Path

WAVE = """
@cloche.hookimpl
def cloche_commands():
    return [cloche.Command("wave", "wave a hand", "THIS:main")]

def main(argv, host):
    print("waves", argv, type(host).__name__, "PATH" in host.environ)
    return 7
"""


def test_a_plugin_command_gets_the_arguments_after_its_name_and_returns_the_exit_code(site: Site) -> None:
    site.install("acme", wave=WAVE)

    ran = cloche("wave", "--fast", "-p", "x", "--", "more", "--help")

    assert ran.stdout == "waves ['--fast', '-p', 'x', '--', 'more', '--help'] Host True\n"
    assert ran.returncode == 7


def test_other_plugins_are_not_imported_for_a_plugin_command(site: Site, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    site.install("acme", wave=WAVE)
    site.install("zebra", other=f"open({str(mark)!r}, 'w').close()\n", broken="raise ValueError")

    ran = cloche("wave")

    assert (ran.returncode, ran.stderr) == (7, "")
    assert not mark.exists()


def test_a_word_that_is_not_the_name_of_a_plugin_imports_no_plugin(site: Site, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    site.install("zebra", other=f"open({str(mark)!r}, 'w').close()\n")

    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "from cloche.cli.dispatch import *; print(plugins_with_command(Invocation(['venv'], current_host(), 0.0)))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == "[]\n"
    assert not mark.exists()


def test_the_name_of_a_plugin_without_commands_is_a_directory(site: Site, tmp_path: Path) -> None:
    site.install("acme", wave=offering("activator", "wave"))

    ran = cloche("wave", "--dry-run", "--no-seed", HOME=str(tmp_path))

    assert ran.returncode == 0, ran.stderr
    assert "would be created" in ran.stdout


@pytest.mark.parametrize("word", [".venv", "./venv", "env/", "a/b", "a\\b", "", "-p", "--help", "~", "3"])
def test_a_path_or_option_is_not_a_plugin_command(word: str) -> None:
    assert not is_bare_word(word)


def test_a_bare_name_may_be_a_plugin_command() -> None:
    assert is_bare_word("venv")
    assert is_bare_word("virtualenv-shim")


def test_the_command_of_a_failed_or_blocked_plugin_is_not_a_directory(site: Site) -> None:
    site.install("acme", wave="raise ValueError('no hand')")

    failed = cloche("wave")
    blocked = [
        cloche("wave", **variables) for variables in ({"CLOCHE_NO_PLUGINS": "1"}, {"CLOCHE_DISABLE_PLUGINS": "acme"})
    ]

    assert failed.returncode == 6
    assert "plugin `wave` of acme 1.0, but it failed: ValueError: no hand" in failed.stderr
    assert "`./wave` creates an environment of that name" in failed.stderr
    assert [ran.returncode for ran in blocked] == [6, 6]
    assert all("it is left out" in ran.stderr for ran in blocked)


def test_an_exception_of_a_command_is_reported_with_its_plugin(site: Site) -> None:
    site.install("acme", wave=WAVE.replace("return 7", "raise RuntimeError('sprained')"))

    ran = cloche("wave")
    traced = cloche("wave", CLOCHE_TRACEBACK="1")

    assert ran.returncode == 6
    assert "cloche: error: command `wave` of plugin `wave` of acme 1.0 failed: RuntimeError: sprained" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "in main" in traced.stderr


@pytest.mark.parametrize(
    ("raises", "code", "message"),
    [
        ("BaseException('of compiled code')", 6, "cloche: error: command `wave` of plugin `wave` of acme 1.0 failed"),
        ("KeyboardInterrupt", 130, "cloche: interrupted"),
        ("SystemExit(3)", 3, ""),
    ],
)
def test_a_command_may_exit_or_be_interrupted_but_not_raise(site: Site, raises: str, code: int, message: str) -> None:
    site.install("acme", wave=WAVE.replace("    return 7", f"    raise {raises}"))

    ran = cloche("wave")

    assert ran.returncode == code
    assert ran.stderr.startswith(message)
    assert "Traceback" not in ran.stderr


def test_a_command_that_does_not_return_an_exit_code_is_reported(site: Site) -> None:
    site.install("acme", wave=WAVE.replace("return 7", "return 'seven'"))

    ran = cloche("wave")

    assert ran.returncode == 6
    assert (
        "command `wave` of plugin `wave` of acme 1.0 failed: it returned 'seven' instead of an exit code" in ran.stderr
    )


def test_a_cloche_error_of_a_command_keeps_its_exit_code(site: Site) -> None:
    site.install("acme", wave=WAVE.replace("return 7", "raise cloche.DestinationError('no sea', hint='go there')"))

    ran = cloche("wave")

    assert ran.returncode == 4
    assert ran.stderr == "cloche: error: no sea\nhint: go there\n"


def test_a_command_whose_function_does_not_exist_is_reported(site: Site) -> None:
    site.install("acme", wave=WAVE.replace("THIS:main", "THIS:gone"))

    ran = cloche("wave")

    assert ran.returncode == 6
    assert "command `wave` of plugin `wave` of acme 1.0 cannot be loaded: AttributeError" in ran.stderr


def test_the_first_of_two_plugins_with_the_same_command_is_used_with_a_warning(site: Site) -> None:
    site.install("acme", wave=WAVE)
    site.install("zebra", wave=WAVE)

    ran = cloche("wave")

    assert ran.returncode == 7
    assert "warning: two plugins offer the command `wave`: `wave` of acme 1.0 is used" in ran.stderr
    assert "`--no-plugin zebra`" in ran.stderr


def test_a_conflict_about_another_command_is_not_reported(site: Site) -> None:
    other = 'return [cloche.Command("wave", "wave a hand", "THIS:main"), '
    for name in ("acme", "zebra"):
        more = other + f'cloche.Command("{name}-nods", "nod", "THIS:main"), cloche.Command("nod", "nod", "THIS:main")]'
        mine = more.replace('"wave"', '"wave"' if name == "acme" else '"wink"')
        site.install(name, hands=WAVE.replace('return [cloche.Command("wave", "wave a hand", "THIS:main")]', mine))

    assert cloche("wave").stderr == ""
    assert "two plugins offer the command `nod`" in cloche("nod").stderr


def test_a_command_is_found_if_its_entry_point_has_another_name(site: Site) -> None:
    site.install("acme", hands=WAVE)

    assert statuses(load(site)) == {"hands": "loaded"}
    assert cloche("wave", "hello").returncode == cloche("wave").returncode == 7


def test_a_command_is_found_if_another_plugin_has_its_name(site: Site) -> None:
    site.install("acme", greet=offering("activator", "greet"))
    site.install("zebra", other=WAVE.replace('"wave"', '"greet"'))

    assert cloche("greet", "you").returncode == 7


def test_a_search_for_a_command_does_not_import_plugins_without_commands(site: Site) -> None:
    site.install("acme", other="raise SystemExit('imported')")

    ran = cloche("wave", "--dry-run")

    assert ran.returncode == 0
    assert "would be created" in ran.stdout


def test_one_module_may_offer_several_commands(site: Site) -> None:
    module = site.module(
        """
        @cloche.hookimpl
        def cloche_commands():
            return [cloche.Command(name, "move a hand", "THIS:" + name) for name in ("wave", "clap")]
        def wave(argv, host): return 8
        def clap(argv, host): return 9
        """
    )
    site.metadata("acme", "1.0", {"wave": module, "clap": module})

    assert statuses(load(site)) == {"wave": "loaded", "clap": "loaded"}
    assert [cloche("wave").returncode, cloche("clap").returncode] == [8, 9]
    assert {
        name
        for name, plugin in list_plugins().items()
        for component in plugin["provides"]
        if component["kind"] == "command"
    } == {
        "wave",
        "clap",
    }


def test_a_plugin_command_after_an_option_is_not_a_directory(site: Site, tmp_path: Path) -> None:
    site.install("acme", wave=WAVE)
    site.install("zebra", other="raise SystemExit('imported')")

    refused = [
        cloche(*argv, HOME=str(tmp_path)) for argv in (["-q", "wave"], ["-p", "3.12", "wave"], ["--json", "wave"])
    ]
    allowed = [cloche(*argv).returncode for argv in (["--no-plugin", "zebra", "wave"], ["--traceback", "wave"])]

    assert [ran.returncode for ran in refused] == [2, 2, 2]
    assert "options of command `wave` of plugin `wave` of acme 1.0 must follow its name" in refused[0].stderr
    assert "hint: `cloche wave -p 3.12`, or `./wave` for the directory" in refused[1].stderr
    assert allowed == [7, 7]
    assert cloche("--no-plugin", "acme", "wave").returncode == 6


BLOCKING = [
    (["--no-plugins"], {}),
    (["--no-plugin", "hands"], {}),
    (["--no-plugin=acme"], {}),
    ([], {"CLOCHE_DISABLE_PLUGINS": "acme"}),
    ([], {"CLOCHE_NO_PLUGINS": "yes"}),
    ([], {"CLOCHE_NO_PLUGIN": "hands"}),
]


@pytest.mark.parametrize(("words", "variables"), BLOCKING)
@pytest.mark.parametrize("command", ["./env --dry-run", "env --dry-run --opton", "--help", "config", "plugins"])
def test_a_blocked_plugin_is_not_imported_to_parse_the_command_line(
    site: Site, tmp_path: Path, command: str, words: list[str], variables: dict[str, str]
) -> None:
    mark = tmp_path / "imported"
    site.install("acme", hands=f"open({str(mark)!r}, 'w').close()  # an option\n{WAVE}")

    ran = cloche(*command.split(), *words, **variables)

    assert ran.returncode == (2 if "opton" in command else 0)
    assert not mark.exists()


def test_a_plugin_that_a_config_file_blocks_is_not_imported_to_parse_the_command_line(
    site: Site, tmp_path: Path
) -> None:
    mark = tmp_path / "imported"
    site.install("acme", hands=f"open({str(mark)!r}, 'w').close()  # an option\n{WAVE}")
    (tmp_path / "config.toml").write_text('no-plugin = ["hands"]\n')

    ran = cloche("--help", CLOCHE_CONFIG_FILE=str(tmp_path / "config.toml"))

    assert ran.returncode == 0
    assert not mark.exists()


def test_after_create_the_name_of_a_plugin_command_is_a_directory(site: Site) -> None:
    site.install("acme", wave=WAVE)

    assert "would be created" in cloche("--dry-run", "create", "wave").stdout
    assert "would be created" in cloche("--dry-run", "--", "wave").stdout


def test_help_lists_plugin_commands_with_their_distributions(site: Site) -> None:
    site.install("acme", hands=WAVE, plugins=WAVE.replace('"wave"', '"plugins"'))
    site.install("zebra", broken="raise ValueError  # cloche_commands", other="raise SystemExit('imported')")

    shown = cloche("--help").stdout.splitlines()

    assert "  wave        wave a hand (acme)" in shown
    assert "  plugins     never run (acme): cloche has a command of this name" in shown
    assert "wave" not in cloche("--help", "--no-plugins").stdout
    assert "wave" not in cloche("info", "--help").stdout


def test_a_plugin_cannot_replace_a_built_in_command(site: Site) -> None:
    site.install("acme", plugins=WAVE.replace('"wave"', '"plugins"'))

    found = list_plugins()["plugins"]

    assert found["status"] == "failed"
    assert found["reason"] == "`plugins` is a command of cloche itself"


def test_the_name_of_an_entry_point_may_have_capitals(site: Site) -> None:
    site.metadata("acme", "1.0", {"Wave": site.module(WAVE)})

    assert [source.name for source in find_sources([str(site.directory)])] == ["Wave"]
