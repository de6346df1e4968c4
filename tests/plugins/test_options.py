"""Test that an option of a plugin works on the command line, in a variable and in config files."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.site import Site

GREETER = """
class Greeter:
    '''An activator with an option of its own.'''
    name = "greeter"
    options = (cloche.Option("greeting", "what to say", metavar="TEXT", group="greeter"),)
    def refusal(self, interpreter): return None
    def quote(self, text): return text
    def scripts(self, environment):
        return [cloche.Script("greet", f"hello {environment.options.get('greeting', 'world')}")]

@cloche.hookimpl
def cloche_activators():
    return [Greeter()]
"""


def cloche(work: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CLOCHE_")}
    return subprocess.run(
        [sys.executable, "-m", "cloche", *argv],
        cwd=work,
        env={**environ, "HOME": str(work), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def greeting(work: Path, *argv: str, **variables: str) -> str:
    done = cloche(work, "./env", "--clear", "--no-seed", "--activators", "greeter", *argv, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return (work / "env" / "bin" / "greet").read_text()


def test_an_option_of_a_plugin_is_read_from_command_line_variable_and_config_file(site: Site, tmp_path: Path) -> None:
    site.install("acme", greeter=GREETER)

    assert greeting(tmp_path) == "hello world"
    assert greeting(tmp_path, CLOCHE_GREETING="variable") == "hello variable"
    assert greeting(tmp_path, "--greeting", "argv", CLOCHE_GREETING="variable") == "hello argv"
    (tmp_path / "pyproject.toml").write_text('[tool.cloche]\ngreeting = "project"\n')
    assert greeting(tmp_path) == "hello project"


def test_an_option_of_a_plugin_in_a_config_file_is_known_to_other_commands(site: Site, tmp_path: Path) -> None:
    site.install("acme", greeter=GREETER)
    (tmp_path / "pyproject.toml").write_text('[tool.cloche]\ngreeting = "project"\n')

    assert [cloche(tmp_path, *argv).stderr for argv in (["cache", "dir"], ["config"], ["plugins"])] == ["", "", ""]
    assert "unknown option `greeting` in" in cloche(tmp_path, "cache", "dir", "--no-plugins").stderr


def test_an_option_of_a_plugin_is_in_the_help_under_its_own_heading(site: Site, tmp_path: Path) -> None:
    site.install("acme", greeter=GREETER)

    done = cloche(tmp_path, "--help")

    assert "greeter:" in done.stdout
    assert "--greeting TEXT" in done.stdout


def test_an_option_of_a_blocked_plugin_is_unknown(site: Site, tmp_path: Path) -> None:
    site.install("acme", greeter=GREETER)

    assert cloche(tmp_path, "./env", "--greeting", "x", "--no-plugins").returncode == 2
    assert cloche(tmp_path, "./env", "--greeting", "x", "--no-plugin", "greeter").returncode == 2


def test_an_option_is_known_if_another_module_of_the_plugin_declares_it(site: Site, tmp_path: Path) -> None:
    site.install("acme", greeter=f"from {site.module(GREETER)} import *\n")

    assert greeting(tmp_path, "--greeting", "argv") == "hello argv"
    assert "--greeting TEXT" in cloche(tmp_path, "--help").stdout
    assert "unknown option `--greetin`" in cloche(tmp_path, "./env", "--greetin", "x").stderr


def test_known_options_import_no_plugin(site: Site, tmp_path: Path) -> None:
    site.install("acme", greeter=GREETER + "open('imported', 'w').close()\n")

    assert cloche(tmp_path, "cache", "dir", "--no-plugin", "other").returncode == 0
    assert not (tmp_path / "imported").exists()


LAZY = """
@cloche.hookimpl
def cloche_activators():
    return [cloche.Descriptor("lazy", "THIS:activator")]

class Lazy:
    '''An activator that loads when it is used.'''
    name = "lazy"
    def refusal(self, interpreter): return REFUSAL
    def quote(self, text): return text
    def scripts(self, environment): return [cloche.Script("lazy", "hello")]

activator = Lazy()
"""


def test_an_edited_plugin_takes_effect(site: Site, tmp_path: Path) -> None:
    name = site.module(LAZY.replace("REFUSAL", "None"))
    site.metadata("acme", "1.0", {"lazy": name})

    def scripts() -> bool:
        assert cloche(tmp_path, "./env", "--clear", "--no-seed").returncode == 0
        return (tmp_path / "env" / "bin" / "lazy").exists()

    assert [scripts(), scripts()] == [True, True]
    site.module(LAZY.replace("REFUSAL", "'not supported'"), name)
    assert [scripts(), scripts()] == [False, False]
