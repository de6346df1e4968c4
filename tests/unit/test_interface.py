"""Test the functions of the package `cloche`: their arguments, results, errors and log messages."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cloche
from cloche.api.arguments import ALLOWED_VALUES
from cloche.planning import pyvenv_cfg
from cloche.testing.fakes import fake_environment, fake_interpreter
from tests.interpreters import pyenv
from tests.locks import pylock
from tests.plugins.site import site
from tests.plugins.test_options import GREETER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugins.site import Site

__all__ = ["site"]


class BytesPath(os.PathLike[bytes]):
    def __fspath__(self) -> bytes:
        return b"env"

    def __repr__(self) -> str:
        return "<bytes path>"


@pytest.mark.parametrize("name", sorted(ALLOWED_VALUES))
def test_an_unknown_value_is_refused(name: str, tmp_path: Path) -> None:
    choices: dict[str, Any] = {"seeds": None, name: "read-onyl"}

    with pytest.raises(cloche.UsageError, match=f"`{name}` must be `{ALLOWED_VALUES[name][0]}`.*, not 'read-onyl'"):
        cloche.create(tmp_path / "env", **choices)

    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("name", sorted(ALLOWED_VALUES))
def test_every_documented_value_is_accepted(name: str, tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(pylock([]))
    for value in ALLOWED_VALUES[name]:
        choices: dict[str, Any] = {"seeds": None, "lock": tmp_path / "pylock.toml", name: value}
        assert cloche.plan(tmp_path / "env", **choices).outcome == "created"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"seeds": "pip"}, "`seeds` must be a list"),
        ({"activators": "bash"}, "`activators` must be a list"),
        ({"find_links": Path("wheels")}, "`find_links` must be a list"),
        ({"python": 3.1}, "`python` must be a string, a path, or a list of them"),
        ({"python": ["3", 3.1]}, "`python` must be a string, a path, or a list of them"),
        ({"python": [b"3.12"]}, "`python` must be a string, a path, or a list of them"),
        ({"seeds": [5]}, "`seeds` must be a list of strings"),
        ({"activators": [None]}, "`activators` must be a list of strings"),
        ({"find_links": 5}, "`find_links` must be a list of strings"),
        ({"prompt": 3}, "`prompt` must be a string"),
        ({"relocatable": "no"}, "`relocatable` must be True or False"),
        ({"cache": 5}, "`cache` must be a string or a path"),
        ({"vcs_ignore": None}, "`vcs_ignore` must be True or False"),
        ({"try_first_with": "python3"}, "`try_first_with` must be a list"),
        ({"try_first_with": [3]}, "`try_first_with` must be a list of strings"),
        ({"pyvenv_cfg": [("a", "b")]}, "`pyvenv_cfg` must be a mapping"),
        ({"pyvenv_cfg": {"a": 1}}, "`pyvenv_cfg` must map strings to strings, not 'a' to 1"),
        ({"options": ["a"]}, "`options` must be a mapping"),
        ({"startup_code": None}, "`startup_code` must be a policy or a list of packages, not None"),
        ({"environ": "PATH"}, "`environ` must be a mapping"),
        ({"environ": {"PATH": 1}}, "`environ` must map strings to strings, not 'PATH' to 1"),
        ({"environ": {1: "x"}}, "`environ` must map strings to strings, not 1 to 'x'"),
        ({"lock": BytesPath()}, "`lock` must be a string or a path, not <bytes path>"),
        ({"cache": BytesPath()}, "`cache` must be a string or a path, not <bytes path>"),
        ({"find_links": [BytesPath()]}, "`find_links` must be a list of strings"),
        ({"pyton": "3"}, "unexpected keyword argument 'pyton'"),
    ],
)
def test_the_error_for_a_wrong_type_names_the_argument(choices: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=message):
        cloche.create(tmp_path / "env", **choices)

    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("path", [b"env", None, 3, BytesPath(), ["env"]])
def test_a_path_must_be_a_string_or_a_path(path: Any) -> None:
    for function in (cloche.create, cloche.plan, cloche.describe):
        with pytest.raises(TypeError, match="`destination` must be a string or a path, not "):
            function(path)
    for function in (cloche.load, cloche.lock_environment):
        with pytest.raises(TypeError, match="`path` must be a string or a path, not "):
            function(path)


UNUSABLE_TEXTS = [
    ("a\0b", "contains a NUL character"),
    ("a\ud800b", "contains U\\+D800, which is not a character"),
]


@pytest.mark.parametrize(("text", "problem"), UNUSABLE_TEXTS)
@pytest.mark.skipif(os.name == "nt", reason="surrogates are allowed in paths on Windows")
def test_text_that_no_program_could_use_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    arguments: list[dict[str, Any]] = [
        *({name: text} for name in ("python", "creator", "seeder", "prompt", "lock", "cache", "startup_code")),
        *({name: [text]} for name in ("python", "try_first_with", "no_finders", "find_links", "seeds", "activators")),
        *({name: [text], "lock": "pylock.toml"} for name in ("extras", "groups")),
        {"options": {text: "x"}},
        {"environ": {text: "x"}},
        {"environ": {"PATH": text}},
        {"pyvenv_cfg": {text: "x"}},
    ]
    for choices in arguments:
        with pytest.raises(cloche.UsageError, match=f"`{next(iter(choices))}` {problem}"):
            cloche.create(tmp_path / "env", **choices)
    for function in (cloche.create, cloche.plan, cloche.describe):
        with pytest.raises(cloche.UsageError, match=f"`destination` {problem}"):
            function(text)
    for function in (cloche.load, cloche.lock_environment):
        with pytest.raises(cloche.UsageError, match=f"`path` {problem}"):
            function(text)
    with pytest.raises(cloche.UsageError, match=f"`specs` {problem}"):
        cloche.find(text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have only Unicode names")
def test_an_undecodable_byte_is_allowed_in_a_path(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/e\xe9")

    assert os.fspath(cloche.cache_directory(cache=path) or "") == path


@pytest.mark.parametrize("name", ["", "A=B"])
def test_a_variable_that_cannot_exist_is_refused(name: str) -> None:
    with pytest.raises(cloche.UsageError, match=f"`environ` cannot contain a variable named `{name}`"):
        cloche.find(environ={name: "x"})


@pytest.mark.parametrize("name", ["x" * 300, "file"])
def test_a_path_that_cannot_be_locked_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(cloche.ClocheError, match="cannot lock `"), cloche.lock_environment(tmp_path / name):
        pytest.fail("locked")


@pytest.mark.parametrize(
    "function", [cloche.find, cloche.load, cloche.plan, cloche.describe, cloche.create_with_result]
)
def test_every_function_refuses_an_unknown_argument(function: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'cahe'"):
        function("3", cahe="elsewhere")


def test_python_may_be_a_path_or_several_requests() -> None:
    running = cloche.find()

    assert cloche.find(Path(running.executable)) == running
    assert cloche.plan("env", python=["3.99", Path(running.executable)], seeds=None).environment.interpreter == running


def test_seeds_are_pip_unless_there_is_a_lock_file(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text('lock-version = "1.0"\ncreated-by = "x"\npackages = []\n')

    def seeds(**choices: Any) -> list[str]:
        return [image.distribution for image in cloche.plan(tmp_path / "env", **choices).images]

    assert seeds() == seeds(seeds="default") == seeds(seeds=["pip"]) == ["pip"]
    assert seeds(lock=tmp_path / "pylock.toml") == seeds(seeds=None) == seeds(seeds=()) == []
    assert seeds(lock=tmp_path / "pylock.toml", seeds=["pip"]) == ["pip"]


def test_find_accepts_positional_and_keyword_requests() -> None:
    running = cloche.find()

    assert cloche.find("3.99", python=running.executable) == running
    with pytest.raises(cloche.InterpreterNotFound, match=r"`3\.99`"):
        cloche.find(python="3.99")


def test_an_interpreter_may_be_tried_first(tmp_path: Path) -> None:
    other = pyenv("3.10" if sys.version_info >= (3, 11) else "3.12")

    found = cloche.find("3", try_first_with=[other])
    planned = cloche.plan(tmp_path / "env", python="3", try_first_with=[Path(other)], seeds=None).environment

    assert found == cloche.find(other) != cloche.find("3")
    assert planned.interpreter == found


@pytest.mark.parametrize("choices", [{}, {"prompt": "it's"}, {"prompt": "."}, {"relocatable": True}])
def test_describe_returns_the_environment_of_a_plan(choices: dict[str, Any], tmp_path: Path) -> None:
    described = cloche.describe(tmp_path / "env", **choices)

    assert described == cloche.plan(tmp_path / "env", seeds=None, **choices).environment
    assert list(tmp_path.iterdir()) == []


def test_describe_ignores_existing_files(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(cloche.DestinationError):
        cloche.plan(tmp_path / "file")
    assert cloche.describe(tmp_path / "file").root == tmp_path / "file"


def test_a_result_has_the_plan_and_the_warnings_and_logs_nothing(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.install("acme", broken="raise RuntimeError('out of order')")

    result = cloche.create_with_result(tmp_path / "env", seeds=None, activators=["python"])

    assert (result.plan.outcome, result.plan.activators) == ("created", ("python",))
    assert result.environment == cloche.load(tmp_path / "env")
    assert [text for text in result.warnings if "out of order" in text]
    assert [record for record in caplog.records if record.funcName == "log_warnings"] == []


def test_the_file_for_version_control_is_optional(tmp_path: Path) -> None:
    cloche.create(tmp_path / "one", seeds=None)
    cloche.create(tmp_path / "two", seeds=None, vcs_ignore=False)

    assert [(tmp_path / name / ".gitignore").exists() for name in ("one", "two")] == [True, False]


def test_a_program_can_add_keys_to_pyvenv_cfg(tmp_path: Path) -> None:
    cloche.create(tmp_path / "env", seeds=None, pyvenv_cfg={"acme": "1.2 = three", "home": "/nowhere", "empty": ""})

    settings = pyvenv_cfg.parse_settings((tmp_path / "env" / "pyvenv.cfg").read_text())
    assert (settings["acme"], settings["empty"]) == ("1.2 = three", "")
    assert settings["home"] != "/nowhere"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *((key, "x") for key in ("", "Upper", " padded", "a=b", "a\nb", "# comment")),
        *(
            ("key", text)
            for text in (" padded", "padded ", "two\nlines", "two\rlines", "end\n", "\n", "\u2028", "\udcff")
        ),
    ],
)
def test_a_key_or_value_that_pyvenv_cfg_cannot_hold_is_refused(key: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(cloche.UsageError, match="`pyvenv_cfg` cannot contain"):
        cloche.create(tmp_path / "env", seeds=None, pyvenv_cfg={key: text})

    assert not (tmp_path / "env").exists()


def test_pip_gets_the_settings_for_the_index_but_none_that_redirect_it(tmp_path: Path) -> None:
    environment = cloche.create(tmp_path / "env", activators=())
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nindex-url = https://index.example\ntarget = {tmp_path}/elsewhere\n")
    variables = {"PATH": "/bin", "PIP_CONFIG_FILE": str(config), "PIP_USER": "1", "PYTHONPATH": str(tmp_path)}

    found = cloche.pip_environ(environment, variables)

    assert found["PIP_INDEX_URL"] == "https://index.example"
    assert found["PATH"] == "/bin"
    assert not {"PIP_TARGET", "PIP_USER", "PYTHONPATH"} & found.keys()
    with pytest.raises(cloche.ClocheError, match=r"pip cannot be used in .* has no pip"):
        cloche.pip_environ(cloche.create(tmp_path / "without", seeds=None))


def test_a_locked_environment_cannot_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = cloche.create(tmp_path / "env", seeds=None)
    lock = cloche.lock_environment(environment.location)
    monkeypatch.setattr("cloche.fs.locks.LOCK_TIMEOUT", 0.1)

    with lock, pytest.raises(cloche.ClocheError, match="has been changing"):
        cloche.create(tmp_path / "env", seeds=None)
    cloche.create(tmp_path / "env", seeds=None)


@pytest.mark.parametrize("name", ["env", "a b$(touch x)`touch x`'\"é"])
@pytest.mark.parametrize("relocatable", [False, True])
def test_a_console_script_works_in_any_directory(
    name: str, relocatable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = cloche.create(tmp_path / name, seeds=None, activators=(), relocatable=relocatable)
    (environment.purelib / "acme.py").write_text("import sys\nclass tool:\n    main = lambda: print(sys.prefix)\n")

    script = cloche.console_script(environment, "acme-tool", "acme:tool.main")
    path = environment.root / script.path
    path.write_bytes(script.content)
    path.chmod(0o755)

    assert (path.parent, script.executable) == (environment.bin, "yes")
    printed = subprocess.run([path], capture_output=True, text=True, encoding="utf-8", check=True).stdout
    assert printed == f"{environment.root}\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_console_script_for_windows_is_an_executable() -> None:
    windows = fake_environment(r"C:\Users\me\my env", fake_interpreter("cpython-3.12-windows"))

    script = cloche.console_script(windows, "acme", "acme:main")

    assert script.path == "Scripts/acme.exe"
    assert script.content.startswith(b"MZ")
    assert b'#!"C:\\Users\\me\\my env\\Scripts\\python.exe"' in script.content


@pytest.mark.parametrize(
    ("name", "target"),
    [*(("acme", target) for target in ("acme", "acme:", ":main", "a b:c", "a:b;c", "")), ("a/b", "a:b"), ("", "a:b")],
)
def test_a_console_script_with_an_invalid_name_or_target_is_refused(name: str, target: str, tmp_path: Path) -> None:
    environment = cloche.describe(tmp_path / "env")

    with pytest.raises(cloche.UsageError):
        cloche.console_script(environment, name, target)


def test_the_cache_directory_is_created_private(tmp_path: Path) -> None:
    found = cloche.cache_directory(cache=tmp_path / "cache")

    assert found == tmp_path / "cache"
    assert found.stat().st_mode & 0o777 == 0o700
    assert cloche.cache_directory() == Path(os.environ["XDG_CACHE_HOME"], "cloche")
    assert cloche.cache_directory(environ={"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "cloche"


def test_the_cache_is_cleared_and_environments_that_link_to_it_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache, location = tmp_path / "cache", tmp_path / "env"
    linked = cloche.create(location, cache=cache, link_mode="symlink")
    caplog.clear()

    cloche.clear_cache(cache=cache)

    assert not (linked.purelib / "pip" / "__init__.py").exists()
    assert [record.message for record in caplog.records] == [
        f"`{location}` links to the cache, and loses its packages; `cloche doctor --fix` installs them again"
    ]
    assert not [path for path in cache.rglob("*") if path.is_file() and path.name not in ("CACHEDIR.TAG", ".gitignore")]


def test_a_read_only_cache_is_not_cleared(tmp_path: Path) -> None:
    cloche.find(cache=tmp_path / "cache")
    files = sorted((tmp_path / "cache").rglob("*"))

    with pytest.raises(cloche.ClocheError, match="read-only"):
        cloche.clear_cache(cache=tmp_path / "cache", access="read-only")

    assert sorted((tmp_path / "cache").rglob("*")) == files


def test_without_a_writable_cache_there_is_no_cache_directory(tmp_path: Path) -> None:
    assert cloche.cache_directory(access="none") is None
    assert cloche.cache_directory(access="read-only") is None
    assert cloche.cache_directory(environ={"HOME": ""}) is None
    (tmp_path / "file").touch()
    with pytest.raises(cloche.ClocheError, match="the cache directory"):
        cloche.cache_directory(cache=tmp_path / "file")


def test_an_empty_cache_path_does_not_mean_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    cloche.plan("env", seeds=None, cache="")

    assert list(tmp_path.iterdir()) == []


def test_every_value_can_be_compared_hashed_and_pickled(tmp_path: Path) -> None:
    plan = cloche.plan(tmp_path / "env", seeds=None)

    for value in (plan, plan.environment, plan.environment.interpreter):
        again = pickle.loads(pickle.dumps(value))
        assert (again, hash(again)) == (value, hash(value))


def test_dir_lists_every_public_name() -> None:
    assert set(cloche.__all__) <= set(dir(cloche))


def test_warnings_are_logged(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site.install("acme", broken="raise RuntimeError('out of order')")
    site.install("acme-late", late="@cloche.hookimpl\ndef cloche_created(result): raise ValueError('too late')")

    cloche.create(tmp_path / "env", seeds=None)

    logged = [(record.name, record.levelno, record.getMessage()) for record in caplog.records]
    assert logged == [
        ("cloche", logging.WARNING, "plugin `broken` of acme 1.0 was skipped: RuntimeError: out of order"),
        (
            "cloche",
            logging.WARNING,
            "plugin `late` of acme-late 1.0 failed after the environment was created: ValueError: too late",
        ),
    ]


def test_skipped_activators_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cloche.plan(tmp_path / "a\nb", seeds=None)

    assert any("csh cannot express a newline" in record.getMessage() for record in caplog.records)


def test_an_unknown_plugin_option_is_refused(site: Site, tmp_path: Path) -> None:
    site.install("acme", greeter=GREETER)

    cloche.create(tmp_path / "env", seeds=None, activators=["greeter"], options={"greeting": "you"})
    with pytest.raises(cloche.UsageError, match="unknown plugin option `greting`") as caught:
        cloche.create(tmp_path / "other", seeds=None, options={"greting": "you"})

    assert (tmp_path / "env" / "bin" / "greet").read_text() == "hello you"
    assert caught.value.hint == "available: `carry-libraries`, `greeting`, `stdlib`"


def test_entries_of_the_import_path_that_are_not_strings_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "empty.zip"
    archive.write_bytes(b"PK\5\6" + bytes(18))
    # Last: Python 3.10 fails at bytes when an import gets as far as that.
    monkeypatch.setattr(sys, "path", [*sys.path, None, b"/usr/lib", tmp_path, 3, str(archive)])
    assert cloche.create(tmp_path / "env").executable.exists()
