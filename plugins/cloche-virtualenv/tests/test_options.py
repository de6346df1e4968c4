"""Test that options are read as virtualenv reads them, by comparison with the installed virtualenv."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

import cloche
from cloche_virtualenv.arguments import Announced, ignored_options, read_options
from cloche_virtualenv.installer import COMPATIBLE_VERSION
from cloche_virtualenv.options import OPTIONS, Options
from cloche_virtualenv.request import choices_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Outcome = Mapping[str, object]

ATTRIBUTES = (
    "with_traceback verbosity read_only_app_data python try_first_with clear no_vcs_ignore venv_redirect system_site "
    "copies no_seed download extra_search_dir pip no_pip no_setuptools no_periodic_update symlink_app_data prompt"
).split()
"""The attributes to compare; the others are names of components, and versions that virtualenv embeds."""

CASES: dict[str, tuple[list[str], dict[str, str], str]] = {
    "nothing": ([], {}, ""),
    "flags": (["--clear", "--system-site-packages", "--no-vcs-ignore", "--with-traceback"], {}, ""),
    "flags of seeding": (["--no-pip", "--no-setuptools", "--without-pip", "--symlink-app-data"], {}, ""),
    "other spellings": (["--always-copy", "--never-download", "--no-seed"], {}, ""),
    "an abbreviation": (["--system-site"], {}, ""),
    "values": (["--prompt", "it's", "--pip", "24.0", "-p3", "--python=3.11"], {}, ""),
    "several requests": (["-p", "2.7", "--python", "3"], {}, ""),
    "several directories": (["--extra-search-dir", ".", "..", "--extra-search-dir=/", "--clear"], {}, ""),
    "verbose": (["-vv"], {}, ""),
    "quiet": (["-qqq"], {}, ""),
    "a configured verbosity": ([], {"VERBOSE": "4"}, ""),
    "a configured verbosity and more": (["-v"], {"VERBOSE": "3"}, ""),
    "a configured quietness": ([], {"QUIET": "1"}, ""),
    "a verbosity that is not a number": ([], {"VERBOSE": "loud"}, ""),
    "a file with a verbosity": (["-q"], {}, "verbose = 4"),
    "true": ([], {"CLEAR": "yes", "SYSTEM_SITE_PACKAGES": "On", "NO_SEED": "1", "COPIES": "TRUE"}, ""),
    "false": ([], {"CLEAR": "no", "SYSTEM_SITE_PACKAGES": "off", "NO_SEED": "0"}, ""),
    "neither true nor false": ([], {"CLEAR": "perhaps"}, "clear = true"),
    "an empty variable": ([], {"CLEAR": "", "PYTHON": "", "PROMPT": ""}, "prompt = of the file"),
    "a false variable and a true file": ([], {"CLEAR": "false"}, "clear = true"),
    "another spelling in a variable": ([], {"ALWAYS_COPY": "1", "WITHOUT_PIP": "1"}, ""),
    "a short spelling in a variable": ([], {"P": "3", "V": "4"}, ""),
    "a variable that is not an option": ([], {"NO_SUCH_THING": "1", "DEST": "elsewhere", "ENV": "x"}, ""),
    "a variable against an argument": (["--prompt", "mine"], {"PROMPT": "theirs", "PIP": "none"}, ""),
    "an argument replaces requests of a variable": (["-p", "3"], {"PYTHON": "<0"}, ""),
    "requests with commas": ([], {"PYTHON": "2.7, 3"}, ""),
    "requests on lines": ([], {"PYTHON": "2.7\n  3  \n\n"}, ""),
    "requests with path separators": ([], {"PYTHON": os.pathsep.join(["2.7", "/nowhere/python", "3"])}, ""),
    "a request that is a range": ([], {"PYTHON": ">=3.8,<4, 2.7"}, ""),
    "executables with path separators": ([], {"TRY_FIRST_WITH": os.pathsep.join(["/a", "/b"])}, ""),
    "directories with path separators": ([], {"EXTRA_SEARCH_DIR": os.pathsep.join([".", "/"])}, ""),
    "requests in a file": ([], {}, "python =\n  2.7\n  3"),
    "a download": (["--download"], {}, ""),
    "a download in a variable": ([], {"DOWNLOAD": "1"}, ""),
    "no download in a variable": ([], {"NO_DOWNLOAD": "1"}, ""),
    "a false no-download variable": ([], {"NO_DOWNLOAD": "0"}, ""),
    "both downloads in variables": ([], {"DOWNLOAD": "1", "NO_DOWNLOAD": "1"}, ""),
    "a download against a variable": (["--download"], {"NO_DOWNLOAD": "1"}, ""),
    "a download variable against a file": ([], {"DOWNLOAD": "1"}, "no_download = true"),
    "a redirect": (["--venv-redirect"], {}, ""),
    "no redirect, as tox sets it": ([], {"NO_VENV_REDIRECT": "True", "NO_PERIODIC_UPDATE": "True"}, ""),
    "a file": ([], {}, "clear = on\nsystem_site_packages = 1\nprompt = 100%"),
    "a file that cannot be parsed": ([], {}, "= nonsense ="),
    "a blank destination": (["  "], {}, ""),
    "a blank cache": (["--app-data", " "], {}, ""),
    "an invalid version": (["--pip", "newest"], {}, ""),
    "an invalid version in a variable": ([], {"PIP": "newest"}, ""),
    "a missing value": (["--prompt"], {}, ""),
    "an option of venv": (["--without-scm-ignore-files"], {}, ""),
    "an unknown option": (["--no-such-option"], {}, ""),
    "two destinations": (["other"], {}, ""),
    "copies and links": (["--copies", "--symlinks"], {}, ""),
    "both downloads": (["--download", "--no-download"], {}, ""),
    "verbose and quiet": (["-v", "-q"], {}, ""),
}
"""The arguments except for the destination, the variables without their prefix, and the lines of the file."""

VIRTUALENV_PROGRAM = """
import json, os, sys
from virtualenv import session_via_cli
from virtualenv.discovery import builtin
from virtualenv.run import VirtualEnvOptions
search, found = builtin.get_interpreter, []
def find_any(key, try_first_with, *others, **named):
    found or found.append(search(sys.executable, [], *others, **named))
    return found[0]
