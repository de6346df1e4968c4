"""Test the Python interface and the command line as tools use them."""

from __future__ import annotations

import base64
import csv
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche_virtualenv import stand_in
from cloche_virtualenv.session import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("_stand_in")


@pytest.fixture(scope="session")
def _stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make the stand-in importable as `virtualenv`."""
    root = tmp_path_factory.mktemp("stand-in")
    environment = cloche.plan(root / "env", seeds=None, activators=()).environment
    stand_in.write_stand_in(environment, str(root), "21.99.0+cloche.test", {})
    site = str(root / environment.layout.purelib)
    sys.path.insert(0, site)
    yield
    sys.path.remove(site)
    for name in [name for name in sys.modules if name.partition(".")[0] == "virtualenv"]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    """Restore the level of the logger, which the verbosity option changes for the whole process."""
    logger = logging.getLogger("cloche")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a user without a configuration file."""
    return {"VIRTUALENV_CONFIG_FILE": str(tmp_path / "none.ini")}


def test_creating_a_session_does_not_touch_the_destination(tmp_path: Path, env: dict[str, str]) -> None:
    """tox uses sessions of environments that it may never create."""
    from virtualenv import session_via_cli

    session = session_via_cli([str(tmp_path / "env"), "--python=3"], options=None, setup_logging=False, env=env)
    creator = session.creator

    assert list(tmp_path.iterdir()) == []
    assert creator.dest == tmp_path / "env"
    assert creator.exe.parent == creator.bin_dir == creator.script_dir
    assert creator.purelib.name == "site-packages"
    assert creator.pyenv_cfg == {}
    session.run()
    assert creator.exe.exists()
    assert creator.purelib.is_dir()
    assert creator.pyenv_cfg["virtualenv"] == "21.99.0+cloche.test"


def test_the_interpreter_is_described_by_python_discovery(tmp_path: Path, env: dict[str, str]) -> None:
    from python_discovery import PythonInfo
    from virtualenv import session_via_cli
    from virtualenv.discovery.py_info import PythonInfo as StandInPythonInfo

    interpreter = session_via_cli([str(tmp_path / "env")], env=env).interpreter

    assert StandInPythonInfo is PythonInfo
    assert isinstance(interpreter, PythonInfo)
    assert tuple(interpreter.version_info) == tuple(sys.version_info)
    assert interpreter.system_executable == cloche.find().executable


def test_an_environment_is_created_and_its_session_returned(tmp_path: Path, env: dict[str, str]) -> None:
    """As build does: without activators, in an existing empty directory."""
    from virtualenv import cli_run

    (tmp_path / "env").mkdir()
    result = cli_run(
        [str(tmp_path / "env"), "--activators", "", "--no-setuptools", "--no-periodic-update"],
        setup_logging=False,
        env=env,
    )

    assert subprocess.run([result.creator.exe, "-m", "pip", "--version"], capture_output=True, check=True)
    assert not (result.creator.bin_dir / "activate").exists()
    assert (result.activators, result.seeder) == ([], "pip")


@pytest.mark.parametrize("where", ["option", "variable"])
def test_the_cache_is_emptied_first(tmp_path: Path, env: dict[str, str], where: str) -> None:
    from virtualenv import session_via_cli

    cache = tmp_path / "cache"
    arguments = [str(tmp_path / "env"), *(["--app-data", str(cache)] if where == "option" else [])]
    variables = {**env, "CLOCHE_CACHE_DIR": str(cache)} if where == "variable" else env
    session_via_cli(arguments, env=variables)
    (old,) = cache.rglob("interpreters")
    (old / "leftover").write_text("")

    session_via_cli([*arguments, "--read-only-app-data", "--reset-app-data"], env=variables)
    assert (old / "leftover").exists()
    session_via_cli([*arguments, "--reset-app-data"], env=variables)
    assert not (old / "leftover").exists()


