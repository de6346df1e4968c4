"""Test cloche as a single file, `cloche.pyz`, run by a Python without other packages."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.interpreters import MINORS, debian, pyenv
from tests.run import clean_environ
from tests.test_architecture import REPOSITORY

BUILD = REPOSITORY / "tools" / "make_zipapp.py"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zipapp") / "cloche.pyz"
    build_archive(path)
    return path


def build_archive(path: Path) -> None:
    """Build the archive without the index: it then contains what is installed for this Python."""
    subprocess.run([sys.executable, str(BUILD), str(path)], env={**os.environ, "PIP_NO_INDEX": "1"}, check=True)


@pytest.fixture(scope="module")
def archive_for_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive built with the index, for Python 3.10 and later."""
    path = tmp_path_factory.mktemp("all") / "cloche.pyz"
    subprocess.run([sys.executable, str(BUILD), str(path)], check=True)
    return path


class Archive:
    """The archive in an empty directory, run by a Python without site-packages."""

    def __init__(self, archive: Path, directory: Path) -> None:
        (directory / "cloche.pyz").symlink_to(archive)
        self.directory = directory
        self.environ = clean_environ(directory / "home", directory / "cache")

    def __call__(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-sS", "cloche.pyz", *argv],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def cloche(archive: Path, tmp_path: Path) -> Archive:
    return Archive(archive, tmp_path)


def test_the_archive_creates_complete_environments_with_the_pip_of_the_target(cloche: Archive) -> None:
    """Debian's Python has no pip. If it runs the tests, the environments are for another Python."""
    bundled = Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled").glob("pip-*.whl")
    target = [] if any(bundled) else ["-p", pyenv("3.12")]
    done = cloche("./env", *target)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("created env: ")
    scripts = {path.name for path in (cloche.directory / "env" / "bin").iterdir()}
    assert {"activate", "activate.csh", "activate.fish", "activate.ps1", "activate_this.py", "pip"} <= scripts

    check = subprocess.run([cloche.directory / "env/bin/python", "-m", "pip", "check"], capture_output=True, check=True)
    assert b"No broken requirements" in check.stdout
    assert cloche("doctor", "env").stdout.endswith("env: healthy\n")
    assert cloche("./env", "--clear", *target).stdout.startswith("replaced env: ")


def test_the_recorded_command_runs_the_archive(cloche: Archive) -> None:
    assert cloche("./env", "--no-seed").returncode == 0
    config = cloche.directory / "env" / "pyvenv.cfg"
    [line] = [line for line in config.read_text().splitlines() if line.startswith("command = ")]
    again = subprocess.run(
        ["sh", "-c", line.removeprefix("command = ")],
        cwd="/",
        env=cloche.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.stdout.startswith("refreshed "), again.stderr
    (cloche.directory / "env").rename(cloche.directory / "moved")
    assert "moved: " in cloche("doctor", "moved").stdout


def test_the_archive_has_the_built_in_plugin_and_all_data_files(cloche: Archive) -> None:
    (builtin,) = json.loads(cloche("plugins", "--json").stdout)["plugins"]

    assert (builtin["status"], len(builtin["provides"]) > 20) == ("loaded", True)
    for shell in ("bash", "fish", "nushell", "powershell", "tcsh", "zsh"):
        assert "cloche" in cloche("completion", shell).stdout
    assert cloche("--help").returncode == 0


def test_modules_beside_the_archive_are_not_imported(cloche: Archive) -> None:
    for name in ("pluggy.py", "cloche.py", "json.py", "pip.py"):
        (cloche.directory / name).write_text("raise SystemExit('imported')")

    assert cloche("./env", "--no-seed").returncode == 0
    assert cloche("plugins", "--json").returncode == 0


def test_the_archive_has_neither_pip_nor_compiled_files(archive: Path) -> None:
    names = zipfile.ZipFile(archive).namelist()

    assert not [name for name in names if name.startswith(("pip/", "tomli/")) or name.endswith((".pyc", ".so", ".pyd"))]
    assert {name.partition("/")[0] for name in names} >= {"cloche", "distlib", "filelock", "packaging", "pluggy"}
    assert [name for name in names if "/licenses/" in name or "LICENSE" in name]


def test_builds_are_reproducible(archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    build_archive(again)

    assert again.read_bytes() == archive.read_bytes()
    assert os.access(again, os.X_OK)


# What the archive supports, depending on what is installed and what pip can download


class FakeDistribution:
    """Stands for an installed or downloaded distribution."""

    def __init__(self, name: str, oldest: str, *requires: str) -> None:
        self.name, self.requires = name, requires
        self.metadata = {"Requires-Python": f">={oldest}"}


@pytest.mark.parametrize(
    ("installed", "index", "oldest", "contents"),
    [
        ([("cloche", "3.10", "a")], [], None, []),  # `a` is missing everywhere
        ([("cloche", "3.10", "a")], [("a", "3.10")], "3.10", ["3.10"]),
        ([("cloche", "3.10", "a"), ("a", "3.10")], [], "3.10", ["3.10"]),
        ([("cloche", "3.10", "a"), ("a", "3.12")], [("a", "3.10")], "3.10", ["3.10"]),
        ([("cloche", "3.10", "a"), ("a", "3.11")], [], "3.11", ["3.11"]),
        ([("cloche", "3.10", "a", "b"), ("a", "3.11"), ("b", "3.12")], [], "3.12", ["3.11", "3.12"]),
        ([("cloche", "3.10", "a", "b"), ("a", "3.11"), ("b", "3.12")], [("b", "3.10")], "3.11", ["3.11", "3.10"]),
        ([("cloche", "3.10", "a; python_version < '3.11'")], [("a", "3.10")], "3.10", ["3.10"]),
        ([("cloche", "3.10", "a; python_version < '3.11'")], [], None, []),
        ([("cloche", "3.10", "a; python_version > '3.12'"), ("a", "3.10")], [], "3.10", ["3.10"]),
        ([("cloche", "3.10", "a; extra == 'more'")], [], "3.10", []),
        ([("cloche", "3.10", "pip", "tomli; python_version < '3.11'")], [], "3.10", []),
        ([("cloche", "3.10", "importlib-metadata; python_full_version < '3.10.2'")], [], "3.10", []),
    ],
)
def test_the_archive_supports_the_oldest_python_that_is_possible(
    installed: list[tuple[str, ...]],
    index: list[tuple[str, ...]],
    oldest: str | None,
    contents: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tool = runpy.run_path(str(BUILD))
    here, there = ({row[0]: FakeDistribution(*row) for row in rows} for rows in (installed, index))

    # The functions look each other up in the namespace in which they ran.
    monkeypatch.setitem(tool["dependencies"].__globals__, "installed", here.get)
    monkeypatch.setitem(
        tool["dependencies"].__globals__, "downloaded", lambda requirement, _: there.get(requirement.name)
    )

    if oldest is None:
        with pytest.raises(SystemExit, match="`a` is not installed, and pip cannot download it"):
            [*tool["dependencies"](Requirement("cloche"), "", set())]
        return
    found = [*tool["dependencies"](Requirement("cloche"), "", set())]

    assert tool["version_text"](max(map(tool["oldest_supported"], found))) == oldest
    assert [one.metadata["Requires-Python"][2:] for one in found[1:]] == contents
    warned = capsys.readouterr().err
    assert bool(warned) is (oldest != "3.10")
    assert not warned or f"needs Python {oldest} or later" in warned.splitlines()[-1]


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_every_builder_makes_the_same_archive_with_an_index_and_a_working_one_without(tmp_path: Path) -> None:
    archives = {}
    for builder in ("3.10", "3.13"):
        environment = tmp_path / builder
        subprocess.run([pyenv(builder), "-m", "venv", environment], check=True)
        python = environment / "bin" / "python"
        pip = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--upgrade", "pip"], check=True)
        subprocess.run([*pip, "--editable", str(REPOSITORY)], check=True)
        for index, variables in (("index", {}), ("none", {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull})):
            path = tmp_path / f"{builder}-{index}.pyz"
            built = subprocess.run(
                [python, str(BUILD), str(path)],
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
                check=True,
            )
            archives[builder, index] = (path, built.stdout.rstrip().rpartition(" for Python ")[2].partition(" ")[0])

    same = [archives[key] for key in (("3.10", "index"), ("3.10", "none"), ("3.13", "index"))]
    assert {supported for _, supported in same} == {"3.10"}
    assert len({path.read_bytes() for path, _ in same}) == 1
    path, supported = archives["3.13", "none"]
    assert supported in ("3.10", "3.11", "3.12", "3.13")  # depends on the newest versions of the dependencies
    for version in ("3.10", "3.11", "3.12", "3.13"):
        done = subprocess.run(
            [pyenv(version), "-sS", path, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        if int(version[2:]) < int(supported[2:]):
            assert done.returncode == 1
            assert f"this archive needs Python {supported} or later" in done.stderr
        else:
            assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", MINORS)
@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_the_archive_creates_environments_for_every_python_without_an_index(
    archive_for_all: Path, tmp_path: Path, version: str, target: str
) -> None:
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    for number, variables in enumerate(({"PIP_NO_INDEX": "1"}, {"PIP_INDEX_URL": "http://127.0.0.1:9/simple"})):
        done = subprocess.run(
            [pyenv(version), "-sS", archive_for_all, f"./e{number}", "-p", pyenv(target)],
            cwd=tmp_path,
            env={**environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        subprocess.run([tmp_path / f"e{number}/bin/python", "-m", "pip", "--version"], check=True)


@pytest.mark.nightly
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "debian"])
def test_the_archive_runs_on_python_3_10_and_later_whichever_version_builds_it(tmp_path: Path, version: str) -> None:
    python = debian() if version == "debian" else pyenv(version)
    built = subprocess.run(
        [sys.executable, str(BUILD), str(tmp_path / "cloche.pyz")], capture_output=True, text=True, check=True
    )
    environ = {**clean_environ(tmp_path / "home", tmp_path / "cache"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    (tmp_path / "pyproject.toml").write_text("[project]\nrequires-python = '>=3.8' # not a plain string\n")
    for argv in (["./e"], ["./e"], ["pythons"], ["config", "set", "pip", "25.0"], ["./f", "--no-seed"], ["info", "f"]):
        done = subprocess.run(
            [python, "-sS", "cloche.pyz", *argv],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")

    assert built.stdout.endswith("for Python 3.10 and later\n")


def test_a_modified_pip_beside_the_archive_is_not_used(cloche: Archive) -> None:
    """The pip of the target's ensurepip is intact."""
    python = pyenv("3.12")
    assert cloche("./base", "-p", python).returncode == 0
    for module in (cloche.directory / "base" / "lib" / "python3.12" / "site-packages" / "pip").glob("__init__.py"):
        content = module.read_text() + "# modified"
        module.unlink()  # it may be a hard link
        module.write_text(content)
    environ = {**cloche.environ, "XDG_CACHE_HOME": str(cloche.directory / "empty"), "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [cloche.directory / "base" / "bin" / "python", "-I", "cloche.pyz", "./e", "--no-download"],
        cwd=cloche.directory,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "`pip/__init__.py` does not match its hash in RECORD; pip " in done.stderr
    assert "from another source is used instead" in done.stderr
    pip = subprocess.run(
        [cloche.directory / "e" / "bin" / "pip", "--version"], capture_output=True, text=True, check=True
    )
    assert str(cloche.directory / "e") in pip.stdout
