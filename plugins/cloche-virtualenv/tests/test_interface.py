"""The Python interface and the command line that tools use, as they use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche_virtualenv import stand_in

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


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The variables of a user without an ini file."""
    return {"VIRTUALENV_CONFIG_FILE": str(tmp_path / "none.ini")}


def test_a_session_describes_and_touches_nothing(tmp_path: Path, env: dict[str, str]) -> None:
    """As tox does: the description has to hold before the environment is there, and it may never be."""
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


def test_the_interpreter_is_what_python_discovery_says(tmp_path: Path, env: dict[str, str]) -> None:
    from python_discovery import PythonInfo
    from virtualenv import session_via_cli
    from virtualenv.discovery.py_info import PythonInfo as Same

    interpreter = session_via_cli([str(tmp_path / "env")], env=env).interpreter

    assert Same is PythonInfo
    assert isinstance(interpreter, PythonInfo)
    assert tuple(interpreter.version_info) == tuple(sys.version_info)
    assert interpreter.system_executable == cloche.find().executable


def test_an_environment_is_made_and_its_session_returned(tmp_path: Path, env: dict[str, str]) -> None:
    """As build does: no activators, an empty directory that is there."""
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


def test_no_interpreter_is_a_runtime_error(tmp_path: Path, env: dict[str, str]) -> None:
    from virtualenv import session_via_cli

    with pytest.raises(RuntimeError, match=r"failed to find interpreter for 2\.7"):
        session_via_cli([str(tmp_path / "env"), "-p", "2.7"], env=env)


@pytest.mark.parametrize("arguments", [[], ["env", "--no-such-option"], ["env", "other"], ["env", "--link-mode", "x"]])
def test_arguments_without_sense_end_the_program(
    arguments: list[str], env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    from virtualenv import session_via_cli

    with pytest.raises(SystemExit) as stopped:
        session_via_cli(arguments, env=env)

    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: virtualenv")
    assert "`cloche" not in said


def test_a_refusal_is_a_runtime_error_with_its_remedy(tmp_path: Path, env: dict[str, str]) -> None:
    from virtualenv import cli_run

    (tmp_path / "file").touch()

    with pytest.raises(RuntimeError, match=r"is not a directory .*choose another place"):
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
def test_variables_speak_where_arguments_are_silent(
    tmp_path: Path, env: dict[str, str], variables: dict[str, str], argv: list[str], expected: str
) -> None:
    from virtualenv import cli_run

    cli_run([str(tmp_path / "env"), *argv], env={**env, **variables})

    assert expected in (tmp_path / "env" / "pyvenv.cfg").read_text()


def test_an_ini_file_speaks_where_variables_are_silent(tmp_path: Path) -> None:
    from virtualenv import cli_run

    ini = tmp_path / "virtualenv.ini"
    ini.write_text("[virtualenv]\nprompt = of the file\nsystem-site-packages = true\nno_seed = 1\n")

    cli_run([str(tmp_path / "env")], env={"VIRTUALENV_CONFIG_FILE": str(ini), "VIRTUALENV_PROMPT": "of the variable"})

    said = (tmp_path / "env" / "pyvenv.cfg").read_text()
    assert "prompt = 'of the variable'" in said
    assert "include-system-site-packages = true" in said


def test_settings_of_cloches_own_command_line_have_no_part(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool has to get the same environment wherever it runs."""
    from virtualenv import cli_run

    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = "<3"\n[tool.cloche]\nprompt = "project"\n')
    monkeypatch.chdir(tmp_path)

    cli_run(["env", "--no-seed"], env={**env, "CLOCHE_PROMPT": "variable"})

    assert "prompt" not in (tmp_path / "env" / "pyvenv.cfg").read_text()


def test_pip_runs_out_of_the_wheel_that_would_be_embedded() -> None:
    """As poetry does in an environment without pip."""
    from virtualenv.seed.wheels.embed import get_embed_wheel

    wheel = get_embed_wheel("pip", "{}.{}".format(*sys.version_info))
    said = subprocess.run([sys.executable, wheel.path / "pip", "--version"], capture_output=True, text=True, check=True)

    assert str(wheel.path) in said.stdout
    assert get_embed_wheel("pip", "3.99").path == wheel.path
    assert get_embed_wheel("setuptools", "3.11") is None


def test_python_discovery_takes_the_cache_that_tox_asks_for(tmp_path: Path) -> None:
    from virtualenv.app_data import make_app_data
    from virtualenv.discovery.cached_py_info import from_exe
    from virtualenv.discovery.py_info import PythonInfo

    for folder in (None, str(tmp_path / "cache")):
        cache = make_app_data(folder, read_only=False, env={})
        assert from_exe(PythonInfo, cache, cloche.find().executable).version_info.major == 3
        cache.close()


@pytest.fixture
def run(tmp_path: Path, env: dict[str, str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `virtualenv` as a program: exit code and output."""
    import virtualenv

    site = str(Path(virtualenv.__file__).parent.parent)

    def call(*arguments: str) -> tuple[int, str]:
        program = f"import sys; sys.path.insert(0, {site!r}); from virtualenv.__main__ import run_with_catch as r; r()"
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return call


def test_the_program_says_what_it_made(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("env")

    assert code == 0
    assert said.startswith("created virtual environment ")
    assert "added seed packages: pip==" in said
    assert run("other", "-qq") == (0, "")


def test_the_program_ends_as_virtualenv_does(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("env", "-p", "2.7")
    assert (code, said.partition(":")[0]) == (1, "RuntimeError")
    assert run("--no-such-option", "env")[0] == 2
    assert run()[0] == 2
    assert "Traceback" in run("env", "-p", "2.7", "--with-traceback")[1]


def test_the_program_tells_its_version_and_its_options(run: Callable[..., tuple[int, str]]) -> None:
    assert run("--version")[1].startswith("virtualenv 21.99.0+cloche.test from ")
    code, said = run("--help")
    assert code == 0
    assert "--system-site-packages" in said.split()
    assert "\x1b" not in said


def test_the_program_says_what_has_no_effect_if_one_listens(run: Callable[..., tuple[int, str]]) -> None:
    assert "`--no-periodic-update` was taken and has no effect" in run("env", "--no-periodic-update", "-v")[1]
    assert "no effect" not in run("env", "--no-periodic-update")[1]


def test_a_destination_may_be_named_like_a_command(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    for name in ("create", "doctor", "virtualenv-shim"):
        assert run(name, "--no-seed")[0] == 0
        assert (tmp_path / name / "pyvenv.cfg").is_file()