def test_the_cache_is_emptied_by_the_cloche_that_the_stand_in_uses(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python of a tool may lack cloche, if the stand-in borrows it; and a directory of the user may have its name."""
    from virtualenv import session_via_cli

    (tmp_path / "cloche").mkdir()
    (tmp_path / "cloche" / "__init__.py").write_text("raise SystemExit('a file of the user was run')\n")
    monkeypatch.chdir(tmp_path)
    arguments = ["env", "--app-data", "cache"]
    session_via_cli(arguments, env=env)
    (old,) = (tmp_path / "cache").rglob("interpreters")
    (old / "leftover").write_text("")

    session_via_cli([*arguments, "--reset-app-data"], env=env)

    assert not (old / "leftover").exists()


def test_a_missing_interpreter_is_a_runtime_error(tmp_path: Path, env: dict[str, str]) -> None:
    from virtualenv import session_via_cli

    with pytest.raises(RuntimeError, match=r"failed to find interpreter for 2\.7"):
        session_via_cli([str(tmp_path / "env"), "-p", "2.7"], env=env)


@pytest.mark.parametrize("arguments", [[], ["env", "--no-such-option"], ["env", "other"], ["env", "--link-mode", "x"]])
def test_invalid_arguments_exit_with_2(
    arguments: list[str], env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    from virtualenv import session_via_cli

    with pytest.raises(SystemExit) as stopped:
        session_via_cli(arguments, env=env)

    assert stopped.value.code == 2
    output = capsys.readouterr().err
    assert output.startswith("usage: virtualenv")
    assert "`cloche" not in output


def test_a_refusal_is_a_runtime_error_with_its_hint(tmp_path: Path, env: dict[str, str]) -> None:
    from virtualenv import cli_run

    (tmp_path / "file").touch()

    with pytest.raises(RuntimeError, match=r"is not a directory .*choose another destination"):
        cli_run([str(tmp_path / "file")], env=env)


@pytest.mark.parametrize(
    ("variables", "argv", "expected"),
    [
        ({"VIRTUALENV_SYSTEM_SITE_PACKAGES": "True"}, [], "include-system-site-packages = true"),
        ({"VIRTUALENV_SYSTEM_SITE_PACKAGES": "False"}, [], "include-system-site-packages = false"),
        ({"VIRTUALENV_PROMPT": "theirs"}, [], "prompt = 'theirs'"),
        ({"VIRTUALENV_PROMPT": "theirs"}, ["--prompt", "mine"], "prompt = 'mine'"),
        ({"VIRTUALENV_PYTHON": "<0"}, ["--python", "3"], "version = 3."),
        ({"VIRTUALENV_CLEAR": "False", "VIRTUALENV_COPIES": "no", "VIRTUALENV_TRY_FIRST_WITH": ""}, [], "home = "),
        ({"VIRTUALENV_DOWNLOAD": "True", "VIRTUALENV_NO_SUCH_THING": "1"}, ["--no-download"], "home = "),
        ({"VIRTUALENV_WITHOUT_PIP": "1"}, [], "--no-seed"),
    ],
)
def test_arguments_override_variables(
    tmp_path: Path, env: dict[str, str], variables: dict[str, str], argv: list[str], expected: str
) -> None:
    from virtualenv import cli_run

    cli_run([str(tmp_path / "env"), *argv], env={**env, **variables})

    assert expected in (tmp_path / "env" / "pyvenv.cfg").read_text()


def test_variables_override_the_file(tmp_path: Path) -> None:
    from virtualenv import cli_run

    ini = tmp_path / "virtualenv.ini"
    ini.write_text("[virtualenv]\nprompt = of the file\nsystem-site-packages = true\nno_seed = 1\n")

    cli_run([str(tmp_path / "env")], env={"VIRTUALENV_CONFIG_FILE": str(ini), "VIRTUALENV_PROMPT": "of the variable"})

    output = (tmp_path / "env" / "pyvenv.cfg").read_text()
    assert "prompt = 'of the variable'" in output
    assert "include-system-site-packages = true" in output


def test_settings_of_cloche_are_ignored(tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool must get the same environment in every project."""
    from virtualenv import cli_run

    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = "<3"\n[tool.cloche]\nprompt = "project"\n')
    monkeypatch.chdir(tmp_path)

    cli_run(["env", "--no-seed"], env={**env, "CLOCHE_PROMPT": "variable"})

    assert "prompt" not in (tmp_path / "env" / "pyvenv.cfg").read_text()


def test_pip_runs_from_the_embedded_wheel() -> None:
    """poetry uses it in an environment without pip."""
    from virtualenv.seed.wheels.embed import get_embed_wheel

    wheel = get_embed_wheel("pip", "{}.{}".format(*sys.version_info))
    output = subprocess.run(
        [sys.executable, wheel.path / "pip", "--version"], capture_output=True, text=True, check=True
    )

    assert str(wheel.path) in output.stdout
    assert get_embed_wheel("pip", "3.99").path == wheel.path
    assert get_embed_wheel("pip", None).path == wheel.path
    assert get_embed_wheel("setuptools", "3.11") is None


def test_pip_installs_the_embedded_wheel(tmp_path: Path) -> None:
    from virtualenv.seed.wheels.embed import get_embed_wheel

    wheel = get_embed_wheel("pip", None)
    options = ["--no-index", "--no-deps", "--disable-pip-version-check", "--target", tmp_path / "site"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, wheel.path], capture_output=True, check=True)

    with zipfile.ZipFile(wheel.path) as archive:
        info = f"pip-{wheel.version}.dist-info"
        rows = list(csv.reader(archive.read(f"{info}/RECORD").decode().splitlines()))
        assert {row[0] for row in rows} == set(archive.namelist())
        for path, hashed, _ in rows:
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(path)).digest()).rstrip(b"=").decode()
            assert hashed == ("" if path.endswith("/RECORD") else f"sha256={digest}")
    assert (tmp_path / "site" / "pip" / "__init__.py").is_file()


