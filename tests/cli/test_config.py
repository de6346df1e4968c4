"""Test `cloche config`: the settings with their origins, and warnings about unknown names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugins.site import Site, site
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    return Cloche(tmp_path, clean_environ(tmp_path / "home", tmp_path / "cache"))


def test_each_value_is_shown_with_its_origin(cloche: Cloche, tmp_path: Path) -> None:
    project, user = tmp_path / "pyproject.toml", tmp_path / "user.toml"
    project.write_text('[tool.cloche]\nprompt = "project"\nseed = ["a", "b"]\nclear = true\n')
    user.write_text('prompt = "user"\nlink-mode = "copy"\nreplace = ["bash=acme"]\n')
    done = cloche(
        "config", "show", "--json", "--cache-dir", "here", CLOCHE_CONFIG_FILE=str(user), CLOCHE_NO_DOWNLOAD="1"
    )
    settings = {setting["name"]: (setting["value"], setting["origin"]) for setting in done.json["settings"]}

    assert (done.code, done.err) == (0, "")
    assert settings["prompt"] == ("project", str(project))
    assert settings["seed"] == (["a", "b"], str(project))
    assert settings["clear"] == (True, str(project))
    assert settings["link-mode"] == ("copy", str(user))
    assert settings["no-download"] == (True, "CLOCHE_NO_DOWNLOAD")
    assert settings["cache-dir"] == ("here", "command line")
    assert settings["creator"] == ("symlink", "default")
    assert settings["find-links"] == ([], "default")
    assert settings["replace"] == (["bash=acme"], "config file")
    assert [(file["path"], file["there"]) for file in done.json["files"]] == [(str(project), True), (str(user), True)]


def test_show_is_the_default_and_lists_explicit_settings_first(cloche: Cloche) -> None:
    done = cloche("config", CLOCHE_PROMPT="two\nlines")
    head, first, *_ = done.out.splitlines()

    assert head.split() == ["setting", "value", "from"]
    assert first.split() == ["prompt", "two\\nlines", "CLOCHE_PROMPT"]
    assert done.out == cloche("config", "show", CLOCHE_PROMPT="two\nlines").out
    assert "config.toml (does not exist)" in done.out
    assert cloche("config", "set").code == 2


def test_the_warning_about_an_unknown_name_suggests_the_closest_known_one(cloche: Cloche, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.cloche]\nlinkmode = 'copy'\n")
    done = cloche("config", "--json", CLOCHE_PROMT="x")

    assert done.code == 0
    assert "unknown variable `CLOCHE_PROMT`; did you mean `CLOCHE_PROMPT`?" in done.err
    assert "did you mean `link-mode`?" in done.err
    assert len(done.json["warnings"]) == 2


@pytest.mark.parametrize(
    "command",
    [
        "env",
        "env --dry-run",
        "env --verbose --no-periodic-update --find-links missing",
        "env --try-first-with missing",
        "pythons",
        "info env",
        "doctor env",
        "doctor --find missing",
        "move env moved",
        "upgrade env --check",
        "activate env",
        "plugins",
        "cache size",
        "config",
    ],
)
def test_every_warning_is_in_the_json_object(cloche: Cloche, command: str) -> None:
    (cloche.cwd / "missing").mkdir()
    if "--find-links" in command:
        (cloche.cwd / "missing").rmdir()
    assert cloche("env", "--no-seed").code == 0

    done = cloche(*command.split(), "--json", "--no-plugin", "no-such-plugin", CLOCHE_PROMT="x", CLOCHE_NO_SEED="1")

    printed = [line.removeprefix("cloche: warning: ") for line in done.err.splitlines() if "warning: " in line]
    assert printed == done.json["warnings"]
    assert any(text.startswith("unknown variable `CLOCHE_PROMT`") for text in printed)
    if "result" in done.json:
        assert done.json["result"]["warnings"] == printed


def test_a_spelling_of_virtualenv_is_shown_under_the_name_of_cloche(cloche: Cloche) -> None:
    settings = cloche("config", "--json", CLOCHE_COPIES="1", CLOCHE_SETUPTOOLS="70").json["settings"]
    chosen = {
        setting["name"]: (setting["value"], setting["origin"]) for setting in settings if setting["origin"] != "default"
    }

    assert chosen == {
        "creator": ("copy", "CLOCHE_COPIES"),
        "json": (True, "command line"),
        "setuptools": ("70", "CLOCHE_SETUPTOOLS"),
    }


def test_options_of_plugins_are_shown(cloche: Cloche, site: Site) -> None:
    site.install(
        "acme",
        rope="""
        class Thing:
            name = "rope"
            options = (cloche.Option("rope-length", "how long"),)
            def refusal(self, interpreter): return None
            def operations(self, interpreter, layout): return []

        @cloche.hookimpl
        def cloche_creators(): return [Thing()]
        """,
    )
    done = cloche("config", "--json", CLOCHE_ROPE_LENGTH="3", PYTHONPATH=str(site.directory))
    settings = {setting["name"]: setting["value"] for setting in done.json["settings"]}

    assert (settings["rope-length"], done.err) == ("3", "")