builtin.get_interpreter = find_any
for arguments, environ in json.load(sys.stdin):
    options = VirtualEnvOptions()
    try:
        session_via_cli(arguments, options, setup_logging=False, env={**os.environ, **environ})
        values = {name: getattr(options, name) for name in sys.argv[1:]}
    except SystemExit as stop:
        values = {"exit": stop.code}
    print(json.dumps(values, default=str))
"""


@pytest.fixture(scope="module")
def virtualenv() -> str:
    """Return the version of the virtualenv to compare with; skip if it is missing or too old.

    This needs another process, because in this one the stand-in may be importable under the same name.
    """
    program = "from importlib.metadata import version; print(version('virtualenv'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    installed = done.stdout.strip() or "0"
    if Version(installed) < Version(COMPATIBLE_VERSION):
        reason = f"virtualenv {COMPATIBLE_VERSION} or later is not installed"
        pytest.fail(reason) if os.environ.get("CLOCHE_REQUIRE_ALL") == "1" else pytest.skip(reason)
    return installed


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return the complete command line and the variables of each case."""
    directory = tmp_path_factory.mktemp("cases")
    found = {}
    for number, (name, (arguments, variables, lines)) in enumerate(CASES.items()):
        file = directory / f"{number}.ini"
        if lines:
            file.write_text(f"[virtualenv]\n{lines}\n")
        environ = {f"VIRTUALENV_{key}": text for key, text in variables.items()}
        destination = [] if arguments == ["  "] else [str(directory / "env")]
        found[name] = ([*destination, *arguments], {**environ, "VIRTUALENV_CONFIG_FILE": str(file)})
    return found


