"""Test the finders on directory trees like those that the tools create, and the choice of a stable executable path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.builtin.finders import installations, python_org, windows_registry
from cloche.builtin.finders.asdf import finder as asdf
from cloche.builtin.finders.conda import finder as conda
from cloche.builtin.finders.current import finder as current
from cloche.builtin.finders.homebrew import finder as homebrew
from cloche.builtin.finders.mise import finder as mise
from cloche.builtin.finders.path import finder as path
from cloche.builtin.finders.pyenv import finder as pyenv
from cloche.builtin.finders.uv import finder as uv
from cloche.builtin.finders.windows_store import finder as windows_store
from cloche.discovery import base_interpreter
from cloche.discovery.shims import Shim, find_shim
from cloche.model.interpreter import Host
from cloche.model.spec import InterpreterSpec

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.model.candidate import Candidate
    from cloche.plugins.hookspecs import Finder


class Tree:
    """A fake machine whose root is a temporary directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ: dict[str, str] = {"HOME": str(root / "home")}
        self.cwd = "home/project"
        self.platform = "linux"
        (root / self.cwd).mkdir(parents=True)

    def at(self, relative: str) -> str:
        return str(self.root.joinpath(*relative.split("/")))

    def files(self, *paths: str, text: str = "\x7fELF" + "." * 5000) -> None:
        """Create executable files, by paths relative to the root."""
        for relative in paths:
            path = self.root.joinpath(*relative.split("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)

    def link(self, relative: str, target: str) -> None:
        path = self.root.joinpath(*relative.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    @property
    def host(self) -> Host:
        os_name = "nt" if self.platform == "win32" else "posix"
        return Host(self.environ, self.at(self.cwd), self.platform, os_name, self.at("running/bin/python"))

    def candidates(self, finder: Finder, request: str = "any") -> list[Candidate]:
        return list(finder.candidates(InterpreterSpec.parse(request), self.host))

    def found(self, finder: Finder, request: str = "any") -> list[str]:
        """Return the paths that a finder yields, relative to the root."""
        candidates = self.candidates(finder, request)
        assert {candidate.found_by for candidate in candidates} <= {finder.name}
        return [os.path.relpath(candidate.path, self.root).replace(os.sep, "/") for candidate in candidates]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_current_is_the_python_that_runs_cloche(tree: Tree) -> None:
    assert tree.found(current) == ["running/bin/python"]


class TestPath:
    def test_directories_are_searched_in_order_and_specific_names_come_first(self, tree: Tree) -> None:
        tree.files("a/python3", "a/python3.12", "a/python", "a/python3.11", "b/python3.12", "b/pypy3.12", "b/perl")
        tree.environ["PATH"] = f"{tree.at('a')}:{tree.at('b')}"
        assert tree.found(path, "3.12") == ["a/python3.12", "a/python3", "a/python", "b/python3.12", "b/pypy3.12"]
        assert tree.found(path, "3.12.1") == tree.found(path, "3.12")

    def test_versioned_names_come_newest_first_if_any_minor_version_matches(self, tree: Tree) -> None:
        tree.files(
            "a/python3.9", "a/python3.10", "a/python3.13t", "a/python3", "a/python3-config", "a/python3.12-gdb.py"
        )
        tree.environ["PATH"] = tree.at("a")
        assert tree.found(path, ">=3.9") == ["a/python3", "a/python3.13t", "a/python3.10", "a/python3.9"]

    def test_empty_and_relative_entries_are_skipped(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        tree.files("home/project/python3.12", "home/project/bin/python3.12", "home/project/my-python")
        tree.environ["PATH"] = f":.:bin:./bin::{tree.at('nowhere')}:"
        monkeypatch.chdir(tree.at("home/project"))
        assert tree.found(path, "3.12") == []
        assert tree.found(path, "my-python") == []

    def test_without_path_there_are_no_candidates(self, tree: Tree) -> None:
        assert tree.found(path) == []

    def test_a_command_is_searched_for_by_its_exact_name(self, tree: Tree) -> None:
        tree.files("a/python3", "b/my-python", "c/my-python")
        tree.environ["PATH"] = f"{tree.at('a')}:{tree.at('b')}:{tree.at('c')}"
        assert tree.found(path, "my-python") == ["b/my-python", "c/my-python"]

    def test_another_implementation_is_searched_for_by_its_own_names(self, tree: Tree) -> None:
        tree.files("a/pypy3", "a/pypy3.10", "a/python3.10", "a/graalpy")
        tree.environ["PATH"] = tree.at("a")
        assert tree.found(path, "pypy3.10") == ["a/pypy3.10", "a/pypy3", "a/python3.10"]
        assert tree.found(path, "graalpy") == ["a/graalpy", "a/python3.10"]

    def test_the_free_threaded_name_comes_first_for_a_free_threaded_build(self, tree: Tree) -> None:
        tree.files("a/python3.13", "a/python3.13t", "a/python3")
        tree.environ["PATH"] = tree.at("a")
        assert tree.found(path, "3.13t") == ["a/python3.13t", "a/python3.13", "a/python3"]
        assert tree.found(path, "3.13") == ["a/python3.13", "a/python3"]

    def test_on_windows_names_end_in_exe_and_store_aliases_are_skipped(self, tree: Tree) -> None:
        tree.platform = "win32"
        tree.files("a/python.exe", "a/python3.12.exe", "a/python")
        tree.files("apps/python.exe", text="")
        tree.environ["PATH"] = f"{tree.at('apps')};{tree.at('a')}"
        alias, *rest = tree.candidates(path, "3.12")
        assert alias.note == "is a Microsoft Store alias"
        assert [os.path.basename(candidate.path) for candidate in rest] == ["python3.12.exe", "python.exe"]

    def test_apples_python3_is_skipped_without_the_developer_tools(self, tree: Tree) -> None:
        if not os.path.exists("/usr/bin/python3"):
            pytest.skip("/usr/bin/python3 does not exist")
        tree.platform = "darwin"
        tree.environ["PATH"] = "/usr/bin"
        assert {candidate.note for candidate in tree.candidates(path, "python3")} == {
            "only offers to install the developer tools"
        }

    def test_a_directory_named_like_an_interpreter_is_ignored(self, tree: Tree) -> None:
        tree.files("a/python3/readme")
        tree.environ["PATH"] = tree.at("a")
        assert tree.found(path, "python3") == []


PYENV_SHIM = """#!/usr/bin/env bash
set -e
[ -n "$PYENV_DEBUG" ] && set -x

program="${0##*/}"

export PYENV_ROOT="/x"
exec "MANAGERS/pyenv" exec "$program" "$@"
"""
NEW_PYENV_SHIM = """#!/usr/bin/env bash
set -e
[ -n "$PYENV_DEBUG" ] && set -x

program="${0##*/}"

export PYENV_ROOT="/x"
SHIM_PATH=${0%/*}
if [[ $SHIM_PATH != "/x/shims" ]]; then
  export _PYENV_SHIM_PATH="$SHIM_PATH"
fi
exec "MANAGERS/pyenv" exec "$program" "$@"
"""
OLD_PYENV_SHIM = """#!/usr/bin/env bash
set -e
[ -n "$PYENV_DEBUG" ] && set -x

program="${0##*/}"
if [[ "$program" = "python"* ]]; then
  for arg; do
    case "$arg" in
    -c* | -- ) break ;;
    */* )
      if [ -f "$arg" ]; then
        export PYENV_FILE_ARG="$arg"
        break
      fi
      ;;
    esac
  done
fi

export PYENV_ROOT="/x"
exec "MANAGERS/pyenv" exec "$program" "$@"
"""
ASDF_SHIM = """#!/usr/bin/env bash
# asdf-plugin: python 3.12.1
# asdf-plugin: python 3.11.7
exec asdf exec "python3" "$@"
"""
OLD_ASDF_SHIM = """#!/usr/bin/env bash
# asdf-plugin: python 3.12.1
exec MANAGERS/asdf exec "python3" "$@" # asdf_allow: ' asdf '
"""


class TestPyenv:
    def test_all_installed_versions_are_found_newest_first(self, tree: Tree) -> None:
        for version in ("3.9.18", "3.12.1", "3.12.10", "3.13.0t", "2.7.18", "pypy3.10-7.3.12", "3.15-dev"):
            tree.files(f"home/.pyenv/versions/{version}/bin/python")
        assert [found_path.split("/")[3] for found_path in tree.found(pyenv)] == [
            *("3.15-dev", "3.13.0t", "3.12.10", "3.12.1", "3.9.18", "2.7.18", "pypy3.10-7.3.12")
        ]
        assert [found_path.split("/")[3] for found_path in tree.found(pyenv, "3.12")] == ["3.12.10", "3.12.1"]
        assert [found_path.split("/")[3] for found_path in tree.found(pyenv, "3.12.1")] == ["3.12.1"]
        assert [found_path.split("/")[3] for found_path in tree.found(pyenv, "pypy3.10")] == ["pypy3.10-7.3.12"]
        assert [found_path.split("/")[3] for found_path in tree.found(pyenv, "3.13")] == []
        assert [found_path.split("/")[3] for found_path in tree.found(pyenv, "3.13t")] == ["3.13.0t"]

    def test_the_root_can_be_set_by_a_variable(self, tree: Tree) -> None:
        tree.files("opt/pyenv/versions/3.12.1/bin/python")
        tree.environ["PYENV_ROOT"] = tree.at("opt/pyenv")
        assert tree.found(pyenv) == ["opt/pyenv/versions/3.12.1/bin/python"]

    def test_an_installation_with_a_custom_name_is_a_candidate_for_every_request(self, tree: Tree) -> None:
        tree.files("home/.pyenv/versions/mine/bin/python3", "home/.pyenv/versions/3.12.1/bin/python3")
        assert tree.found(pyenv, "3.11") == ["home/.pyenv/versions/mine/bin/python3"]

    def test_an_installation_without_a_python_is_ignored(self, tree: Tree) -> None:
        tree.files("home/.pyenv/versions/3.12.1/bin/pip", "home/.pyenv/versions/readme")
        assert tree.found(pyenv) == []

    def test_without_a_home_directory_there_are_no_candidates(self, tree: Tree) -> None:
        tree.environ.clear()
        for finder in (pyenv, uv, mise, asdf, conda, path):
            assert not [found_path for found_path in tree.found(finder) if not found_path.startswith("..")]

    def test_on_windows_pyenv_win_is_used(self, tree: Tree) -> None:
        tree.platform = "win32"
        tree.environ["USERPROFILE"] = tree.at("home")
        tree.files("home/.pyenv/pyenv-win/versions/3.12.1/python.exe")
        assert tree.found(pyenv) == ["home/.pyenv/pyenv-win/versions/3.12.1/python.exe"]


class TestShims:
    """Test which files on PATH are shims; `MANAGERS` in a script is their directory."""

    @pytest.fixture
    def managed(self, tree: Tree) -> Tree:
        tree.files("managers/pyenv", "managers/asdf", "managers/mise")
        tree.environ["PATH"] = f"{tree.at('a')}:{tree.at('managers')}"
        return tree

    def shim(self, tree: Tree, text: str = "", path: str = "a/python3") -> Shim | None:
        if text:
            tree.files(path, text=text.replace("MANAGERS", tree.at("managers")))
        return find_shim(tree.at(path), tree.host)

    @pytest.mark.parametrize("text", [PYENV_SHIM, NEW_PYENV_SHIM, OLD_PYENV_SHIM], ids=["usual", "new", "old"])
    def test_pyenv_is_asked_for_the_active_versions(self, managed: Tree, text: str) -> None:
        command = ("/usr/bin/env", "PYENV_ROOT=/x", managed.at("managers/pyenv"), "version-name")
        assert self.shim(managed, text) == Shim("pyenv", command, "/x/versions/{}/bin/python3")

    @pytest.mark.parametrize("text", [ASDF_SHIM, OLD_ASDF_SHIM], ids=["by name", "by path"])
    def test_asdf_is_asked_what_the_shim_starts(self, managed: Tree, text: str) -> None:
        assert self.shim(managed, text) == Shim("asdf", (managed.at("managers/asdf"), "which", "python3"))

    @pytest.mark.parametrize("name", ["mise", "mise-2026.9.15"])
    def test_mise_is_asked_what_a_link_to_it_starts(self, managed: Tree, name: str) -> None:
        shims = "home/.local/share/mise/shims"
        managed.files(f"opt/{name}")
        for link in (f"{shims}/python3", "a/python3"):
            managed.link(link, managed.at(f"opt/{name}"))
        asked = Shim("mise", (managed.at(f"opt/{name}"), "which", "python3"))
        assert self.shim(managed, path=f"{shims}/python3") == asked
        assert self.shim(managed) == (asked if name == "mise" else None)
        managed.link("b/python3", managed.at("a/python3"))
        assert self.shim(managed, path="b/python3") == (asked if name == "mise" else None)

    @pytest.mark.parametrize("text", [PYENV_SHIM, OLD_ASDF_SHIM, ASDF_SHIM])
    def test_the_version_manager_of_a_shim_may_not_be_installed(self, managed: Tree, text: str) -> None:
        for name in ("pyenv", "asdf"):
            os.unlink(managed.at(f"managers/{name}"))
        shim = self.shim(managed, text)
        assert shim is not None
        assert shim.command == ()

    @pytest.mark.parametrize(
        "text",
        [
            '#!/bin/sh\nexec /opt/python/bin/python3 "$@"\n',
            '#!/bin/sh\n# the premise: pyenv, asdf and mise\nexec /opt/python/bin/python3 "$@"\n',
            '#!/usr/bin/env bash\n# not of pyenv\nexec "/opt/pyenv/versions/3.12.1/bin/python3" "$@"\n',
            '#!/usr/bin/env bash\nexec "MANAGERS/pyenv" exec "$program" "$@"\n',
            PYENV_SHIM.replace("set -e\n", "set -e\nexport LD_LIBRARY_PATH=/opt/lib\n"),
            PYENV_SHIM.replace('exec "$program" "$@"', 'exec "$program" -I "$@"'),
            PYENV_SHIM + "exit 1\n",
            ASDF_SHIM.replace("exec asdf", "exec /opt/asdf/bin/python"),
            ASDF_SHIM.replace("# asdf-plugin: python 3.12.1", "# asdf-plugin: see the manual for it"),
            ASDF_SHIM.replace('exec "python3"', 'exec "ruby"'),
            ASDF_SHIM.replace("exec asdf", "export X=1\nexec asdf"),
            "#!/usr/bin/env bash\n",
            "",
        ],
    )
    def test_a_script_with_any_other_line_is_a_wrapper(self, managed: Tree, text: str) -> None:
        for relative in ("home/.pyenv/shims/python3", "a/python3"):
            managed.files(relative, text="")
            assert self.shim(managed, text, relative) is None

    def test_a_link_to_a_python_in_a_directory_named_after_a_manager_is_a_python(self, managed: Tree) -> None:
        managed.files("opt/mise/bin/python3.12")
        managed.link("a/python3", managed.at("opt/mise/bin/python3.12"))
        assert self.shim(managed) is None

    def test_a_file_that_is_not_a_script_is_not_a_shim(self, managed: Tree) -> None:
        managed.files("a/directory/file")
        os.mkfifo(managed.at("a/fifo"))
        managed.link("a/dangling", "nowhere")
        managed.link("a/loop", "loop")
        for name in ("directory", "directory/file", "fifo", "dangling", "loop", "missing"):
            assert self.shim(managed, path=f"a/{name}") is None


class TestUv:
    @pytest.fixture
    def managed(self, tree: Tree) -> Tree:
        base = "home/.local/share/uv/python"
        for name, command in (
            ("cpython-3.12.4-linux-x86_64-gnu", "python3.12"),
            ("cpython-3.12.9-linux-x86_64-gnu", "python3.12"),
            ("cpython-3.13.0+freethreaded-linux-x86_64-gnu", "python3.13t"),
            ("pypy-3.10.16-linux-x86_64-gnu", "pypy3.10"),
        ):
            tree.files(f"{base}/{name}/bin/{command}")
        tree.link(f"{base}/cpython-3.12-linux-x86_64-gnu", tree.at(f"{base}/cpython-3.12.9-linux-x86_64-gnu"))
        tree.files(f"{base}/.temp/x/bin/python3.12", f"{base}/.lock")
        return tree

    def test_a_minor_version_is_found_by_the_link_that_is_updated(self, managed: Tree) -> None:
        assert [found_path.split("/")[5:] for found_path in managed.found(uv, "3.12")] == [
            ["cpython-3.12-linux-x86_64-gnu", "bin", "python3.12"],
            ["cpython-3.12.4-linux-x86_64-gnu", "bin", "python3.12"],
        ]

    def test_a_patch_version_is_found_in_its_own_directory(self, managed: Tree) -> None:
        assert [found_path.split("/")[5] for found_path in managed.found(uv, "3.12.9")] == [
            "cpython-3.12.9-linux-x86_64-gnu"
        ]

    def test_other_builds_and_implementations_are_found_by_their_names(self, managed: Tree) -> None:
        assert [found_path.split("/")[-1] for found_path in managed.found(uv, "3.13t")] == ["python3.13t"]
        assert managed.found(uv, "3.13") == []
        assert [found_path.split("/")[-1] for found_path in managed.found(uv, "pypy")] == ["pypy3.10"]

    def test_the_directory_can_be_set_by_a_variable(self, tree: Tree) -> None:
        tree.files("data/uv/python/cpython-3.12.4-linux-x86_64-gnu/bin/python3")
        tree.environ["XDG_DATA_HOME"] = tree.at("data")
        assert len(tree.found(uv)) == 1
        tree.environ["UV_PYTHON_INSTALL_DIR"] = tree.at("other")
        assert tree.found(uv) == []

    def test_on_windows_the_executable_is_at_the_top(self, tree: Tree) -> None:
        tree.platform = "win32"
        tree.environ["APPDATA"] = tree.at("roaming")
        tree.files("roaming/uv/python/cpython-3.12.4-windows-x86_64-none/python.exe")
        assert tree.found(uv) == ["roaming/uv/python/cpython-3.12.4-windows-x86_64-none/python.exe"]


def test_mise_is_found_by_the_link_for_the_minor_version(tree: Tree) -> None:
    installed = "home/.local/share/mise/installs/python"
    tree.files(f"{installed}/3.12.1/bin/python3.12", f"{installed}/3.11.7/bin/python3.11")
    for link, target in (("3", "3.12.1"), ("3.12", "3.12.1"), ("3.11", "./3.11.7"), ("latest", "3.12.1")):
        tree.link(f"{installed}/{link}", target)
    assert tree.found(mise) == [f"{installed}/3.12/bin/python3.12", f"{installed}/3.11/bin/python3.11"]
    assert tree.found(mise, "3.12.1") == [f"{installed}/3.12.1/bin/python3.12"]
    tree.environ["MISE_DATA_DIR"] = tree.at("elsewhere")
    assert tree.found(mise) == []


def test_asdf_is_found_in_its_data_directory(tree: Tree) -> None:
    tree.files("home/.asdf/installs/python/3.12.1/bin/python", "data/installs/python/3.11.7/bin/python")
    assert tree.found(asdf) == ["home/.asdf/installs/python/3.12.1/bin/python"]
    tree.environ["ASDF_DATA_DIR"] = tree.at("data")
    assert tree.found(asdf) == ["data/installs/python/3.11.7/bin/python"]


class TestConda:
    def here(self, tree: Tree, request: str = "any") -> list[str]:
        """Return the paths below the root, because conda may also be installed on this machine."""
        return [found_path for found_path in tree.found(conda, request) if not found_path.startswith("..")]

    def test_a_named_environment_yields_its_base(self, tree: Tree) -> None:
        tree.files("opt/conda/conda-meta/history", "opt/conda/bin/python3.12")
        tree.files("opt/conda/envs/work/conda-meta/history", "opt/conda/envs/work/bin/python3.10")
        tree.environ["CONDA_PREFIX"] = tree.at("opt/conda/envs/work")
        assert self.here(tree) == ["opt/conda/bin/python3.12"]
        tree.environ["CONDA_PREFIX"] = tree.at("opt/conda")
        assert self.here(tree) == ["opt/conda/bin/python3.12"]

    def test_an_environment_elsewhere_yields_itself(self, tree: Tree) -> None:
        tree.files("home/envs/work/conda-meta/history", "home/envs/work/bin/python3.10")
        tree.environ["CONDA_PREFIX"] = tree.at("home/envs/work")
        assert self.here(tree) == ["home/envs/work/bin/python3.10"]

    def test_the_base_is_derived_from_the_conda_command(self, tree: Tree) -> None:
        tree.files("opt/conda/conda-meta/history", "opt/conda/bin/python3.12", "opt/conda/bin/conda")
        tree.environ["CONDA_EXE"] = tree.at("opt/conda/bin/conda")
        tree.environ["CONDA_PREFIX"] = tree.at("somewhere/else")
        assert self.here(tree) == ["opt/conda/bin/python3.12"]

    def test_an_inactive_base_is_found_in_the_default_locations(self, tree: Tree) -> None:
        tree.files("home/miniforge3/conda-meta/history", "home/miniforge3/bin/python3")
        tree.files("home/anaconda3/bin/python3")
        tree.files("home/opt/anaconda3/conda-meta/history", "home/opt/anaconda3/bin/python3")
        assert self.here(tree) == ["home/miniforge3/bin/python3", "home/opt/anaconda3/bin/python3"]

    def test_on_windows_the_executable_is_at_the_top(self, tree: Tree) -> None:
        tree.platform = "win32"
        tree.environ["USERPROFILE"] = tree.at("home")
        tree.files("home/miniconda3/conda-meta/history", "home/miniconda3/python.exe")
        assert self.here(tree) == ["home/miniconda3/python.exe"]


def test_homebrew_pythons_are_found_by_their_opt_links(tree: Tree) -> None:
    tree.platform = "darwin"
    tree.environ["HOMEBREW_PREFIX"] = tree.at("brew")
    for formula, version, command in (
        ("python@3.12", "3.12.7_1", "python3.12"),
        ("python@3.9", "3.9.20", "python3.9"),
        ("pypy3.10", "7.3.17", "pypy3.10"),
        ("python-tk@3.12", "3.12.7", "other"),
    ):
        tree.files(f"brew/Cellar/{formula}/{version}/bin/{command}")
        tree.link(f"brew/opt/{formula}", f"../Cellar/{formula}/{version}")
    tree.link("brew/opt/python3", "../Cellar/python@3.12/3.12.7_1")
    assert tree.found(homebrew) == [
        "brew/opt/python@3.12/bin/python3.12",
        "brew/opt/python@3.9/bin/python3.9",
        "brew/opt/pypy3.10/bin/pypy3.10",
    ]
    assert tree.found(homebrew, "3.9") == ["brew/opt/python@3.9/bin/python3.9"]
    assert tree.found(homebrew, "3.11") == []


def test_framework_builds_are_found_newest_first(tree: Tree) -> None:
    tree.platform = "darwin"
    finder = python_org.PythonOrg(tree.at("Library"))
    for version in ("3.9", "3.12"):
        tree.files(f"Library/Frameworks/Python.framework/Versions/{version}/bin/python{version}")
    tree.files("Library/Frameworks/PythonT.framework/Versions/3.13/bin/python3.13t")
    tree.link("Library/Frameworks/Python.framework/Versions/Current", "3.12")
    names = [found_path.rpartition("/")[2] for found_path in tree.found(finder)]
    assert names == ["python3.12", "python3.9", "python3.13t"]
    assert [found_path.rpartition("/")[2] for found_path in tree.found(finder, "3.13t")] == ["python3.13t"]
    tree.platform = "linux"
    assert tree.found(finder) == []


class FakeRegistry:
    """A fake registry: the values by the path of their key, `{"HKEY_...\\\\Software\\\\...": {"": "default"}}`."""

    def __init__(self, entries: dict[str, dict[str, str]]) -> None:
        self.entries = entries

    def keys(self, key: str) -> list[str]:
        below = [path[len(key) + 1 :] for path in self.entries if path.startswith(f"{key}\\")]
        return list(dict.fromkeys(path.partition("\\")[0] for path in below))

    def values(self, key: str) -> dict[str, str]:
        return self.entries.get(key, {})


USER = "HKEY_CURRENT_USER\\Software\\Python"
ALL = "HKEY_LOCAL_MACHINE\\Software\\Python"
ALL_32 = "HKEY_LOCAL_MACHINE\\Software\\WOW6432Node\\Python"


class TestWindowsRegistry:
    def candidates(self, tree: Tree, entries: dict[str, dict[str, str]], request: str = "any") -> list[tuple[str, str]]:
        finder = windows_registry.WindowsRegistry(FakeRegistry(entries))
        return [(candidate.path, candidate.note) for candidate in tree.candidates(finder, request)]

    def test_python_core_comes_first_then_the_users_pythons_then_the_newest(self, tree: Tree) -> None:
        entries = {
            f"{ALL}\\PythonCore\\3.12\\InstallPath": {"ExecutablePath": "C:\\Python312\\python.exe"},
            f"{ALL_32}\\PythonCore\\3.12-32\\InstallPath": {"ExecutablePath": "C:\\Python312-32\\python.exe"},
            f"{USER}\\ContinuumAnalytics\\Anaconda3\\InstallPath": {"ExecutablePath": "C:\\conda\\python.exe"},
            f"{USER}\\PythonCore\\3.9\\InstallPath": {"ExecutablePath": "C:\\Users\\me\\39\\python.exe"},
            f"{USER}\\PythonCore\\3.10\\InstallPath": {"ExecutablePath": "C:\\Users\\me\\310\\python.exe"},
            f"{USER}\\PyLauncher\\x\\InstallPath": {"ExecutablePath": "C:\\Windows\\py.exe"},
        }
        assert [path for path, _ in self.candidates(tree, entries)] == [
            "C:\\Users\\me\\310\\python.exe",
            "C:\\Users\\me\\39\\python.exe",
            "C:\\Python312\\python.exe",
            "C:\\Python312-32\\python.exe",
            "C:\\conda\\python.exe",
        ]
        assert [path for path, _ in self.candidates(tree, entries, "3.10")] == [
            "C:\\Users\\me\\310\\python.exe",
            "C:\\conda\\python.exe",
        ]

    def test_an_old_entry_may_have_only_a_directory(self, tree: Tree) -> None:
        entries = {f"{ALL}\\PythonCore\\3.4\\InstallPath": {"": "C:\\Python34"}}
        assert self.candidates(tree, entries) == [(os.path.join("C:\\Python34", "python.exe"), "")]

    def test_an_entry_without_a_path_is_ignored(self, tree: Tree) -> None:
        assert self.candidates(tree, {f"{USER}\\PythonCore\\3.12": {"DisplayName": "Python"}}) == []

    def test_an_entry_that_needs_arguments_is_skipped_with_a_note(self, tree: Tree) -> None:
        entries = {
            f"{USER}\\Acme\\1\\InstallPath": {"ExecutablePath": "C:\\acme.exe", "ExecutableArguments": "--python"}
        }
        assert self.candidates(tree, entries) == [("C:\\acme.exe", "is Acme\\1 only when started with `--python`")]

    def test_the_default_of_the_launcher_comes_first(self, tree: Tree) -> None:
        entries = {
            f"{USER}\\PythonCore\\3.13\\InstallPath": {"ExecutablePath": "C:\\313\\python.exe"},
            f"{USER}\\PythonCore\\3.12\\InstallPath": {"ExecutablePath": "C:\\312\\python.exe"},
        }
        tree.environ["PY_PYTHON"] = "3.12"
        assert [path for path, _ in self.candidates(tree, entries)] == ["C:\\312\\python.exe", "C:\\313\\python.exe"]

    def test_on_other_systems_there_are_no_candidates(self, tree: Tree) -> None:
        assert tree.found(windows_registry.finder) == []


def test_microsoft_store_pythons_are_found_by_their_aliases(tree: Tree) -> None:
    tree.platform = "win32"
    tree.environ["LOCALAPPDATA"] = tree.at("local")
    apps = "local/Microsoft/WindowsApps"
    for version in ("3.9", "3.12"):
        tree.files(f"{apps}/PythonSoftwareFoundation.Python.{version}_qbz5n2kfra8p0/python.exe")
    tree.files(f"{apps}/python.exe", f"{apps}/Other.App_1/python.exe")
    assert [found_path.split(".Python.")[1].split("_")[0] for found_path in tree.found(windows_store)] == [
        "3.12",
        "3.9",
    ]
    assert len(tree.found(windows_store, "3.9")) == 1
    tree.platform = "linux"
    assert tree.found(windows_store) == []


@pytest.mark.parametrize(
    ("name", "implementation", "version", "free_threaded"),
    [
        ("3.12.1", "cpython", (3, 12, 1), False),
        ("3.13.0t", "cpython", (3, 13, 0), True),
        ("3.13t-dev", "cpython", (3, 13), True),
        ("3.15.0b1", "cpython", (3, 15, 0), False),
        ("cpython-3.12.4-linux-x86_64-gnu", "cpython", (3, 12, 4), False),
        ("cpython-3.13.0+freethreaded-linux-x86_64-gnu", "cpython", (3, 13, 0), True),
        ("pypy3.10-7.3.12", "pypy", (3, 10), False),
        ("pypy-3.10.16-linux-x86_64-gnu", "pypy", (3, 10, 16), False),
        ("graalpy-24.1.0", "graalpy", (), False),
        ("python@3.12", "cpython", (3, 12), False),
        ("3.12-32", "cpython", (3, 12), False),
        ("PythonCore-3.14", "cpython", (3, 14), False),
    ],
)
def test_installation_names_are_parsed(
    name: str, implementation: str, version: tuple[int, ...], free_threaded: bool
) -> None:
    assert installations.parse_installation_name(name) == installations.InstallationName(
        implementation, version, free_threaded
    )


@pytest.mark.parametrize(
    "names",
    [
        "pypy3.10-v7.3.2 pypy3.9-v7.3.11 pypy3.9-v7.3.9",
        "graalpy-24.1.0 graalpy-23.1.10 graalpy-9.1.0",
        "3.14.0 3.14.0t 3.14.0rc10 3.14.0rc2 3.14.0b4 3.14.0a7 3.14-dev",
        "3.12.10 3.12.1 3.12.1-debug 3.12 3.9.18",
        "cpython-3.12.10-linux-x86_64-gnu cpython-3.12.10+freethreaded-linux-x86_64-gnu cpython-3.12.4-linux-x86_64-gnu",
        "miniforge3-24.11.0-0 miniforge3-24.1.2-0 miniforge3-4.9",
    ],
)
def test_installations_are_sorted_by_version(names: str) -> None:
    expected = names.split()
    assert installations.newest_first(sorted(expected)) == expected
    assert installations.newest_first(sorted(expected, key=len)) == expected


@pytest.mark.parametrize("name", ["mine", "miniconda3-latest", "stackless-3.7.5", "jython-2.7.2", "", "-"])
def test_unknown_installation_names_are_not_parsed(name: str) -> None:
    assert installations.parse_installation_name(name) is None


class TestStableExecutable:
    """Test which path of an interpreter environments should refer to."""

    def test_the_opt_link_of_homebrew_is_kept(self, tree: Tree) -> None:
        framework = "Frameworks/Python.framework/Versions/3.12"
        tree.files(f"brew/Cellar/python@3.12/3.12.7_1/{framework}/bin/python3.12")
        tree.files(f"brew/Cellar/python@3.12/3.12.7_1/{framework}/lib/python3.12/os.py")
        tree.link("brew/Cellar/python@3.12/3.12.7_1/bin/python3.12", f"../{framework}/bin/python3.12")
        tree.link("brew/opt/python@3.12", "../Cellar/python@3.12/3.12.7_1")
        tree.link("brew/bin/python3.12", "../Cellar/python@3.12/3.12.7_1/bin/python3.12")
        for start in ("brew/bin/python3.12", "brew/opt/python@3.12/bin/python3.12"):
            prefix = tree.at(f"brew/Cellar/python@3.12/3.12.7_1/{framework}")
            path = base_interpreter.stable_executable(tree.at(start), prefix, "lib/python3.12", "python3.12")
            assert path == tree.at(f"brew/opt/python@3.12/{framework}/bin/python3.12")

    def test_the_minor_version_link_of_uv_is_kept(self, tree: Tree) -> None:
        tree.files(
            "uv/cpython-3.12.4-linux-x86_64-gnu/bin/python3.12",
            "uv/cpython-3.12.4-linux-x86_64-gnu/lib/python3.12/os.py",
        )
        tree.link("uv/cpython-3.12-linux-x86_64-gnu", "cpython-3.12.4-linux-x86_64-gnu")
        tree.link("home/.local/bin/python3.12", tree.at("uv/cpython-3.12.4-linux-x86_64-gnu/bin/python3.12"))
        through_link = tree.at("uv/cpython-3.12-linux-x86_64-gnu/bin/python3.12")
        prefix = tree.at("uv/cpython-3.12.4-linux-x86_64-gnu")
        for start in (tree.at("home/.local/bin/python3.12"), through_link):
            assert base_interpreter.stable_executable(start, prefix, "lib/python3.12", "python3.12") == through_link

    def test_a_link_is_kept_if_the_standard_library_is_found_from_it(self, tree: Tree) -> None:
        tree.files("usr/bin/python3.11", "usr/lib/python3.11/os.py")
        tree.link("usr/bin/snake", "python3.11")
        tree.link("usr/bin/python3", "python3.11")
        usr, python = tree.at("usr"), tree.at("usr/bin/python3.11")
        assert (
            base_interpreter.stable_executable(tree.at("usr/bin/python3"), usr, "lib/python3.11", "python3.11")
            == python
        )
        tree.link("opt/python", "../usr")
        through = tree.at("opt/python/bin/python3.11")
        assert base_interpreter.stable_executable(through, usr, "lib/python3.11", "python3.11") == through

    def test_a_link_is_followed_if_it_leads_to_a_wrong_prefix(self, tree: Tree) -> None:
        tree.files("usr/bin/python3.11", "usr/lib/python3.11/os.py")
        tree.link("lib", "usr/lib")
        tree.link("home/bin/python", "../../usr/bin/python3.11")
        path = base_interpreter.stable_executable(
            tree.at("home/bin/python"), tree.at("usr"), "lib/python3.11", "python3.11"
        )
        assert path == tree.at("usr/bin/python3.11")

    def test_dots_after_a_linked_directory_are_resolved_by_the_system(self, tree: Tree) -> None:
        tree.files("real/deep/bin/x", "real/python/bin/python3.12", "real/python/lib/python3.12/os.py")
        tree.link("bin", "real/deep/bin")
        tree.link("real/deep/bin/python3.12", "../../python/bin/python3.12")
        prefix = tree.at("real/python")
        path = base_interpreter.stable_executable(tree.at("bin/python3.12"), prefix, "lib/python3.12", "python3.12")
        assert path == tree.at("real/python/bin/python3.12")

    @pytest.mark.parametrize(
        "start", ["usr/bin/../bin/python3.11", "usr/./bin//python3.11", "opt/bin/../bin/python3.11"]
    )
    def test_the_path_has_no_dots(self, start: str, tree: Tree) -> None:
        """In `opt`, `bin` is a link to `usr/bin`, so that `..` is `usr`."""
        tree.files("usr/bin/python3.11", "usr/lib/python3.11/os.py")
        tree.link("opt/bin", "../usr/bin")

        path = base_interpreter.stable_executable(tree.at(start), tree.at("usr"), "lib/python3.11", "python3.11")

        assert path == tree.at("opt/bin/python3.11" if start.startswith("opt") else "usr/bin/python3.11")

    def test_broken_and_circular_links_are_left_unchanged(self, tree: Tree) -> None:
        tree.link("a/python", "b")
        tree.link("a/b", "python")
        path = base_interpreter.stable_executable(tree.at("a/python"), tree.at("usr"), "lib/python3.12", "python3.12")
        assert path.startswith(tree.at("a"))
