"""`cloche plugins` shows what is loaded, from where, what it gives, and why the others are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.site import Site, giving

if TYPE_CHECKING:
    from pathlib import Path


def cloche(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run cloche where no configuration of this machine can be found, and nothing that it may make is left."""
    names = ("PYTHONPATH", "PATH", "SYSTEMROOT")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    home = {"CLOCHE_CONFIG_FILE": os.devnull, "COLUMNS": "80"}
    with tempfile.TemporaryDirectory() as nowhere:
        return subprocess.run(
            [sys.executable, "-m", "cloche", *words],
            env={**kept, **home, **variables},
            cwd=nowhere,
            capture_output=True,
            text=True,
            check=False,
        )


def listed(*words: str, **variables: str) -> dict[str, dict[str, Any]]:
    """Return what the command says of each plugin, by name."""
    ran = cloche("plugins", "--json", *words, **variables)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["schema_version"] == 1
    assert answer["api_version"] == 1
    return {one["name"]: one for one in answer["plugins"]}


def test_the_box_is_listed_with_everything_in_it() -> None:
    box = listed()["builtin"]

    assert (box["distribution"], box["status"]) == ("cloche", "loaded")
    assert box["version"]
    given = {(one["kind"], one["name"]) for one in box["provides"]}
    assert given >= {("creator", "symlink"), ("seeder", "pip"), ("activator", "bash"), ("finder", "path")}
    assert all(one["summary"] for one in box["provides"])


def test_a_plugin_is_listed_with_distribution_version_hooks_and_what_it_gives(site: Site) -> None:
    more = "\n@cloche.hookimpl\ndef cloche_created(result): pass\n"
    site.install("acme-shells", "2.5", mine=giving("activator", "acme") + more)

    mine = listed()["mine"]

    assert (mine["distribution"], mine["version"], mine["status"]) == ("acme-shells", "2.5", "loaded")
    assert mine["hooks"] == ["cloche_activators", "cloche_created"]
    assert [(one["kind"], one["name"]) for one in mine["provides"]] == [("activator", "acme")]


def test_a_blocked_plugin_is_listed_and_was_not_imported(site: Site, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    site.install("acme", mine=f"open({str(mark)!r}, 'w').close()\n")

    for found in (
        listed("--no-plugin", "mine"),
        listed("--no-plugin=acme"),
        listed("--no-plugins"),
        listed(CLOCHE_DISABLE_PLUGINS="mine"),
        listed(CLOCHE_DISABLE_PLUGINS="*"),
        listed(CLOCHE_NO_PLUGIN="acme"),
        listed(CLOCHE_NO_PLUGINS="1"),
    ):
        assert (found["mine"]["status"], found["mine"]["reason"]) == ("blocked", "left out with `--no-plugin`")
        assert found["builtin"]["status"] == "loaded"
    assert not mark.exists()


def test_a_failed_plugin_is_listed_with_the_cause(site: Site) -> None:
    site.install("acme", broken="import no_such_module_anywhere")

    found = listed()["broken"]

    assert found["status"] == "failed"
    assert found["reason"] == "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
    assert found["provides"] == []


@pytest.mark.parametrize("words", ["plugins --traceback", "env --activators broken --traceback", "broken --traceback"])
def test_where_a_plugin_fails_that_cannot_be_loaded_is_shown_to_who_asks(site: Site, words: str) -> None:
    text = "# cloche_commands\n@cloche.hookimpl\ndef cloche_activators():\n    return [cloche.Activator]"
    site.install("acme", broken=text)

    ran = cloche(*words.split())

    assert "line 5, in cloche_activators\n    return [cloche.Activator]" in ran.stderr
    assert "AttributeError: module `cloche` has no attribute `Activator`" in ran.stderr


def test_a_second_installation_is_listed_as_shadowed(site: Site, tmp_path: Path) -> None:
    site.install("acme", "2.0", new=giving("activator", "new"))
    second = Site(tmp_path / "second")
    second.install("acme", "1.0", old=giving("activator", "old"))

    found = listed(PYTHONPATH=os.pathsep.join([str(site.directory), str(second.directory)]))

    assert found["new"]["status"] == "loaded"
    assert found["old"]["status"] == "shadowed"
    assert str(site.directory) in found["old"]["reason"]


def test_a_conflict_is_listed_and_stops_no_command(site: Site, tmp_path: Path) -> None:
    site.install("acme", mine=giving("activator", "fancy"))
    site.install("zebra", yours=giving("activator", "fancy"))

    shown = cloche("plugins")
    created = cloche("create", str(tmp_path / "env"), "--no-seed")

    assert "fancy (left out, `mine` of acme 1.0 offers it too)" in " ".join(shown.stdout.split())
    assert created.returncode == 0
    for ran in (shown, created):
        assert ran.stderr == (
            "cloche: warning: two plugins offer the activator `fancy`: `mine` of acme 1.0 is used, `yours` of zebra 1.0 is "
            "left out; uninstall one of them, or leave one out with `--no-plugin yours`\n"
        )


def test_what_a_plugin_replaced_by_consent_is_shown_beside_it(site: Site, tmp_path: Path) -> None:
    site.install("acme", mine=giving("activator", "better", more="replaces = 'bash'"))
    config = tmp_path / "config.toml"
    config.write_text('replace = ["bash=better"]\n')

    def bash(**variables: str) -> str:
        given = listed(**variables)["builtin"]["provides"]
        return next(str(one["replaced_by"]) for one in given if one["name"] == "bash")

    assert bash() == ""
    assert bash(CLOCHE_CONFIG_FILE=str(config)) == "better"
    assert "bash (replaced by better)" in cloche("plugins", CLOCHE_CONFIG_FILE=str(config)).stdout


def test_the_table_fits_the_terminal_and_keeps_reasons_whole(site: Site) -> None:
    site.install("acme-shells", "2.5", mine=giving("activator", *(f"shell-{number}" for number in range(30))))
    site.install(
        "acme-broken", broken="raise ValueError('a reason that is long enough to need more than one line of it')"
    )

    ran = cloche("plugins", COLUMNS="70")

    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["plugin", "distribution", "status", "offers"]
    assert max(len(line) for line in lines) <= 70
    assert "a reason that is long enough to need more than one line of it" in " ".join(ran.stdout.split())
    assert ran.stderr == ""


def test_the_table_shows_what_cannot_be_printed_harmlessly(site: Site) -> None:
    site.install("acme", broken="raise ValueError('\\x1b[31mred\\x1b[0m')")

    ran = cloche("plugins")

    assert "\x1b" not in ran.stdout
    assert "\\x1b[31mred" in ran.stdout


def test_names_that_no_plugin_has_are_told_on_standard_error(site: Site) -> None:
    site.install("acme", nushell=giving("activator", "nu"))

    ran = cloche("plugins", "--no-plugin", "nushel", "--json")

    assert json.loads(ran.stdout)
    assert ran.stderr == (
        "cloche: warning: unknown plugin `nushel`; nothing was left out for it; did you mean `nushell`?\n"
    )


@pytest.mark.parametrize("words", [("plugins", "more"), ("plugins", "--nonsense")])
def test_what_the_command_does_not_take_is_refused(words: tuple[str, ...]) -> None:
    assert cloche(*words).returncode == 2