def test_an_embedded_wheel_needs_no_persistent_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from virtualenv.seed.wheels.embed import get_embed_wheel

    monkeypatch.setenv("HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert get_embed_wheel("pip", None).path.is_relative_to(tmp_path)


def test_python_discovery_accepts_the_cache(tmp_path: Path) -> None:
    from virtualenv.app_data import make_app_data
    from virtualenv.discovery.cached_py_info import from_exe
    from virtualenv.discovery.py_info import PythonInfo

    for folder in (None, str(tmp_path / "cache")):
        cache = make_app_data(folder, read_only=False, env={})
        assert from_exe(PythonInfo, cache, cloche.find().executable).version_info.major == 3
        cache.close()


def test_make_app_data_returns_none_if_the_cache_cannot_be_created(tmp_path: Path) -> None:
    from virtualenv.app_data import make_app_data

    (tmp_path / "file").touch()
    variables = {"VIRTUALENV_OVERRIDE_APP_DATA": str(tmp_path / "override")}

    assert make_app_data(str(tmp_path / "file" / "cache"), read_only=False, env={}) is None
    assert make_app_data(None, read_only=False, env={"CLOCHE_CACHE_DIR": str(tmp_path / "file")}) is None
    assert make_app_data(None, read_only=False, env=variables).folder == str(tmp_path / "override")


def test_parsed_options_are_stored_in_the_object_of_the_caller(tmp_path: Path, env: dict[str, str]) -> None:
    from virtualenv import session_via_cli
    from virtualenv.config.cli.parser import VirtualEnvOptions

    options = VirtualEnvOptions(unrelated="kept")
    assert options.verbosity is None
    session = session_via_cli(
        [str(tmp_path / "env"), "-p", "3", "-v"], options, env={**env, "VIRTUALENV_PROMPT": "x"}, setup_logging=False
    )

    assert session.options is options
    assert (options.dest, options.python, options.prompt) == (str(tmp_path / "env"), ["3"], "x")
    assert (options.verbosity, session.verbosity, options.unrelated) == (3, 3, "kept")
    assert [options.get_source(name) for name in ("python", "prompt", "clear")] == ["cli", "env var", "default"]


def test_a_session_of_an_existing_environment_has_the_new_paths(tmp_path: Path, env: dict[str, str]) -> None:
    """tox creates such a session before it removes an environment of another Python."""
    from virtualenv import session_via_cli

    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /nowhere\nversion = 3.2.1\n")
    session = session_via_cli([str(tmp_path / "env")], env=env)

    assert session.creator.exe.name.startswith("python")
    assert session.creator.pyenv_cfg == {"home": "/nowhere", "version": "3.2.1"}
    with pytest.raises(RuntimeError, match=r"is an environment of Python 3\.2\.1, not of"):
        session.run()


def test_a_variable_may_contain_several_requests(tmp_path: Path, env: dict[str, str]) -> None:
    from virtualenv import session_via_cli

    requests = os.pathsep.join(["2.1", "3.99", sys.executable])
    session = session_via_cli([str(tmp_path / "env")], env={**env, "VIRTUALENV_PYTHON": requests})

    assert session.interpreter.version_info.major == 3


def test_a_hint_mentions_only_options_of_virtualenv(tmp_path: Path, env: dict[str, str]) -> None:
    from virtualenv import cli_run

    error = cloche.ClocheError("no space", hint="free some space; `relocatable=True` needs less; `cache` moves it")
    (tmp_path / "pyproject.toml").touch()

    assert text_of(error) == "no space (free some space; `--app-data` moves it)"
    with pytest.raises(RuntimeError, match=r"is not an environment.*\(without `--clear`, [^-]*\)$"):
        cli_run([str(tmp_path), "--clear"], env=env)


def test_a_cache_that_cannot_be_created_does_not_stop_the_run(
    tmp_path: Path, env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    from virtualenv import cli_run

    (tmp_path / "file").touch()

    cli_run([str(tmp_path / "env"), "--app-data", str(tmp_path / "file" / "cache")], env=env)

    assert list(tmp_path.glob("env/lib/*/site-packages/pip/__init__.py"))
    assert [text for text in caplog.messages if "cannot be created" in text]


def test_a_read_only_cache_has_to_exist(tmp_path: Path, env: dict[str, str]) -> None:
    from virtualenv import cli_run

    arguments = [str(tmp_path / "env"), "--read-only-app-data", "--app-data", str(tmp_path / "cache")]
    with pytest.raises(RuntimeError, match=r"read-only app data directory .* does not exist"):
        cli_run(arguments, env=env)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "cache").mkdir()
    cli_run(arguments, env=env)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(("arguments", "logs"), [([], True), (["-q"], False)])
def test_the_verbosity_determines_whether_warnings_are_logged(
    arguments: list[str], logs: bool, tmp_path: Path, env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    from virtualenv import session_via_cli

    session_via_cli([str(tmp_path / "env"), *arguments], env={**env, "VIRTUALENV_CLEAR": "perhaps"})

    assert any("`VIRTUALENV_CLEAR`" in text for text in caplog.messages) is logs
    before = logging.getLogger("cloche").level
    session_via_cli([str(tmp_path / "env"), "-vvv"], setup_logging=False, env=env)
    assert logging.getLogger("cloche").level == before


@pytest.fixture
def run(tmp_path: Path, env: dict[str, str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `virtualenv` as a program, and returns its exit code and output."""
    import virtualenv

    site = str(Path(virtualenv.__file__).parent.parent)

    def call(*arguments: str, **variables: str) -> tuple[int, str]:
        program = f"import sys; sys.path.insert(0, {site!r}); from virtualenv.__main__ import run_with_catch as r; r()"
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path,
            env={**os.environ, **env, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return call


def test_the_program_reports_what_it_created(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run("env")

    assert code == 0
    assert output.startswith("created virtual environment ")
    assert "added seed packages: pip==" in output
    assert run("other", "-qq") == (0, "")


def test_the_program_exits_as_virtualenv_does(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run("env", "-p", "2.7")
    assert (code, output.partition(":")[0]) == (1, "RuntimeError")
    assert run("--no-such-option", "env")[0] == 2
    assert run()[0] == 2
    assert "Traceback" in run("env", "-p", "2.7", "--with-traceback")[1]
    assert "Traceback" in run("env", "-p", "2.7", VIRTUALENV_WITH_TRACEBACK="1")[1]
    assert run("env", "--without-scm-ignore-files")[0] == 2


def test_an_upgrade_of_embedded_wheels_needs_no_destination(run: Callable[..., tuple[int, str]]) -> None:
    assert run("--upgrade-embed-wheels") == (0, "cloche embeds no wheels, so there is nothing to upgrade\n")


def test_the_program_prints_its_version_and_its_options(run: Callable[..., tuple[int, str]]) -> None:
    assert run("--version")[1].startswith("virtualenv 21.99.0+cloche.test from ")
    code, output = run("--help")
    assert code == 0
    assert "--system-site-packages" in output.split()
    assert "\x1b" not in output


def test_the_program_names_ignored_options_if_it_is_verbose(run: Callable[..., tuple[int, str]]) -> None:
    assert (
        "`--no-periodic-update` is accepted for compatibility and ignored"
        in run("env", "--no-periodic-update", "-v")[1]
    )
    assert "for compatibility" not in run("env", "--no-periodic-update")[1]


def test_a_destination_may_have_the_name_of_a_command(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    for name in ("create", "doctor", "virtualenv-shim"):
        assert run(name, "--no-seed")[0] == 0
        assert (tmp_path / name / "pyvenv.cfg").is_file()