@pytest.fixture(scope="module")
def real(
    virtualenv: str, cases: dict[str, tuple[list[str], dict[str, str]]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """Return the values that virtualenv parses for each case, with any Python, or its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", VIRTUALENV_PROGRAM, *ATTRIBUTES],
        input=json.dumps(list(cases.values())),
        env={**os.environ, "VIRTUALENV_OVERRIDE_APP_DATA": str(tmp_path_factory.mktemp("app-data"))},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(cases, map(json.loads, done.stdout.splitlines()), strict=True))


def parse(arguments: list[str], environ: Mapping[str, str]) -> tuple[Options, list[str]]:
    options = Options()
    warnings = read_options(arguments, options, environ, Announced("21", "virtualenv/__init__.py"))
    return options, warnings


@pytest.mark.parametrize("name", CASES)
def test_options_are_read_as_virtualenv_reads_them(
    name: str, cases: dict[str, tuple[list[str], dict[str, str]]], real: dict[str, Outcome]
) -> None:
    outcome: dict[str, object]
    try:
        options, _ = parse(*cases[name])
        outcome = {name: getattr(options, name) for name in ATTRIBUTES}
    except SystemExit as stop:
        outcome = {"exit": stop.code}

    assert outcome == real[name]


def test_every_option_of_virtualenv_is_accepted(virtualenv: str, capsys: pytest.CaptureFixture[str]) -> None:
    program = "from virtualenv import cli_run; cli_run(['--help'])"
    real = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    theirs = {word.strip("[],|") for word in real.split() if word.startswith(("--", "[--"))}

    with pytest.raises(SystemExit) as stop:
        parse(["--help"], {})

    assert stop.value.code == 0
    assert "--system-site-packages" in theirs
    assert theirs - set(capsys.readouterr().out.replace(",", "").split()) == set()


def test_a_false_download_variable_still_allows_the_last_resort() -> None:
    """tox sets it for every environment. cloche embeds no pip, so it may have to download one."""
    options, _ = parse(["env"], {"VIRTUALENV_DOWNLOAD": "False"})

    assert choices_for(options, {}, "21", [])["network"] == "last-resort"


def test_invalid_values_are_named_in_warnings(tmp_path: Path) -> None:
    file = tmp_path / "virtualenv.ini"
    file.write_text("[virtualenv]\nquiet = very\n")

    _, warnings = parse(["env"], {"VIRTUALENV_CLEAR": "perhaps", "VIRTUALENV_CONFIG_FILE": str(file)})

    assert warnings == [
        "`VIRTUALENV_CLEAR` must be true or false, not `perhaps`: it is ignored",
        "`quiet` must be a number, not `very`: it is ignored",
    ]


@pytest.mark.parametrize("content", [b"no section", b"\xff\xfe[virtualenv]"])
def test_a_file_that_cannot_be_read_is_a_warning(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "virtualenv.ini"
    file.write_bytes(content)

    options, warnings = parse(["env"], {"VIRTUALENV_CONFIG_FILE": str(file), "VIRTUALENV_PROMPT": "x"})

    (warning,) = warnings
    assert warning.startswith(f"`{file}` cannot be read, and is ignored: ")
    assert options.prompt == "x"


def test_a_file_may_start_with_a_byte_order_mark_and_have_hyphens_in_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "virtualenv.ini"
    file.write_text("[virtualenv]\nno-vcs-ignore = true\n", encoding="utf-8-sig")

    options, warnings = parse(["env"], {"VIRTUALENV_CONFIG_FILE": str(file)})

    assert (options.no_vcs_ignore, warnings) == (True, [])


@pytest.mark.parametrize(
    ("arguments", "environ", "creator"),
    [
        ([], {}, None),
        (["--copies"], {}, "copy"),
        (["--symlinks"], {}, "symlink"),
        (["--symlinks"], {"VIRTUALENV_COPIES": "1"}, "symlink"),
        ([], {"VIRTUALENV_COPIES": "1", "VIRTUALENV_SYMLINKS": "1"}, "copy"),
        ([], {"VIRTUALENV_COPIES": "0"}, None),
        (["--creator", "venv", "--copies"], {}, "copy"),
        (["--creator", "venv", "--symlinks"], {}, "venv"),
        (["--creator", "venv"], {}, "venv"),
        (["--creator", "builtin"], {}, None),
    ],
)
def test_options_choose_the_creator(arguments: list[str], environ: dict[str, str], creator: str | None) -> None:
    options, _ = parse(["env", *arguments], environ)

    assert choices_for(options, {}, "21", [])["creator"] == creator


@pytest.mark.parametrize(
    ("arguments", "seeds"),
    [
        ([], ["pip"]),
        (["--pip", "24.0"], ["pip==24.0"]),
        (["--pip", "embed", "--setuptools", "bundle", "--wheel", "0.45"], ["pip", "setuptools", "wheel==0.45"]),
        (["--pip", "none"], []),
        (["--no-pip", "--setuptools=69.5.1", "--no-wheel"], ["setuptools==69.5.1"]),
        (["--no-seed", "--setuptools", "bundle"], []),
    ],
)
def test_options_choose_the_seeds(arguments: list[str], seeds: list[str]) -> None:
    options, _ = parse(["env", *arguments], {})

    assert choices_for(options, {}, "21", [])["seeds"] == seeds


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (["--read-only-app-data"], {"access": "read-only", "cache": None}),
        (["--symlink-app-data"], {"link_mode": "symlink"}),
        (["--no-vcs-ignore"], {"vcs_ignore": False}),
        (["--clear"], {"existing": "replace"}),
        (["--try-first-with", "/a", "--try-first-with", "/b"], {"try_first_with": ["/a", "/b"]}),
        (["--activators", "bash, cshell\nfish"], {"activators": ["bash", "cshell", "fish"]}),
        (["--activators", ""], {"activators": []}),
        (["--extra-search-dir", "/", "/nowhere"], {"find_links": ["/"]}),
        (["--wheel", "bundle"], {"dependencies": "omitted"}),
        (["-p", "3.11", "-p", "3.x.y!"], {"python": ["3.11"]}),
        (["-p", "3.x.y!", "-p", "3.11"], {"python": ["3.11"]}),
        (["-p", "3.x.y!"], {"python": ["3.x.y!"]}),
    ],
)
def test_options_become_arguments_of_create(arguments: list[str], chosen: dict[str, Any]) -> None:
    options, _ = parse([*arguments, "--prompt", "x", "env"], {})

    choices = choices_for(options, {}, "21", [])
    assert choices | chosen == choices


def test_a_directory_of_wheels_can_have_a_blank_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / " ").mkdir()
    monkeypatch.chdir(tmp_path)
    options, _ = parse(["env"], {"VIRTUALENV_EXTRA_SEARCH_DIR": os.pathsep.join(["nowhere", " ", "nothing"])})

    choices = choices_for(options, {}, "21", [])

    assert choices["find_links"] == [f"{tmp_path}/ "]
    cloche.describe(tmp_path / "env", find_links=choices["find_links"], seeds=None)


def test_the_cache_directory_has_an_order_of_precedence(tmp_path: Path) -> None:
    variables = {"VIRTUALENV_OVERRIDE_APP_DATA": str(tmp_path / "override"), "CLOCHE_CACHE_DIR": str(tmp_path / "ours")}

    def cache(arguments: list[str], environ: dict[str, str]) -> object:
        return choices_for(parse(["env", *arguments], environ)[0], environ, "21", [])["cache"]

    assert cache(["--app-data", str(tmp_path / "given")], variables) == str(tmp_path / "given")
    assert cache([], {**variables, "VIRTUALENV_APP_DATA": str(tmp_path / "set")}) == str(tmp_path / "set")
    assert cache([], variables) == str(tmp_path / "override")
    assert cache([], {"CLOCHE_CACHE_DIR": str(tmp_path / "ours")}) == str(tmp_path / "ours")
    assert cache([], {}) is None


def test_a_cache_that_cannot_be_created_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    warnings: list[str] = []

    options, _ = parse(["env", "--app-data", str(tmp_path / "file" / "cache")], {})
    choices = choices_for(options, {}, "21", warnings)

    assert (choices["access"], choices["cache"]) == ("none", None)
    assert warnings == [f"working without a cache, because `{tmp_path}/file/cache` cannot be created: Not a directory"]


def test_only_ignored_options_that_were_set_are_listed() -> None:
    options, _ = parse(
        ["env", "--venv-redirect", "--clear"], {"VIRTUALENV_NO_PERIODIC_UPDATE": "1", "VIRTUALENV_DISCOVERY": "x"}
    )

    assert ignored_options(options) == ["--discovery", "--venv-redirect", "--no-periodic-update"]
    assert ignored_options(parse(["env", "--no-venv-redirect"], {})[0]) == ["--no-venv-redirect"]
    assert ignored_options(parse(["env"], {"VIRTUALENV_VENV_REDIRECT": "0"})[0]) == []


def test_an_ignored_option_says_so_in_the_help() -> None:
    assert [option.names for option in OPTIONS if option.is_ignored != option.summary.startswith("ignored")] == []
