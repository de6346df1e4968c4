"""Test that `cloche plugins` lists all plugins with their distribution, status and components."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.site import Site, offering

if TYPE_CHECKING:
    from pathlib import Path


def cloche(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run cloche in a temporary directory, without the configuration of this machine."""
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


def list_plugins(*words: str, **variables: str) -> dict[str, dict[str, Any]]:
    """Return the output of the command about each plugin, by name."""
    ran = cloche("plugins", "--json", *words, **variables)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["schema_version"] == 1
    assert answer["api_version"] == 1
    return {plugin["name"]: plugin for plugin in answer["plugins"]}


def test_the_built_in_plugin_is_listed_with_its_components() -> None:
    builtin = list_plugins()["builtin"]

    assert (builtin["distribution"], builtin["status"]) == ("cloche", "loaded")
    assert builtin["version"]
    components = {(component["kind"], component["name"]) for component in builtin["provides"]}
    assert components >= {("creator", "symlink"), ("seeder", "pip"), ("activator", "bash"), ("finder", "path")}
    assert all(component["summary"] for component in builtin["provides"])


def test_a_plugin_is_listed_with_distribution_version_hooks_and_components(site: Site) -> None:
    more = "\n@cloche.hookimpl\ndef cloche_created(result): pass\n"
    site.install("acme-shells", "2.5", mine=offering("activator", "acme") + more)

    mine = list_plugins()["mine"]

    assert (mine["distribution"], mine["version"], mine["status"]) == ("acme-shells", "2.5", "loaded")
    assert mine["hooks"] == ["cloche_activators", "cloche_created"]
    assert [(component["kind"], component["name"]) for component in mine["provides"]] == [("activator", "acme")]


