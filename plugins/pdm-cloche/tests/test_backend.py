"""The backend, in an unmodified pdm: `pdm` runs as a program, in projects of these tests."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

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
    done = subprocess.run(
        [sys.executable, "-m", "pdm", *arguments],
        cwd=project,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout.strip()


def test_an_environment_is_made_and_used_again(project: Path) -> None:
    made = project / ".venv"

    pdm(project, "install", "--no-self", PDM_VENV_BACKEND="cloche")
    assert "\ncloche = " in (made / "pyvenv.cfg").read_text()
    assert not list(made.glob("lib/*/site-packages/pip"))
    (made / "keepsake").touch()
    assert pdm(project, "run", "python", "-c", "import sys; print(sys.prefix)") == str(made)
    assert (made / "keepsake").exists()


def test_it_takes_cloches_options_and_pdms_own(project: Path) -> None:
    pdm(project, "config", "venv.backend", "cloche")
    pdm(project, "config", "venv.prompt", "it's {project_name}")

    pdm(project, "venv", "create", "--with-pip", sys.executable, "--system-site-packages")

    settings = (project / ".venv" / "pyvenv.cfg").read_text()
    assert "\ncloche = " in settings
    assert 'prompt = "it\'s a project"' in settings
    assert "include-system-site-packages = true" in settings
    assert list(project.glob(".venv/lib/*/site-packages/pip"))


def test_a_refusal_of_cloche_is_a_failure_of_pdm(project: Path) -> None:
    pdm(project, "venv", "create", sys.executable, "--no-such-option", PDM_VENV_BACKEND="cloche", code=1)


def test_nothing_changes_where_it_is_not_asked_for(project: Path) -> None:
    pdm(project, "install", "--no-self")

    assert "\ncloche = " not in (project / ".venv" / "pyvenv.cfg").read_text()
