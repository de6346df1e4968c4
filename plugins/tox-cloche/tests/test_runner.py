"""Test the runner in an unmodified tox, which runs as a program in temporary projects."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.testing.seeders import sample_lock, sample_wheel

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = """\
import base64, hashlib, os, sys, zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info, name = "project-1.0.dist-info", "project-1.0-py3-none-any.whl"
    with open(os.path.join(sys.prefix, "pyvenv.cfg")) as file:
        built_by_cloche = any(line.startswith("cloche = ") for line in file)
    files = {
        "project.py": f"BUILT_BY_CLOCHE = {built_by_cloche}\\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: project\\nVersion: 1.0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"""
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "project"
version = "1.0"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "a project"
    project.mkdir()
    return project


def environ_without_tox() -> dict[str, str]:
    """Return the environment variables without those of the tox that runs these tests."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("TOX_", "VIRTUAL_ENV"))}


def tox(project: Path, *arguments: str, code: int = 0) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "tox", *arguments],
        cwd=project,
        env={**environ_without_tox(), "PIP_NO_INDEX": "1", "NO_COLOR": "1", "TOX_PARALLEL_NO_SPINNER": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == code, result.stdout
    return result.stdout


def test_environments_without_the_runner_do_not_change(project: Path) -> None:
    (project / "tox.ini").write_text("[tox]\nno_package = true\n[testenv:py]\n")

    output = tox(project, "config", "-e", "py", "-k", "runner")

    assert "runner = virtualenv" in output


def test_an_environment_is_created_reused_and_recreated(project: Path) -> None:
    (project / "tox.ini").write_text(
        "[tox]\nno_package = true\n[testenv]\nrunner = cloche\ncommands = python -c 'import sys; print(sys.prefix)'\n"
    )
    environment = project / ".tox" / "py"

    assert f"env_python = {environment}" in tox(project, "config", "-e", "py", "-k", "env_python")
    assert not environment.exists()
    assert str(environment) in tox(project, "run", "-e", "py")
    assert "\ncloche = " in (environment / "pyvenv.cfg").read_text()
    (environment / "keepsake").touch()
    tox(project, "run", "-e", "py")
    assert (environment / "keepsake").exists()
    tox(project, "run", "-r", "-e", "py")
    assert not (environment / "keepsake").exists()


def test_the_package_is_built_in_an_environment_created_by_cloche(project: Path) -> None:
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "backend.py").write_text(BACKEND)
    (project / "tox.ini").write_text(
        "[testenv]\nrunner = cloche\npackage = wheel\n"
        "commands = python -c 'import project; print(project.BUILT_BY_CLOCHE)'\n"
    )

    assert "True" in tox(project, "run", "-e", "py")


def test_an_environment_is_recreated_if_system_site_packages_changes(project: Path) -> None:
    ini = "[tox]\nno_package = true\n[testenv]\nrunner = cloche\nsystem_site_packages = {}\n"
    settings = project / ".tox" / "py" / "pyvenv.cfg"

    matches = []
    for choice in ("false", "true"):
        (project / "tox.ini").write_text(ini.format(choice))
        tox(project, "run", "-e", "py")
        matches.append(f"include-system-site-packages = {choice}" in settings.read_text())

    assert matches == [True, True]


def test_base_python_accepts_the_requests_of_cloche(project: Path) -> None:
    executable = cloche.find().executable
    (project / "tox.ini").write_text(
        f"[tox]\nno_package = true\n[testenv]\nrunner = cloche\ncommands = python -c 'import sys; print(sys.version)'\n"
        f"[testenv:range]\nbase_python = >=3.6\n[testenv:path]\nbase_python = {executable}\n"
    )

    tox(project, "run", "-e", "range,path")

    assert f"base-executable = {executable}" in (project / ".tox" / "path" / "pyvenv.cfg").read_text()
    assert (project / ".tox" / "range" / "pyvenv.cfg").is_file()


def test_a_range_with_a_comma_is_one_request_and_an_alternative_may_follow(project: Path) -> None:
    major, minor, *_ = cloche.find().version
    no_python, this_one = f">={major}.{minor},<{major}.{minor}", f">={major}.{minor}, <{major}.{minor + 1}"
    (project / "tox.ini").write_text(
        "[tox]\nno_package = true\n[testenv]\nrunner = cloche\n"
        f"[testenv:none]\nbase_python = {no_python}\n"
        f"[testenv:second]\nbase_python = {no_python}, {major}.{minor}\n"
        f"[testenv:range]\nbase_python = {this_one}\n"
    )

    output = tox(project, "run", "-e", "none,second,range", "--skip-missing-interpreters", "true")

    assert "none: SKIP" in output
    for environment in ("second", "range"):
        assert f"python-version = {major}.{minor}\n" in (project / ".tox" / environment / "pyvenv.cfg").read_text()


def test_a_missing_interpreter_is_skipped_or_an_error(project: Path) -> None:
    (project / "tox.ini").write_text("[tox]\nno_package = true\n[testenv]\nrunner = cloche\n")

    assert "py27: SKIP" in tox(project, "run", "-e", "py27,py", "--skip-missing-interpreters", "true")
    assert "py27: FAIL" in tox(project, "run", "-e", "py27", "--skip-missing-interpreters", "false", code=1)


def test_an_environment_has_the_packages_of_a_lock_file(project: Path) -> None:
    sample_lock(project, sample_wheel(project / "wheels"))
    (project / "tox.ini").write_text(
        "[tox]\nno_package = true\n[testenv]\nrunner = cloche\nlock = pylock.toml\n"
        "commands = python -c 'import cloche_sample; cloche_sample.main()'\n"
    )
    environment = project / ".tox" / "py"

    assert "sample" in tox(project, "run", "-e", "py")
    (environment / "keepsake").touch()
    tox(project, "run", "-e", "py")
    assert (environment / "keepsake").exists()
    with (project / "pylock.toml").open("a") as lock:
        lock.write("# changed\n")
    tox(project, "run", "-e", "py")
    assert not (environment / "keepsake").exists()


def test_code_that_runs_at_every_start_can_be_refused(project: Path) -> None:
    sample_lock(project, sample_wheel(project / "wheels", {"sample.pth": "import sys\n"}))
    ini = "[tox]\nno_package = true\n[testenv]\nrunner = cloche\nlock = pylock.toml\nstartup_code = {}\n"
    (project / "tox.ini").write_text(ini.format("refuse"))

    assert "`cloche-sample` 1.0 runs code whenever Python starts" in tox(project, "run", "-e", "py", code=1)
    (project / "tox.ini").write_text(ini.format("other, cloche-sample"))
    tox(project, "run", "-e", "py")


def test_a_lock_file_that_does_not_exist_is_reported(project: Path) -> None:
    (project / "tox.ini").write_text("[tox]\nno_package = true\n[testenv]\nrunner = cloche\nlock = pylock.toml\n")

    assert "pylock.toml` cannot be read: no such file or directory" in tox(project, "run", "-e", "py", code=1)


def test_environments_of_both_runners_build_the_package_with_their_own(project: Path) -> None:
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "backend.py").write_text(BACKEND)
    show = 'python -c "import project; print(project.BUILT_BY_CLOCHE)"'
    (project / "tox.ini").write_text(
        f"[tox]\nenv_list = theirs,ours\n[testenv]\npackage = wheel\ncommands = {show}\n[testenv:ours]\nrunner = cloche\n"
        "[testenv:theirs]\nrunner = virtualenv\n"
    )

    printed = [line for line in tox(project, "-q").splitlines() if line in ("True", "False")]

    assert printed == ["False", "True"]
    assert (project / ".tox" / ".pkg-cloche" / "pyvenv.cfg").exists()
    printed = [line for line in tox(project, "-q", "-e", "ours,theirs").splitlines() if line in ("True", "False")]
    assert printed == ["True", "False"]


def test_interpreters_to_discover_come_first(project: Path) -> None:
    wrapper = project / "snake"
    wrapper.symlink_to(sys.executable)
    base = os.path.realpath(sys.executable)
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (project / "tox.ini").write_text(
        f"[tox]\nenv_list = one\n[testenv]\nrunner = cloche\npackage = skip\nbase_python = {minor}\nalways_copy = true\n"
        'commands = python -c "import os, sys; print(os.path.islink(sys.executable))"\n'
    )

    assert "False" in tox(project, "-e", "one", "--discover", str(wrapper)).splitlines()

    settings = (project / ".tox" / "one" / "pyvenv.cfg").read_text()
    assert f"executable = {base}\n" in settings
