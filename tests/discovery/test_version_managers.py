"""Test that a shim stands for the executable that its version manager would start, with the real pyenv and mise.

asdf is not available as a package; a script that answers as asdf does takes its place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from cloche.builtin.finders.path import finder
from cloche.discovery import find_interpreter
from cloche.discovery.cache import ProbeCache
from cloche.discovery.search import Search, SearchResult
from cloche.errors import InterpreterNotFound
from cloche.model.interpreter import Host
from cloche.model.spec import InterpreterSpec
from tests import interpreters
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Project:
    """A home directory with the shims of one version manager on PATH, and a project below it, the current directory."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    shims: str = ""

    @property
    def directory(self) -> Path:
        return self.home / "project"

    def write(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @property
    def host(self) -> Host:
        environ = {"PATH": f"{self.shims}:.::bin:/usr/bin:/bin", "HOME": str(self.home), **self.environ}
        return Host(environ, str(self.directory), sys.platform, os.name, sys.executable)

    def result(self, name: str = "python3") -> SearchResult:
        """Return the first result for a command on PATH."""
        return next(Search(self.host, [finder], ProbeCache(None)).results(InterpreterSpec.parse(name)))

    def version(self, name: str = "python3") -> str:
        """Return the version that a command on PATH is, or why it was skipped."""
        found = self.result(name).interpreter
        return found.version_text if found else self.result(name).reason


def versions_of_pyenv() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(interpreters.pyenv("3.12"))))


@pytest.fixture
def pyenv(tmp_path: Path) -> Project:
    """Return a root of pyenv of its own, with three of the installed versions."""
    program = shutil.which("pyenv") or os.path.join(os.path.dirname(versions_of_pyenv()), "bin", "pyenv")
    if not os.path.isfile(program):
        skip_missing("pyenv is not installed")
    project = Project(tmp_path)
    project.directory.mkdir()
    root = tmp_path / ".pyenv"
    (root / "versions").mkdir(parents=True)
    for minor in ("3.10", "3.11", "3.12"):
        prefix = os.path.dirname(os.path.dirname(interpreters.pyenv(minor)))
        (root / "versions" / os.path.basename(prefix)).symlink_to(prefix)
    environ = {**os.environ, "PYENV_ROOT": str(root)}
    subprocess.run([program, "rehash"], env=environ, check=True, capture_output=True)
    project.shims = str(root / "shims")
    return project


def test_a_shim_of_pyenv_is_the_active_version(pyenv: Project) -> None:
    pyenv.write(".pyenv/version", "3.10\n")
    assert pyenv.version() == "3.10.13"
    assert pyenv.version("python3.10") == "3.10.13"
    pyenv.write("project/.python-version", "# ours\n3.11 3.12\npython-3.12\n")
    assert pyenv.version() == "3.11.7"
    assert pyenv.version("python3.12") == "3.12.1"
    assert pyenv.version("python3.10").endswith("no active version provides it (active: 3.11.7:3.12.1)")
    pyenv.environ["PYENV_VERSION"] = "3.99:3.12"
    assert pyenv.version() == "3.12.1"
    pyenv.environ["PYENV_VERSION"] = "3.99"
    assert "version-name` fails: pyenv: version `3.99' is not installed" in pyenv.version()


def test_the_result_names_the_shim_and_the_executable(pyenv: Project) -> None:
    pyenv.write(".pyenv/version", "3.12\n")
    result = pyenv.result()
    assert result.path == f"{pyenv.shims}/python3"
    assert result.interpreter is not None
    assert os.path.realpath(result.interpreter.executable) == os.path.realpath(interpreters.pyenv("3.12"))


def test_a_shim_that_is_requested_by_its_path_is_the_active_version(pyenv: Project) -> None:
    pyenv.write(".pyenv/version", "3.10\n")
    pyenv.write("project/.python-version", "3.12\n")
    assert pyenv.version(f"{pyenv.shims}/python3") == "3.12.1"
    assert "no active version provides it (active: 3.12.1)" in pyenv.version(f"{pyenv.shims}/python3.10")


@pytest.mark.parametrize("active", ["3.12", "3.10"])
def test_a_hint_names_no_shim_that_starts_nothing(pyenv: Project, active: str) -> None:
    pyenv.write(".pyenv/version", f"{active}\n")
    pyenv.write(".pyenv/versions/own/bin/uv", "#!/bin/sh\n")
    (pyenv.home / ".pyenv/versions/own/bin/uv").chmod(0o755)
    shutil.copy(f"{pyenv.shims}/python3", f"{pyenv.shims}/uv")
    pyenv.environ["PYENV_VERSION"] = f"{active}:own" if active == "3.12" else active
    with pytest.raises(InterpreterNotFound) as caught:
        find_interpreter(("3.12.99",), pyenv.host, [finder], ProbeCache(None))
    assert ("uv python install 3.12.99" in str(caught.value.hint)) is (active == "3.12")