def test_a_blocked_plugin_is_listed_but_not_imported(site: Site, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    site.install("acme", mine=f"open({str(mark)!r}, 'w').close()\n")

    for found in (
        list_plugins("--no-plugin", "mine"),
        list_plugins("--no-plugin=acme"),
        list_plugins("--no-plugins"),
        list_plugins(CLOCHE_DISABLE_PLUGINS="mine"),
        list_plugins(CLOCHE_DISABLE_PLUGINS="*"),
        list_plugins(CLOCHE_NO_PLUGIN="acme"),
        list_plugins(CLOCHE_NO_PLUGINS="1"),
    ):
        assert (found["mine"]["status"], found["mine"]["reason"]) == ("blocked", "left out with `--no-plugin`")
        assert found["builtin"]["status"] == "loaded"
    assert not mark.exists()


def test_a_failed_plugin_is_listed_with_the_cause(site: Site) -> None:
    site.install("acme", broken="import no_such_module_anywhere")

    found = list_plugins()["broken"]

    assert found["status"] == "failed"
    assert found["reason"] == "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
    assert found["provides"] == []


@pytest.mark.parametrize(
    "words", ["plugins --traceback", "./env --activators broken --traceback", "broken --traceback"]
)
def test_traceback_shows_where_a_broken_plugin_failed(site: Site, words: str) -> None:
    text = "# cloche_commands\n@cloche.hookimpl\ndef cloche_activators():\n    return [cloche.Actor]"
    site.install("acme", broken=text)

    ran = cloche(*words.split())

    assert "line 5, in cloche_activators\n    return [cloche.Actor]" in ran.stderr
    assert "AttributeError: module `cloche` has no attribute `Actor`" in ran.stderr


def test_a_second_installation_is_listed_as_shadowed(site: Site, tmp_path: Path) -> None:
    site.install("acme", "2.0", new=offering("activator", "new"))
    second = Site(tmp_path / "second")
    second.install("acme", "1.0", old=offering("activator", "old"))

    found = list_plugins(PYTHONPATH=os.pathsep.join([str(site.directory), str(second.directory)]))

    assert found["new"]["status"] == "loaded"
    assert found["old"]["status"] == "shadowed"
    assert str(site.directory) in found["old"]["reason"]


def test_a_conflict_is_listed_and_is_only_a_warning(site: Site, tmp_path: Path) -> None:
    site.install("acme", mine=offering("activator", "fancy"))
    site.install("zebra", yours=offering("activator", "fancy"))

    shown = cloche("plugins")
    created = cloche("create", str(tmp_path / "env"), "--no-seed")

    assert "fancy (left out: `mine` of acme 1.0 also offers it)" in " ".join(shown.stdout.split())
    assert created.returncode == 0
    for ran in (shown, created):
        assert ran.stderr == (
            "cloche: warning: two plugins offer the activator `fancy`: `mine` of acme 1.0 is used, `yours` of zebra 1.0 is "
            "left out; uninstall one of them, or leave one out with `--no-plugin yours`\n"
        )


def test_a_replaced_component_is_listed_with_its_replacement(site: Site, tmp_path: Path) -> None:
    site.install("acme", mine=offering("activator", "better", more="replaces = 'bash'"))
    config = tmp_path / "config.toml"
    config.write_text('replace = ["bash=better"]\n')

    def bash(**variables: str) -> str:
        components = list_plugins(**variables)["builtin"]["provides"]
        return next(str(component["replaced_by"]) for component in components if component["name"] == "bash")

    assert bash() == ""
    assert bash(CLOCHE_CONFIG_FILE=str(config)) == "better"
    assert "bash (replaced by better)" in cloche("plugins", CLOCHE_CONFIG_FILE=str(config)).stdout


def test_the_table_fits_the_terminal_and_wraps_reasons(site: Site) -> None:
    site.install("acme-shells", "2.5", mine=offering("activator", *(f"shell-{number}" for number in range(30))))
    site.install(
        "acme-broken", broken="raise ValueError('a reason that is long enough to need more than one line of it')"
    )

    ran = cloche("plugins", COLUMNS="70")

    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["plugin", "distribution", "status", "offers"]
    assert max(len(line) for line in lines) <= 70
    assert "a reason that is long enough to need more than one line of it" in " ".join(ran.stdout.split())
    assert ran.stderr == ""


def test_control_characters_in_the_table_are_escaped(site: Site) -> None:
    site.install("acme", broken="raise ValueError('\\x1b[31mred\\x1b[0m')")

    ran = cloche("plugins")

    assert "\x1b" not in ran.stdout
    assert "\\x1b[31mred" in ran.stdout


def test_an_unknown_plugin_name_is_a_warning_on_standard_error(site: Site) -> None:
    site.install("acme", nushell=offering("activator", "nu"))

    ran = cloche("plugins", "--no-plugin", "nushel", "--json")

    assert json.loads(ran.stdout)
    assert ran.stderr == ("cloche: warning: cannot leave out unknown plugin `nushel`; did you mean `nushell`?\n")


@pytest.mark.parametrize("words", [("plugins", "more"), ("plugins", "--nonsense")])
def test_unknown_arguments_are_refused(words: tuple[str, ...]) -> None:
    assert cloche(*words).returncode == 2


def test_verbose_shows_load_times_and_names_what_is_slow(site: Site) -> None:
    site.install("acme", quick="@cloche.hookimpl\ndef cloche_creators(): return []")
    site.install("acme-late", late="import time; time.sleep(1.1)\n@cloche.hookimpl\ndef cloche_creators(): return []")

    plain, verbose = cloche("plugins"), cloche("plugins", "-v", COLUMNS="200")

    assert " ms" not in plain.stdout
    rows = {
        line.split()[0]: line for line in verbose.stdout.replace("nothing\n", "nothing ").splitlines() if line[0] != " "
    }
    assert re.search(r"loaded in \d+\.\d ms$", rows["quick"])
    assert re.search(r"loaded in 1[1-9]\d\d\.\d ms, which is slow$", rows["late"])
    assert "the import of plugin `late` of acme-late 1.0 took 1." in verbose.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nushell", "install `cloche-nushell` in cloche's environment"),
        ("nu", "install `cloche-nushell` in cloche's environment"),
        ("xonsh", "install `cloche-xonsh` in cloche's environment"),
        ("elvish", "install `cloche-elvish` in cloche's environment"),
        ("rc", "install `cloche-example` in cloche's environment"),
        ("zsh", "the activator for `zsh` is `bash`"),
        ("pwsh", "the activator for `pwsh` is `powershell`"),
        ("tcsh", "the activator for `tcsh` is `csh`"),
    ],
)
def test_a_shell_without_an_activator_of_its_name_has_a_remedy(name: str, hint: str) -> None:
    done = cloche("./env", "--activators", f"bash,{name}")

    assert done.stderr == f"cloche: error: unknown activator `{name}`\nhint: {hint}\n"
    assert done.returncode == 2


def test_the_remedy_is_not_offered_if_the_plugin_is_installed(site: Site) -> None:
    site.install("cloche-nushell", nushell=offering("activator", "nushell"))

    assert cloche("./env", "--no-seed", "--activators", "nushell").returncode == 0
    assert "hint: the activator for `nu` is `nushell`\n" in cloche("./env", "--activators", "nu").stderr
