"""Test `cloche config`: the settings with their origins, and warnings about unknown names."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.plugins.site import Site, site
from tests.plugins.test_options import GREETER
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    return Cloche(tmp_path, {**environ, "XDG_CONFIG_HOME": str(tmp_path / "config")})


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
    assert [(file["path"], file["exists"]) for file in done.json["files"]] == [(str(project), True), (str(user), True)]
    assert all(file["there"] == file["exists"] for file in done.json["files"])  # the old name


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


def test_the_warning_about_an_unknown_name_suggests_nothing_if_no_name_is_near(cloche: Cloche) -> None:
    done = cloche("config", "--json", CLOCHE_STORE="x")

    assert done.json["warnings"] == ["unknown variable `CLOCHE_STORE`"]


@pytest.mark.parametrize(
    "command",
    [
        "./env",
        "./env --dry-run",
        "./env --verbose --no-periodic-update --find-links missing",
        "./env --try-first-with missing",
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
    assert cloche("./env", "--no-seed").code == 0

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


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "cloche" / "config.toml"


def test_a_value_is_set_read_and_removed(cloche: Cloche, user_file: Path) -> None:
    assert cloche("config", "path").out == f"{user_file}\n"
    for name, words, shown in (
        ("link-mode", ["copy"], "copy"),
        ("no_download", ["yes"], "true"),
        ("python", ["3.10", "pypy"], "3.10\npypy"),
        ("activators", ["bash,fish"], "bash,fish"),
        ("pip", ["25.0"], "25.0"),
        ("replace", ["bash=acme"], "bash=acme"),
    ):
        done = cloche("config", "set", name, *words)
        assert (done.code, bool(done.err)) == (0, name == "replace"), name  # no plugin offers `acme`
        assert str(user_file) in done.out
        assert cloche("config", "get", "-q", name).out == f"{shown}\n"
    assert 'python = ["3.10", "pypy"]' in user_file.read_text()
    assert "no-download = true" in user_file.read_text()
    assert "removed link-mode" in cloche("config", "unset", "link_mode").out
    assert "not set" in cloche("config", "unset", "link-mode").out
    assert cloche("config", "get", "-q", "link-mode").out == "auto\n"


def test_everything_else_in_the_file_stays(cloche: Cloche, user_file: Path) -> None:
    user_file.parent.mkdir(parents=True)
    text = '# mine\nunknown = 3   # kept\nlink_mode = "copy"  # why\nprompt = "x"\n\n[table]\nprompt = "other"\n'
    user_file.write_text(text)
    user_file.chmod(0o640)

    assert cloche("config", "set", "link-mode", "clone").code == 0
    assert cloche("config", "set", "pip", "25.0").code == 0
    assert cloche("config", "unset", "prompt").code == 0

    after = user_file.read_text()
    for line in (
        "# mine",
        "unknown = 3   # kept",
        'link_mode = "clone"  # why',
        '[table]\nprompt = "other"',
        'pip = "25.0"',
    ):
        assert line in after
    assert after.index("pip") < after.index("[table]")
    assert user_file.stat().st_mode & 0o777 == 0o640
    assert list(user_file.parent.iterdir()) == [user_file]


@pytest.mark.parametrize(
    ("first", "second", "contradict"),
    [
        ('link-mode = "copy"', 'link_mode = "clone"', True),
        ('link_mode = "copy"', 'link-mode = "copy"', False),
        ('cache-dir = "/a"', 'app-data = "/b"', True),
        ('find_links = ["/a"]', 'extra-search-dir = ["/b"]', True),
        ("no-download = true", "never_download = true", False),
    ],
)
def test_two_spellings_of_an_option_must_agree(
    first: str, second: str, contradict: bool, cloche: Cloche, user_file: Path
) -> None:
    user_file.parent.mkdir(parents=True)
    user_file.write_text(f"{first}\n{second}\n")

    done = cloche("./env", "--dry-run", "--no-seed")

    names = [line.partition(" ")[0] for line in (first, second)]
    message = f"cloche: error: `{names[0]}` and `{names[1]}` in {user_file} contradict each other"
    assert done.code == (2 if contradict else 0)
    assert (done.err.splitlines()[:1] == [message]) is contradict


@pytest.mark.parametrize(
    ("words", "left"), [(["set", "link-mode", "auto"], 'link-mode = "auto"\n'), (["unset", "link-mode"], "")]
)
def test_a_change_concerns_all_spellings(words: list[str], left: str, cloche: Cloche, user_file: Path) -> None:
    user_file.parent.mkdir(parents=True)
    user_file.write_text('link-mode = "copy"\nlink_mode = "clone"\n')

    assert cloche("config", *words).code == 0
    assert user_file.read_text() == left
    assert cloche("config", "get", "-q", "link-mode").out == "auto\n"


@pytest.mark.parametrize("prompt", ["-", "\u2013 mine"])
def test_a_value_may_begin_with_a_dash(prompt: str, cloche: Cloche) -> None:
    assert cloche("config", "set", "prompt", prompt).code == 0
    assert cloche("config", "get", "-q", "prompt").out == f"{prompt}\n"


def test_a_wrong_value_is_shown_as_the_file_has_it(cloche: Cloche, user_file: Path) -> None:
    user_file.parent.mkdir(parents=True)
    user_file.write_text('clear = ["a"]\n')

    assert cloche("./env").err == f'cloche: error: `clear` in {user_file} must be true or false, not `["a"]`\n'


def test_a_linked_file_is_changed_and_the_link_stays(cloche: Cloche, user_file: Path, tmp_path: Path) -> None:
    user_file.parent.mkdir(parents=True)
    (tmp_path / "dotfiles.toml").write_text("")
    user_file.symlink_to(tmp_path / "dotfiles.toml")

    assert cloche("config", "set", "pip", "25.0").code == 0
    assert user_file.is_symlink()
    assert (tmp_path / "dotfiles.toml").read_text() == 'pip = "25.0"\n'


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["set", "link-mode", "teleport"], "invalid value `teleport` for `link-mode`"),
        (["set", "no-seed", "maybe"], "`no-seed` must be true or false, not `maybe`"),
        (["set", "prompt", "a", "b"], "`prompt` takes one value, but got 2"),
        (["set", "cache-dir", " "], "`cache-dir` must not be blank"),
        (["set", "replace", "bash"], "must be a list of `BUILT-IN=NAME`"),
        (["set", "promt", "x"], "did you mean `prompt`?"),
        (["set", "dry-run", "true"], "works only on the command line"),
        (["set", "app-data", "x"], "virtualenv's name for `cache-dir`"),
        (["get", "nothing-like-it"], "`cloche config` lists all settings"),
        (["set", "pip"], "missing argument for `cloche config set`"),
        (["get"], "missing argument for `cloche config get`"),
        (["unset", "pip", "seed"], "unexpected argument `seed` for `cloche config unset`"),
        (["path", "x"], "unexpected argument `x` for `cloche config path`"),
        (["shwo"], "did you mean `cloche config show`?"),
        (["set", "python", ">>3.12"], "`>>3.12` is not a valid range of Python versions"),
        (["set", "python", "3.12", "a\tb"], "contains control characters"),
        (["set", "creator", "nope"], "unknown creator `nope`"),
        (["set", "seeder", "nope"], "unknown seeder `nope`"),
        (["set", "activators", "bash,nope"], "unknown activator `nope`"),
        (["set", "no-finder", "nope"], "unknown finder `nope`"),
        (["set", "pip", "newest"], "`newest` is not a valid version of pip"),
        (["set", "pip", ""], "`` is not a valid version of pip"),
        (["set", "seed", "requests>=2"], "`requests>=2` is not a valid seed"),
        (["set", "seed", "a==1", "a==2"], "`a==1` and `a==2` contradict each other"),
        (["set", "prompt", "a" * 40_000], "`pyvenv.cfg` would have"),
        (["set", "startup-code", "allow", "x"], "`startup-code` combines `allow` with other values"),
        (["set", "stdlib", "half"], "invalid value `half` for `stdlib`"),
    ],
)
def test_an_invalid_change_changes_nothing(cloche: Cloche, user_file: Path, argv: list[str], message: str) -> None:
    done = cloche("config", *argv)

    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not user_file.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"pip = ",
        b"\xff",
        b"a = 1\na = 2\n",
        b"a = {b = 1, b = 2}\n",
        pytest.param(b"a = " + b"[" * 10_000, id="nested"),
        pytest.param(b"a = " + b"9" * 5000, id="number"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_changed(cloche: Cloche, user_file: Path, content: bytes) -> None:
    user_file.parent.mkdir(parents=True)
    user_file.write_bytes(content)

    done = cloche("config", "set", "pip", "25.0")

    assert done.code == 2
    assert f"`{user_file}` cannot be edited" in done.err
    assert user_file.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "key", "text", "message"),
    [
        ("no-compile = true", "compile", "true", "`--compile` and `--no-compile` contradict each other"),
        ("no_download = true", "download", "true", "`--download` and `--no-download` contradict each other"),
        (
            "clear = true\nlock = 'pylock.toml'",
            "keep-extra",
            "true",
            "`--keep-extra` contradicts `--clear`",
        ),
        ("pip = '24.0'", "no-seed", "true", "`--no-seed` and `--pip` contradict each other"),
        ("pip = '24.0'", "seed", "pip==25.0", "`pip==24.0` and `pip==25.0` contradict each other"),
        ("seeder = 'pip'", "lock", "pylock.toml", "seeder `pip` does not install the packages of a lock file"),
        ("creator = 'portable'", "link-mode", "symlink", "a portable environment cannot consist of links to the cache"),
        ("creator = 'portable'", "system-site-packages", "true", "cannot use the packages of its base interpreter"),
        ("creator = 'nope'\nno-compile = true", "compile", "true", "contradict each other"),
    ],
)
def test_a_value_that_contradicts_the_others_is_refused_as_by_the_next_run(
    cloche: Cloche, user_file: Path, content: str, key: str, text: str, message: str
) -> None:
    user_file.parent.mkdir(parents=True)
    user_file.write_text(f"{content}\n")

    done = cloche("config", "set", key, text)

    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert user_file.read_text() == f"{content}\n"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("python", "3.99"),
        ("python", "~/python"),
        ("creator", "builtin"),
        ("seeder", "app-data"),
        ("activators", "none"),
        ("activators", "cshell"),
        ("pip", "embed"),
        ("lock", "missing.toml"),
        ("prompt", "two\nlines"),
        ("force", "true"),
        ("extra", "docs"),
    ],
)
def test_what_a_run_may_accept_is_not_refused(cloche: Cloche, user_file: Path, key: str, text: str) -> None:
    done = cloche("config", "set", key, text)

    assert (done.code, done.err) == (0, "")
    assert user_file.exists()


def test_a_name_that_has_no_effect_is_a_warning(cloche: Cloche) -> None:
    plugin, replacement = cloche("config", "set", "no-plugin", "nope"), cloche("config", "set", "replace", "bash=nope")

    assert (plugin.code, replacement.code) == (0, 0)
    assert "cannot leave out unknown plugin `nope`" in plugin.err
    assert "unknown component `nope` for `bash`" in replacement.err


def test_a_component_of_a_plugin_can_be_chosen(cloche: Cloche, site: Site) -> None:
    site.install("acme", greeter=GREETER)

    refused = cloche("config", "set", "activators", "greeter", "--no-plugins", PYTHONPATH=str(site.directory))
    chosen = cloche("config", "set", "activators", "greeter", PYTHONPATH=str(site.directory))

    assert (refused.code, "unknown activator `greeter`" in refused.err) == (2, True)
    assert (chosen.code, chosen.err) == (0, "")


@pytest.mark.parametrize("name", ["python", "try-first-with", "lock", "find-links", "prompt", "cache-dir", "seed"])
def test_a_value_with_a_nul_character_is_refused(cloche: Cloche, tmp_path: Path, name: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[tool.cloche]\n{name} = "a\\u0000b"\n')

    done = cloche("./env", "--no-download")

    assert done.code == 2
    assert f"`{name}` in {tmp_path / 'pyproject.toml'} contains a NUL character" in done.err
    assert not (tmp_path / "env").exists()


def test_an_invalid_setting_can_be_corrected(cloche: Cloche, user_file: Path) -> None:
    user_file.parent.mkdir(parents=True)
    user_file.write_text('no-seed = "maybe"\n')

    assert cloche("config").code == 2
    assert cloche("config", "set", "no-seed", "true").code == 0
    assert user_file.read_text() == "no-seed = true\n"


def test_a_file_that_is_not_regular_is_not_replaced(cloche: Cloche) -> None:
    done = cloche("config", "set", "pip", "25.0", CLOCHE_CONFIG_FILE="/dev/null")

    assert (done.code, done.out) == (2, "")


def test_a_default_and_a_missing_value_are_called_that(cloche: Cloche) -> None:
    default, missing = cloche("config", "get", "link-mode"), cloche("config", "get", "prompt")

    assert (default.out, default.err) == ("auto\n", "cloche: `link-mode` has its default value\n")
    assert (missing.out, missing.err) == ("", "cloche: `prompt` is not set\n")


def test_the_source_that_takes_precedence_is_named(cloche: Cloche, tmp_path: Path, user_file: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.cloche]\nlink-mode = "copy"\n')

    done = cloche("config", "set", "link-mode", "clone")

    assert done.code == 0
    assert f"`{project}` also sets `link-mode`, and takes precedence over `{user_file}`" in done.err
    got = cloche("config", "get", "link-mode")
    assert (got.out, got.err) == ("copy\n", f"cloche: `link-mode` is set by {project}\n")
    assert (
        cloche("config", "get", "link-mode", "--json", CLOCHE_LINK_MODE="hardlink").json["origin"] == "CLOCHE_LINK_MODE"
    )


def test_a_relative_directory_becomes_absolute(cloche: Cloche, tmp_path: Path) -> None:
    assert cloche("config", "set", "find-links", "wheels", "~/more").code == 0
    assert cloche("config", "get", "-q", "find-links", cwd="/").out.splitlines() == [
        str(tmp_path / "wheels"),
        str(tmp_path / "home" / "more"),
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not remove the current directory")
def test_a_relative_directory_is_refused_if_the_current_one_was_removed(
    cloche: Cloche, tmp_path: Path, user_file: Path
) -> None:
    """It would be relative to the config file."""
    gone = tmp_path / "gone"
    gone.mkdir()
    command = 'rmdir "$PWD"; exec "$0" -m cloche config set cache-dir cache'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable],
        cwd=gone,
        env=dict(cloche.environ),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "`cache` is relative, and the current directory has been removed" in done.stderr
    assert not user_file.exists()


def test_parallel_changes_are_all_kept(cloche: Cloche, user_file: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = ["prompt", "extra", "group", "lock"]
    with ThreadPoolExecutor() as pool:
        assert {done.code for done in pool.map(lambda name: cloche("config", "set", name, "x"), names)} == {0}
    assert sorted(line.split()[0] for line in user_file.read_text().splitlines()) == sorted(names)


def test_the_actions_are_objects_with_json(cloche: Cloche, user_file: Path) -> None:
    path = str(user_file)
    assert cloche("config", "path", "--json").json["exists"] is False
    assert cloche("config", "set", "no-seed", "on", "--json").json["value"] is True
    assert cloche("config", "get", "no-seed", "--json").json["origin"] == path
    assert cloche("config", "unset", "no-seed", "--json").json["removed"] is True


@pytest.mark.parametrize("name", ["prompt", "find-links"])
def test_a_value_that_toml_cannot_hold_is_refused(cloche: Cloche, tmp_path: Path, name: str) -> None:
    assert cloche("config", "set", "creator", "copy").code == 0
    path = tmp_path / "config" / "cloche" / "config.toml"
    before = path.read_bytes()

    done = cloche("config", "set", name, os.fsdecode(b"caf\xe9"), "--json")

    assert (done.code, done.json["error"]["kind"]) == (2, "UsageError")
    assert f"`{name}` cannot be set to `" in done.err
    assert f"CLOCHE_{name.upper().replace('-', '_')}" in done.json["error"]["hint"]
    assert [entry.read_bytes() for entry in path.parent.iterdir()] == [before]


@pytest.mark.parametrize("source", ["option", "quoted option", "variable", "project", "user"])
def test_the_home_directory_is_known_in_every_source_of_a_path(cloche: Cloche, tmp_path: Path, source: str) -> None:
    """A shell expands `~` only at the start of a word."""
    cache, links = str(tmp_path / "home" / "cache"), str(tmp_path / "home" / "wheels")
    options, variables = [], {}
    if source == "option":
        options = ["--cache-dir=~/cache"]
    elif source == "quoted option":
        options = ["--cache-dir", "~/cache"]
    elif source == "variable":
        variables = {"CLOCHE_CACHE_DIR": "~/cache", "CLOCHE_FIND_LINKS": "~/wheels"}
    else:
        path = tmp_path / "pyproject.toml" if source == "project" else tmp_path / "config" / "cloche" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = "[tool.cloche]\n" if source == "project" else ""
        path.write_text(f'{table}cache-dir = "~/cache"\nfind-links = ["~/wheels"]\n')

    settings = {row["name"]: row["value"] for row in cloche("config", "--json", *options, **variables).json["settings"]}

    assert settings["cache-dir"] == cache
    assert settings["find-links"] == ([] if options else [links])
    assert not (tmp_path / "~").exists()


def test_an_error_says_where_a_value_was_set_that_was_not_typed(cloche: Cloche) -> None:
    (cloche.cwd / "pyproject.toml").write_text('[tool.cloche]\npython = "3.99"\n')
    file = cloche.cwd / "pyproject.toml"

    assert cloche("./env", "--no-seed").err.endswith(f"`3.99` is the value of `python` in {file}\n")
    assert cloche("./env", CLOCHE_PYTHON="3.98").err.endswith("`3.98` is the value of `CLOCHE_PYTHON`\n")
    hint = cloche("./env", "--json", CLOCHE_CREATOR="nowhere", CLOCHE_PYTHON="3").json["error"]["hint"]
    assert hint.endswith("`nowhere` is the value of `CLOCHE_CREATOR`")
    assert "is the value of" not in cloche("./env", "-p", "3.97", CLOCHE_PYTHON="3.97").err
    assert "is the value of" not in cloche("pythons", "3.96", CLOCHE_PYTHON="3.96").err


@pytest.mark.parametrize("text", ["true", '["3.12", ["a"]]', "[1, true]"])
def test_an_invalid_value_is_shown_as_the_file_has_it(cloche: Cloche, text: str) -> None:
    (cloche.cwd / "pyproject.toml").write_text(f"[tool.cloche]\npython = {text}\n")

    assert f"invalid value `{text}` for `python`" in cloche("./env").err