def test_hooks_of_pyenv_decide_too(pyenv: Project) -> None:
    pyenv.write(".pyenv/version", "3.10\n")
    pyenv.write(".pyenv/pyenv.d/version-name/mine.bash", "PYENV_VERSION=3.12\n")
    assert pyenv.version() == "3.12.1"


def test_a_version_manager_runs_no_program_of_the_current_directory(pyenv: Project) -> None:
    pyenv.write(".pyenv/version", "3.12\n")
    for name in ("sed", "sort", "bash", "awk", "bin/sed"):
        pyenv.write(f"project/{name}", f"#!/bin/sh\ntouch {pyenv.home}/planted\n")
        (pyenv.directory / name).chmod(0o755)
    pyenv.write("startup", f"touch {pyenv.home}/planted\n")
    pyenv.environ |= {"BASH_ENV": str(pyenv.home / "startup"), "PYTHONPATH": "/nowhere", "PYENV_DEBUG": "1"}
    assert pyenv.version() == "3.12.1"
    assert not (pyenv.home / "planted").exists()


@pytest.mark.parametrize(
    ("comment", "name"), [("premise", "python3"), ("pyenv exec", "python3.12"), ("asdf exec", "snake")]
)
def test_a_wrapper_is_what_it_starts(pyenv: Project, comment: str, name: str) -> None:
    pyenv.write(".pyenv/version", "3.10\n")
    pyenv.write(f"bin/{name}", f'#!/bin/sh\n# {comment}\n exec {interpreters.pyenv("3.12")} "$@"\n')
    (pyenv.home / "bin" / name).chmod(0o755)
    pyenv.shims = str(pyenv.home / "bin")
    assert pyenv.version(name) == "3.12.1"


@pytest.fixture
def mise(tmp_path: Path) -> Project:
    """Return a home directory in which mise has "installed" three versions, and made their shims."""
    program = require("mise")
    project = Project(tmp_path)
    project.directory.mkdir()
    installs = tmp_path / ".local/share/mise/installs/python"
    installs.mkdir(parents=True)
    for minor in ("3.10", "3.11", "3.12"):
        prefix = os.path.dirname(os.path.dirname(interpreters.pyenv(minor)))
        shutil.copytree(prefix, installs / os.path.basename(prefix), symlinks=True, ignore=only_executables)
        (installs / os.path.basename(prefix) / "lib").symlink_to(os.path.join(prefix, "lib"))
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "MISE_OFFLINE": "1"}
    subprocess.run([program, "reshim"], env=environ, cwd=tmp_path, check=True, capture_output=True)
    project.environ["MISE_TRUSTED_CONFIG_PATHS"] = str(tmp_path)
    project.shims = str(tmp_path / ".local/share/mise/shims")
    return project


def only_executables(directory: str, names: list[str]) -> set[str]:
    return set() if os.path.basename(directory) == "bin" else {name for name in names if name != "bin"}


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("project/mise.toml", '[tools]\npython = "3.12"\n', "3.12.1"),
        ("project/.mise.toml", '[tools]\npython = ["3.11", "3.12"]\n', "3.11.7"),
        ("project/.mise/config.toml", '[tools]\npython = "3.12"\n', "3.12.1"),
        ("project/mise/config.toml", '[tools]\n"core:python" = "3.12"\n', "3.12.1"),
        ("project/.config/mise/conf.d/a.toml", '[tools]\npython = {version = "3.12"}\n', "3.12.1"),
        ("project/mise.test.toml", '[tools]\npython = "3.11"\n', "3.11.7"),
        ("project/mise.local.toml", '[tools]\npython = "latest"\n', "3.12.1"),
        ("project/.tool-versions", "python 3.12.1 # why\n", "3.12.1"),
        (".config/mise/config.toml", '[tools]\npython = "3.11"\n', "3.11.7"),
        (".config/mise/conf.d/python.toml", '[tools]\npython = "prefix:3.11"\n', "3.11.7"),
    ],
)
def test_a_shim_of_mise_is_the_active_version(mise: Project, name: str, text: str, version: str) -> None:
    mise.environ["MISE_ENV"] = "test"
    assert "python3 is a mise bin however it is not currently active" in mise.version()
    mise.write(name, text)
    assert mise.version() == version


