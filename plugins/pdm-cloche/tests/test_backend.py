"""Test the backend in an unmodified pdm, which runs as a program in temporary projects."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.testing import python_off_path

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = '[project]\nname = "project"\nversion = "1.0"\nrequires-python = ">=3.9"\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "a project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT)
    return project


def pdm(project: Path, *arguments: str, code: int = 0, **variables: str) -> str:
    environ = {
        **{name: text for name, text in os.environ.items() if not name.startswith("PDM_")},
        "PDM_CONFIG_FILE": str(project.parent / "config.toml"),
        "PDM_CHECK_UPDATE": "0",
        "PDM_IGNORE_ACTIVE_VENV": "1",
        **variables,
    }
    result = subprocess.run(
        [sys.executable, "-m", "pdm", *arguments],
        cwd=project,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout.strip()


def test_an_environment_is_created_and_reused(project: Path) -> None:
    environment = project / ".venv"

    pdm(project, "install", "--no-self", PDM_VENV_BACKEND="cloche")
    assert "\ncloche = " in (environment / "pyvenv.cfg").read_text()
    assert not list(environment.glob("lib/*/site-packages/pip"))
    (environment / "keepsake").touch()
    assert pdm(project, "run", "python", "-c", "import sys; print(sys.prefix)") == str(environment)
    assert (environment / "keepsake").exists()


def test_options_of_cloche_and_of_pdm_are_accepted(project: Path) -> None:
    pdm(project, "config", "venv.backend", "cloche")
    pdm(project, "config", "venv.prompt", "it's {project_name}")

    pdm(project, "venv", "create", "--with-pip", sys.executable, "--system-site-packages")

    settings = (project / ".venv" / "pyvenv.cfg").read_text()
    assert "\ncloche = " in settings
    assert 'prompt = "it\'s a project"' in settings
    assert "include-system-site-packages = true" in settings
    assert list(project.glob(".venv/lib/*/site-packages/pip"))


def test_an_error_of_cloche_fails_the_pdm_command(project: Path) -> None:
    pdm(project, "venv", "create", sys.executable, "--no-such-option", PDM_VENV_BACKEND="cloche", code=1)


def test_projects_without_the_backend_do_not_change(project: Path) -> None:
    pdm(project, "install", "--no-self")

    assert "\ncloche = " not in (project / ".venv" / "pyvenv.cfg").read_text()


def test_an_environment_gets_any_python_that_cloche_finds(project: Path) -> None:
    minor, variables = python_off_path(project.parent)
    managed = project.parent / "home" / ".local" / "share" / "mise" / "installs" / "python"  # pdm does not look there
    managed.parent.mkdir(parents=True)
    (project.parent / "pyenv" / "versions").rename(managed)
    variables["HOME"] = str(project.parent / "home")

    pdm(project, "venv", "create", "--name", "other", minor, PDM_VENV_BACKEND="cloche", **variables)

    (configuration,) = project.parent.rglob("pyvenv.cfg")
    assert f"python-version = {minor}\n" in configuration.read_text()
