"""Test moves and upgrades with real packages and the editable installs of real build backends, from the index."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lifecycle.environments import find_problems, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.nightly

BACKENDS = {
    "setuptools": ('requires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n', ""),
    "setuptools-strict": ('requires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n', "strict"),
    "hatchling": ('requires = ["hatchling"]\nbuild-backend = "hatchling.build"\n', ""),
    "flit": ('requires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n', ""),
    "pdm": ('requires = ["pdm-backend"]\nbuild-backend = "pdm.backend"\n', ""),
    "meson": ('requires = ["meson-python", "ninja", "meson"]\nbuild-backend = "mesonpy"\n', "meson"),
    "scikit-build": ('requires = ["scikit-build-core"]\nbuild-backend = "scikit_build_core.build"\n', "cmake"),
}

PROJECT = """\
[build-system]
{backend}
[project]
name = "edited"
version = "1.0"
description = "edited"
[project.scripts]
edited = "edited.cli:main"
"""

MESON = """\
project('edited', version: '1.0')
python = import('python').find_installation(pure: true)
python.install_sources(['src/edited/__init__.py', 'src/edited/cli.py'], subdir: 'edited')
"""


CMAKE = """\
cmake_minimum_required(VERSION 3.15)
project(edited LANGUAGES NONE)
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/built.py" "BUILT = True\\n")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/built.py" DESTINATION edited)
"""


def make_project(directory: Path, name: str) -> Path:
    """Write a project for one of `BACKENDS`, and return its directory."""
    backend, kind = BACKENDS[name]
    (directory / "src" / "edited").mkdir(parents=True)
    (directory / "src" / "edited" / "__init__.py").write_text("")
    (directory / "src" / "edited" / "cli.py").write_text("def main():\n    print('edited')\n")
    (directory / "pyproject.toml").write_text(PROJECT.format(backend=backend))
    if kind == "meson":
        (directory / "meson.build").write_text(MESON)
    if kind == "cmake":
        (directory / "CMakeLists.txt").write_text(CMAKE)
    return directory


def install(environment: Path, *words: object) -> None:
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check", *words)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_editable_project_inside_an_environment_works_after_a_move(cloche, empty_env, backend) -> None:
    """pip clones the project of `pip install -e git+…` into the `src` directory of the environment."""
    old = empty_env("venv")
    config = ["--config-settings", "editable_mode=strict"] if backend.endswith("strict") else []
    install(old, *config, "-e", make_project(old / "src" / "edited", backend))
    new = cloche.cwd / "new env"
    outcome = cloche("move", old, new)
    assert outcome.code == 0, outcome.err
    if backend == "meson":  # its build directory contains the old path, and a new build needs the build tools
        return
    assert run(new / "bin" / "edited") == "edited\n"
    if backend == "scikit-build":
        assert run(new / "bin" / "python", "-c", "import edited.built; print(edited.built.BUILT)") == "True\n"
    assert str(new) in run(new / "bin" / "python", "-c", "import edited.cli; print(edited.cli.__file__)")
    direct_url = json.loads(next(new.glob("lib/*/site-packages/edited-*.dist-info/direct_url.json")).read_text())
    assert direct_url["url"].endswith("/new%20env/src/edited")
    assert [problem for problem in find_problems(new, old, populated=False) if "/src/edited/" not in problem] == []


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "meson"])
def test_an_editable_project_outside_an_environment_works_after_an_upgrade(cloche, empty_env, backend) -> None:
    env = empty_env("venv", "3.11")
    config = ["--config-settings", "editable_mode=strict"] if backend.endswith("strict") else []
    install(env, *config, "-e", make_project(cloche.cwd / "edited", backend))
    outcome = cloche("upgrade", env, "-p", "3.12")
    assert outcome.code == 0, outcome.err
    assert run(env / "bin" / "edited") == "edited\n"
    assert find_problems(env, populated=False) == []
    assert cloche("doctor", env).out == f"{env}: healthy\n"


def test_real_packages_work_after_a_move_an_upgrade_and_a_downgrade(cloche, empty_env) -> None:
    old = empty_env("venv", "3.11")
    install(old, "markupsafe", "jinja2", "ipykernel", "virtualenv", "ruff")
    run(old / "bin" / "python", "-m", "ipykernel", "install", "--sys-prefix", "--name", "mine")
    frozen = run(sys.executable, "-m", "pip", "--python", old / "bin" / "python", "freeze")
    env = cloche.cwd / "it's there"
    assert cloche("move", old, env).code == 0
    assert find_problems(env, old, populated=False) == []
    for minor in ("3.12", "3.11"):
        outcome = cloche("upgrade", env, "-p", minor)
        assert outcome.code == 0, outcome.err
        assert run(sys.executable, "-m", "pip", "--python", env / "bin" / "python", "freeze") == frozen
        assert run(env / "bin" / "ruff", "--version").startswith("ruff")
        assert run(env / "bin" / "jupyter", "kernelspec", "list", "--json")
        assert find_problems(env, old, populated=False) == []
