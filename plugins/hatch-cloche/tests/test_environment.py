"""Test the environment type in an unmodified hatch, which runs as a program in temporary projects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloche.testing import python_off_path
from cloche.testing.seeders import sample_lock, sample_wheel

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "project"
version = "1.0"
[tool.hatch.envs.default]
skip-install = true
[tool.hatch.envs.ours]
type = "cloche"
[tool.hatch.envs.system]
type = "cloche"
system-packages = true
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "a project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT)
    return project


def hatch(project: Path, *arguments: str, code: int = 0, **variables: str) -> str:
    (project.parent / "config.toml").touch()
    data = {f"HATCH_{name}_DIR": str(project.parent / name.lower()) for name in ("DATA", "CACHE")}
    result = subprocess.run(
        [sys.executable, "-m", "hatch", *arguments],
        cwd=project,
        env={**os.environ, **data, "HATCH_CONFIG": str(project.parent / "config.toml"), "NO_COLOR": "1", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout.strip()


def settings(project: Path, name: str) -> str:
    return (Path(hatch(project, "env", "find", name)) / "pyvenv.cfg").read_text()


def test_an_environment_is_created_and_reused(project: Path) -> None:
    show = ["python", "-c", "import sys; print(sys.prefix)"]

    prefix = Path(hatch(project, "-e", "ours", "run", *show).splitlines()[-1])
    assert "\ncloche = " in settings(project, "ours")
    (prefix / "keepsake").touch()
    assert hatch(project, "-e", "ours", "run", *show) == str(prefix)
    assert (prefix / "keepsake").exists()
    hatch(project, "env", "remove", "ours")
    assert not prefix.exists()


def test_system_packages_are_visible_on_request(project: Path) -> None:
    hatch(project, "env", "create", "system")

    assert "include-system-site-packages = true" in settings(project, "system")


def test_environments_of_other_types_do_not_change(project: Path) -> None:
    hatch(project, "env", "create", "default")

    assert "\ncloche = " not in settings(project, "default")


def test_an_environment_has_the_packages_of_a_lock_file(project: Path) -> None:
    sample_lock(project, sample_wheel(project / "wheels"))
    with (project / "pyproject.toml").open("a") as file:
        file.write('[tool.hatch.envs.locked]\ntype = "cloche"\nskip-install = true\nlock = "pylock.toml"\n')

    assert hatch(project, "-e", "locked", "run", "cloche-sample").splitlines()[-1] == "sample"
    assert "\nlock = sha256:" in settings(project, "locked")


def test_code_that_runs_at_every_start_can_be_refused(project: Path) -> None:
    sample_lock(project, sample_wheel(project / "wheels", {"sample.pth": "import sys\n"}))
    with (project / "pyproject.toml").open("a") as file:
        for name, choice in (("refusing", "refuse"), ("allowing", "cloche-sample")):
            file.write(f'[tool.hatch.envs.{name}]\ntype = "cloche"\nskip-install = true\nlock = "pylock.toml"\n')
            file.write(f'startup-code = ["{choice}"]\n')

    hatch(project, "env", "create", "refusing", code=1)
    hatch(project, "env", "create", "allowing")
    assert "--startup-code cloche-sample" in settings(project, "allowing")


def test_a_changed_lock_file_updates_the_environment(project: Path) -> None:
    sample_lock(project)
    with (project / "pyproject.toml").open("a") as file:
        file.write('[tool.hatch.envs.locked]\ntype = "cloche"\nskip-install = true\nlock = "pylock.toml"\n')
    hatch(project, "-e", "locked", "run", "python", "-c", "pass")
    prefix = Path(hatch(project, "env", "find", "locked"))
    (prefix / "keepsake").touch()

    sample_lock(project, sample_wheel(project / "wheels"))

    assert hatch(project, "-e", "locked", "run", "cloche-sample").splitlines()[-1] == "sample"
    assert (prefix / "keepsake").exists()


def test_an_environment_gets_any_python_that_cloche_finds(project: Path) -> None:
    minor, variables = python_off_path(project.parent)
    own = f'[tool.hatch.envs.other]\ntype = "cloche"\npython = "{minor}"\npython-sources = ["external"]\n'
    (project / "pyproject.toml").write_text(PYPROJECT + own)

    printed = hatch(project, "-e", "other", "run", "python", "-c", "import sys; print(sys.version)", **variables)

    assert printed.splitlines()[-1].startswith(f"{minor}.")
