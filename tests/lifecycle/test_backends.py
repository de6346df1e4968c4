"""The editable installs of the real build backends, and real packages, moved and upgraded; it takes the index."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lifecycle.furniture import complaints, run

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


def project(place: Path, name: str) -> Path:
    backend, kind = BACKENDS[name]
    (place / "src" / "edited").mkdir(parents=True)
    (place / "src" / "edited" / "__init__.py").write_text("")
    (place / "src" / "edited" / "cli.py").write_text("def main():\n    print('edited')\n")
    (place / "pyproject.toml").write_text(PROJECT.format(backend=backend))
    if kind == "meson":
        (place / "meson.build").write_text(MESON)
    if kind == "cmake":
        (place / "CMakeLists.txt").write_text(CMAKE)
    return place


def install(environment: Path, *words: object) -> None:
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check", *words)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_editable_install_inside_goes_along(cloche, empty, backend) -> None:
    """As `pip install -e git+…` has it: the project lies in the environment's own `src`."""
    old = empty("venv")
    config = ["--config-settings", "editable_mode=strict"] if backend.endswith("strict") else []
    install(old, *config, "-e", project(old / "src" / "edited", backend))
    new = cloche.cwd / "new place"
    outcome = cloche("move", old, new)
    assert outcome.code == 0, outcome.err
    if backend == "meson":  # its build directory names the place, and rebuilding needs the tools that made it
        return
    assert run(new / "bin" / "edited") == "edited\n"
    if backend == "scikit-build":
        assert run(new / "bin" / "python", "-c", "import edited.built; print(edited.built.BUILT)") == "True\n"
    assert str(new) in run(new / "bin" / "python", "-c", "import edited.cli; print(edited.cli.__file__)")
    origin = json.loads(next(new.glob("lib/*/site-packages/edited-*.dist-info/direct_url.json")).read_text())
    assert origin["url"].endswith("/new%20place/src/edited")
    assert [one for one in complaints(new, old, furnished=False) if "/src/edited/" not in one] == []


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "meson"])
def test_an_editable_install_outside_stays_where_it_is_through_an_upgrade(cloche, empty, backend) -> None:
    place = empty("venv", "3.11")
    config = ["--config-settings", "editable_mode=strict"] if backend.endswith("strict") else []
    install(place, *config, "-e", project(cloche.cwd / "edited", backend))
    outcome = cloche("upgrade", place, "-p", "3.12")
    assert outcome.code == 0, outcome.err
    assert run(place / "bin" / "edited") == "edited\n"
    assert complaints(place, furnished=False) == []
    assert cloche("doctor", place).out == f"{place}: healthy\n"


def test_real_packages_survive_a_move_and_an_upgrade_up_and_down(cloche, empty) -> None:
    old = empty("venv", "3.11")
    install(old, "markupsafe", "jinja2", "ipykernel", "virtualenv", "ruff")
    run(old / "bin" / "python", "-m", "ipykernel", "install", "--sys-prefix", "--name", "mine")
    frozen = run(sys.executable, "-m", "pip", "--python", old / "bin" / "python", "freeze")
    place = cloche.cwd / "it's there"
    assert cloche("move", old, place).code == 0
    assert complaints(place, old, furnished=False) == []
    for minor in ("3.12", "3.11"):
        outcome = cloche("upgrade", place, "-p", minor)
        assert outcome.code == 0, outcome.err
        assert run(sys.executable, "-m", "pip", "--python", place / "bin" / "python", "freeze") == frozen
        assert run(place / "bin" / "ruff", "--version").startswith("ruff")
        assert run(place / "bin" / "jupyter", "kernelspec", "list", "--json")
        assert complaints(place, old, furnished=False) == []