def test_mise_reads_version_files_of_other_tools_if_it_is_told_to(mise: Project) -> None:
    mise.write("project/.python-version", "3.11.7\n")
    assert "not currently active" in mise.version()
    mise.environ["MISE_IDIOMATIC_VERSION_FILE_ENABLE_TOOLS"] = "python"
    assert mise.version() == "3.11.7"
    mise.environ["MISE_PYTHON_VERSION"] = "3.12"
    assert mise.version() == "3.12.1"


def test_a_path_in_the_configuration_of_mise_is_used_outside_the_project(mise: Project) -> None:
    prefix = os.path.dirname(os.path.dirname(interpreters.pyenv("3.13")))
    mise.write("project/mise.toml", f'[tools]\npython = "path:{prefix}"\n')
    assert mise.version() == "3.13.0"
    shutil.copytree(os.path.join(prefix, "bin"), mise.directory / "own" / "bin", symlinks=True)
    mise.write("project/mise.toml", '[tools]\npython = "path:./own"\n')
    (mise.home / "bin").mkdir()
    (mise.home / "bin" / "python3").symlink_to(require("mise"))
    for directory in (mise.shims, str(mise.home / "bin")):
        mise.shims = directory
        assert mise.version().endswith("which may be part of the current project; to use it, request this path")
    mise.write("project/mise.toml", '[tools]\npython = "3.12"\n')
    assert mise.version() == "3.12.1"


def test_mise_installs_nothing_and_reports_a_configuration_that_is_not_trusted(mise: Project) -> None:
    mise.write("project/mise.toml", '[tools]\npython = "3.9.1"\n')
    assert "mise which python3` fails: mise ERROR" in mise.version()
    assert not (mise.home / ".local/share/mise/installs/python/3.9.1").exists()
    del mise.environ["MISE_TRUSTED_CONFIG_PATHS"]
    mise.write("project/mise.toml", '[tools]\npython = "3.12"\n[env]\nX = "{{ exec(command=\'touch planted\') }}"\n')
    assert "are not trusted" in mise.version()
    assert not (mise.directory / "planted").exists()


ASDF = """#!/bin/sh
[ "$1" = which ] || exit 1
version=${ASDF_PYTHON_VERSION:-$(sed -n 's/^python //p' "${ASDF_DEFAULT_TOOL_VERSIONS_FILENAME:-.tool-versions}" 2>/dev/null)}
if [ -n "$SLOW" ]; then sleep 60; fi
case $version in
    "") echo "No version is set for command $2" >&2; exit 126 ;;
    path:*) echo "${version#path:}/bin/$2" ;;
    *) echo "$HOME/.asdf/installs/python/$version/bin/$2" ;;
esac
"""


@pytest.fixture
def asdf(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.directory.mkdir()
    project.write("bin/asdf", ASDF)
    project.write(
        ".asdf/shims/python3", '#!/usr/bin/env bash\n# asdf-plugin: python 3.12.1\nexec asdf exec "python3" "$@"'
    )
    for name in ("bin/asdf", ".asdf/shims/python3"):
        (tmp_path / name).chmod(0o755)
    installs = tmp_path / ".asdf/installs/python"
    installs.mkdir(parents=True)
    for minor in ("3.11", "3.12"):
        prefix = os.path.dirname(os.path.dirname(interpreters.pyenv(minor)))
        (installs / os.path.basename(prefix)).symlink_to(prefix)
    project.shims = f"{tmp_path}/.asdf/shims:{tmp_path}/bin"
    return project


def test_a_shim_of_asdf_is_what_asdf_says(asdf: Project) -> None:
    assert asdf.version().endswith("asdf which python3` fails: No version is set for command python3")
    asdf.write("project/.tool-versions", "python 3.11.7\n")
    assert asdf.version() == "3.11.7"
    asdf.write("project/mine", "python 3.12.1\n")
    asdf.environ["ASDF_DEFAULT_TOOL_VERSIONS_FILENAME"] = "mine"
    assert asdf.version() == "3.12.1"
    asdf.environ["ASDF_PYTHON_VERSION"] = f"path:{os.path.dirname(os.path.dirname(interpreters.pyenv('3.10')))}"
    assert asdf.version() == "3.10.13"


def test_a_version_manager_that_does_not_answer_in_time_is_killed(
    asdf: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloche.discovery.version_manager.TIMEOUT", 0.5)
    asdf.write("project/.tool-versions", "python 3.11.7\n")
    asdf.environ["SLOW"] = "1"
    assert asdf.version().endswith("asdf which python3` does not respond in time")
