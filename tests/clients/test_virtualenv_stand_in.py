"""Test that tools which call virtualenv, unmodified from the index, create their environments with cloche."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import cloche
from cloche.planning.pyvenv_cfg import parse_settings
from tests.clients.conftest import recorded_tool
from tests.clients.wheelhouse import make_project
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloche import Interpreter
    from tests.clients.conftest import Tool

IMPORT_LEAF = "import leaf, sys; print('leaf', leaf.ANSWER, sys.prefix)"


def find_another_python() -> Interpreter:
    """Return a Python of another version than the one that runs the tests."""
    ours = ".".join(map(str, sys.version_info[:2]))
    try:
        return cloche.find(*(version for version in ("3.13", "3.12", "3.11", "3.10") if version != ours))
    except cloche.InterpreterNotFound:
        skip_missing("no Python of another version found")


def add_marker(environment: Path) -> Path:
    """Add a file to an environment and return its path; it disappears if the environment is created again."""
    path = environment / "marker"
    path.touch()
    return path


def test_tox_creates_reuses_and_recreates_environments(client: Callable[..., Tool], tmp_path: Path) -> None:
    """`tox config` creates nothing, and a packaged project is installed in two environments."""
    tox = client("tox")
    project = make_project(tmp_path / "a project")
    (project / "tox.ini").write_text(
        "[tox]\nenv_list = py, other\n[testenv]\npackage = wheel\ndeps = leaf\n"
        f'commands =\n    python -c "{IMPORT_LEAF}"\n    project\n'
    )

    tox("config", cwd=project)
    assert not (project / ".tox" / "py").exists()
    first = tox("run", cwd=project)
    assert first.count("hello from the project") == 2
    environments = [project / ".tox" / name for name in ("py", "other", ".pkg")]
    assert [recorded_tool(environment) for environment in environments] == ["cloche"] * 3
    marker = add_marker(project / ".tox" / "py")
    tox("run", cwd=project)
    assert marker.exists()
    tox("run", "-r", "-e", "py", cwd=project)
    assert not marker.exists()


def test_tox_uses_another_python_and_skips_a_missing_one(client: Callable[..., Tool], tmp_path: Path) -> None:
    tox = client("tox")
    other = find_another_python()
    name = f"py{other.python_version.replace('.', '')}"
    (tmp_path / "tox.ini").write_text(
        f"[tox]\nno_package = true\nenv_list = {name}, py27\nskip_missing_interpreters = true\n"
        '[testenv]\ncommands = python -c "import sys; print(sys.version_info[:2])"\n'
    )

    output = tox("run", cwd=tmp_path, PATH=os.pathsep.join([os.path.dirname(other.executable), os.environ["PATH"]]))

    assert str(other.version[:2]) in output
    assert "py27: SKIP" in output
    assert recorded_tool(tmp_path / ".tox" / name) == "cloche"


def test_nox_creates_and_reuses_environments(client: Callable[..., Tool], tmp_path: Path) -> None:
    nox = client("nox")
    (tmp_path / "noxfile.py").write_text(
        "import nox\n\n@nox.session\ndef plain(session):\n    session.install('leaf')\n"
        f"    session.run('python', '-c', {IMPORT_LEAF!r})\n\n"
        "@nox.session(venv_params=['--system-site-packages', '--no-download'])\ndef system(session):\n"
        "    session.run('python', '-c', 'print(1)')\n"
    )

    first = nox(cwd=tmp_path)
    assert "leaf 42" in first
    environments = [tmp_path / ".nox" / name for name in ("plain", "system")]
    assert [recorded_tool(environment) for environment in environments] == ["cloche", "cloche"]
    settings = [parse_settings((environment / "pyvenv.cfg").read_text()) for environment in environments]
    assert [config["include-system-site-packages"] for config in settings] == ["false", "true"]
    markers = [add_marker(environment) for environment in environments]
    second = nox("-r", cwd=tmp_path, NOX_ENABLE_STALENESS_CHECK="1")
    assert [marker.exists() for marker in markers] == [True, True], second
    nox(cwd=tmp_path)
    assert [marker.exists() for marker in markers] == [False, False]


def test_pre_commit_installs_a_hook_once_and_considers_it_healthy(client: Callable[..., Tool], tmp_path: Path) -> None:
    require("git")
    pre_commit = client("pre-commit")
    hook = make_project(tmp_path / "hook")
    (hook / ".pre-commit-hooks.yaml").write_text("- {id: hello, name: hello, entry: project, language: python}\n")
    (hook / "project.py").write_text("import sys\n\ndef main():\n    print('checked in', sys.prefix)\n")
    commit(hook, pre_commit)
    revision = git(hook, pre_commit, "rev-parse", "HEAD").strip()
    work = tmp_path / "work"
    work.mkdir()
    (work / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {hook}\n  rev: {revision}\n  hooks: [{{id: hello, verbose: true}}]\n"
    )
    commit(work, pre_commit)
    home = str(tmp_path / "pre-commit")

    assert "checked in" in pre_commit("run", "--all-files", cwd=work, PRE_COMMIT_HOME=home)
    (environment,) = Path(home).glob("repo*/py_env-*")
    assert recorded_tool(environment) == "cloche"
    marker = add_marker(environment)
    again = pre_commit("run", "--all-files", cwd=work, PRE_COMMIT_HOME=home)
    assert "checked in" in again
    assert "Installing environment" not in again
    assert marker.exists()


def git(directory: Path, tool: Tool, *arguments: str) -> str:
    return tool.run(Path(require("git")), *arguments, cwd=directory)


def commit(directory: Path, tool: Tool) -> None:
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "all")):
        git(directory, tool, *arguments)


def test_poetry_creates_an_environment_and_prints_how_to_activate_it(
    client: Callable[..., Tool], tmp_path: Path
) -> None:
    poetry = client("poetry")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "project"\nversion = "1.0"\nrequires-python = ">=3.9"\n'
        "[tool.poetry]\npackage-mode = false\n"
        '[tool.poetry.dependencies]\nleaf = { path = "leaf-1.0-py3-none-any.whl" }\n'
    )
    wheel = next(Path(poetry.environ["PIP_FIND_LINKS"]).glob("leaf-*"))
    (project / wheel.name).write_bytes(wheel.read_bytes())
    variables = {
        "POETRY_VIRTUALENVS_IN_PROJECT": "1",
        "POETRY_VIRTUALENVS_PROMPT": "it's {project_name}",
        "POETRY_VIRTUALENVS_OPTIONS_NO_PIP": "1",
        "SHELL": "/bin/bash",
    }

    poetry("install", cwd=project, **variables)
    assert recorded_tool(project / ".venv") == "cloche"
    assert "leaf 42" in poetry("run", "python", "-c", IMPORT_LEAF, cwd=project, **variables)
    marker = add_marker(project / ".venv")
    poetry("install", cwd=project, **variables)
    assert marker.exists()
    assert parse_settings((project / ".venv" / "pyvenv.cfg").read_text())["prompt"] == "it's project"
    assert not list((project / ".venv").glob("lib/*/site-packages/pip"))
    activate = poetry("env", "activate", cwd=project, **variables)
    assert str(project / ".venv" / "bin" / "activate") in activate


def test_poetry_runs_pip_from_the_embedded_wheel(client: Callable[..., Tool], tmp_path: Path) -> None:
    poetry = client("poetry")
    program = (
        "from pathlib import Path\nfrom poetry.utils.env import EnvManager, VirtualEnv\n"
        "EnvManager.build_venv(Path('env'))\nprint(VirtualEnv(Path('env').resolve()).run_pip('--version'))\n"
    )

    output = poetry.python("-c", program, cwd=tmp_path)

    assert output.startswith("pip ")
    assert ".whl" in output
    assert recorded_tool(tmp_path / "env") == "cloche"


def test_hatch_creates_and_reuses_an_environment(client: Callable[..., Tool], tmp_path: Path) -> None:
    hatch = client("hatch")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "project"\nversion = "1.0"\n'
        '[tool.hatch.envs.default]\nskip-install = true\ndependencies = ["leaf"]\n'
    )
    variables = {"HATCH_DATA_DIR": str(tmp_path / "data"), "HATCH_CACHE_DIR": str(tmp_path / "cache")}

    assert "leaf 42" in hatch("run", "python", "-c", IMPORT_LEAF, cwd=project, **variables)
    root = Path(hatch("env", "find", cwd=project, **variables).strip())
    assert recorded_tool(root) == "cloche"
    marker = add_marker(root)
    assert "leaf 42" in hatch("run", "python", "-c", IMPORT_LEAF, cwd=project, **variables)
    assert marker.exists()


def test_pipenv_creates_and_reuses_an_environment(client: Callable[..., Tool], tmp_path: Path) -> None:
    pipenv = client("pipenv")
    (tmp_path / "Pipfile").write_text("[packages]\n")
    variables = {"PIPENV_VENV_IN_PROJECT": "1", "PIPENV_IGNORE_VIRTUALENVS": "1"}

    first = pipenv("install", "--skip-lock", cwd=tmp_path, **variables)
    assert "created virtual environment" in first
    assert recorded_tool(tmp_path / ".venv") == "cloche"
    marker = add_marker(tmp_path / ".venv")
    pipenv("install", "--skip-lock", cwd=tmp_path, **variables)
    assert marker.exists()
    pipenv("run", "pip", "install", "-q", "leaf", cwd=tmp_path, **variables)
    assert "leaf 42" in pipenv("run", "python", "-c", IMPORT_LEAF, cwd=tmp_path, **variables)


def test_build_without_pip_creates_isolated_environments(client: Callable[..., Tool], tmp_path: Path) -> None:
    """build uses virtualenv if it has no pip. The wheel contains the `pyvenv.cfg` of the environment that it was built in."""
    build = client("build", "build[virtualenv]")
    subprocess.run(
        [build.environment.executable, "-m", "pip", "uninstall", "--quiet", "--yes", "pip"],
        capture_output=True,
        check=False,
    )
    build.name = "pyproject-build"
    project = make_project(tmp_path / "project")

    output = build("-v", cwd=project)

    assert "virtualenv+pip" in output
    with zipfile.ZipFile(project / "dist" / "project-1.0-py3-none-any.whl") as wheel:
        settings = parse_settings(wheel.read("project-1.0.dist-info/built-in.cfg").decode())
    assert "cloche" in settings


def test_pdm_creates_and_reuses_environments(client: Callable[..., Tool], tmp_path: Path) -> None:
    pdm = client("pdm")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "project"\nversion = "1.0"\nrequires-python = ">=3.9"\n')
    variables = {"PDM_CHECK_UPDATE": "0", "PDM_IGNORE_ACTIVE_VENV": "1"}

    pdm("install", "--no-self", cwd=project, **variables)
    assert recorded_tool(project / ".venv") == "cloche"
    marker = add_marker(project / ".venv")
    pdm("install", "--no-self", cwd=project, **variables)
    assert marker.exists()
    pdm("venv", "create", "--name", "with-pip", "--with-pip", cwd=project, **variables)
    other = Path(pdm("venv", "--path", "with-pip", cwd=project, **variables).strip())
    assert recorded_tool(other) == "cloche"
    assert (other / "bin" / "pip").exists()
    assert not (project / ".venv" / "bin" / "pip").exists()
