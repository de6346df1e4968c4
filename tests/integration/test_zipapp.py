"""cloche as one file, built by the tool that builds it for others, run where nothing else is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.interpreters import pyenv
from tests.run import clean_environ
from tests.test_architecture import REPOSITORY

BUILD = REPOSITORY / "tools" / "make_zipapp.py"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zipapp") / "cloche.pyz"
    subprocess.run([sys.executable, str(BUILD), str(path)], check=True)
    return path


class Archive:
    """The archive in an empty directory, run by a Python that looks at no site-packages, by a relative name."""

    def __init__(self, archive: Path, place: Path) -> None:
        (place / "cloche.pyz").symlink_to(archive)
        self.place = place
        self.environ = clean_environ(place / "home", place / "cache")

    def __call__(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-sS", "cloche.pyz", *argv],
            cwd=self.place,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def cloche(archive: Path, tmp_path: Path) -> Archive:
    return Archive(archive, tmp_path)


def test_it_makes_whole_environments_with_the_targets_own_pip(cloche: Archive) -> None:
    """Debian's Pythons bring none, so where one of them runs the archive it makes environments for another."""
    bundled = Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled").glob("pip-*.whl")
    target = [] if any(bundled) else ["-p", pyenv("3.12")]
    made = cloche("env", *target)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("created env: ")
    scripts = {path.name for path in (cloche.place / "env" / "bin").iterdir()}
    assert {"activate", "activate.csh", "activate.fish", "activate.ps1", "activate_this.py", "pip"} <= scripts

    told = subprocess.run([cloche.place / "env/bin/python", "-m", "pip", "check"], capture_output=True, check=True)
    assert b"No broken requirements" in told.stdout
    assert cloche("doctor", "env").stdout.endswith("env: healthy\n")
    assert cloche("env", "--clear", *target).stdout.startswith("replaced env: ")


def test_the_command_that_is_recorded_runs_the_archive(cloche: Archive) -> None:
    assert cloche("env", "--no-seed").returncode == 0
    config = cloche.place / "env" / "pyvenv.cfg"
    [line] = [one for one in config.read_text().splitlines() if one.startswith("command = ")]
    again = subprocess.run(
        ["sh", "-c", line.removeprefix("command = ")],
        cwd="/",
        env=cloche.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.stdout.startswith("refreshed "), again.stderr
    (cloche.place / "env").rename(cloche.place / "moved")
    assert "moved: " in cloche("doctor", "moved").stdout


def test_the_plugins_in_the_box_and_all_data_files_are_there(cloche: Archive) -> None:
    (builtin,) = json.loads(cloche("plugins", "--json").stdout)["plugins"]

    assert (builtin["status"], len(builtin["provides"]) > 20) == ("loaded", True)
    for shell in ("bash", "fish", "nushell", "powershell", "tcsh", "zsh"):
        assert "cloche" in cloche("completion", shell).stdout
    assert cloche("--help").returncode == 0


def test_nothing_beside_it_is_imported(cloche: Archive) -> None:
    for name in ("pluggy.py", "cloche.py", "json.py", "pip.py"):
        (cloche.place / name).write_text("raise SystemExit('imported')")

    assert cloche("env", "--no-seed").returncode == 0
    assert cloche("plugins", "--json").returncode == 0


def test_it_has_no_pip_and_nothing_compiled_for_one_python(archive: Path) -> None:
    names = zipfile.ZipFile(archive).namelist()

    assert not [name for name in names if name.startswith("pip/") or name.endswith((".pyc", ".so", ".pyd"))]
    assert {name.partition("/")[0] for name in names} >= {"cloche", "distlib", "filelock", "packaging", "pluggy"}
    assert [name for name in names if "/licenses/" in name or "LICENSE" in name]


def test_the_same_input_makes_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    subprocess.run([sys.executable, str(BUILD), str(again)], check=True)

    assert again.read_bytes() == archive.read_bytes()
    assert os.access(again, os.X_OK)
