"""Test that the build of an interpreter (free-threaded, debug) is kept wherever an executable is named.

The debug build is the real one of Debian.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.builtin.finders import installations
from cloche.discovery.base_interpreter import build_in_name, resolve_base, with_stable_executable
from cloche.lifecycle.reader import base_candidates, implementation_and_build, layout_on_disk
from cloche.model.interpreter import Host
from cloche.model.spec import InterpreterSpec
from cloche.model.value import replace
from cloche.planning.layout import executable_names
from tests.run import Cloche
from tests.tools import require
from tests.unit.interpreters import interpreter

if TYPE_CHECKING:
    from pathlib import Path

HOST = Host({}, os.sep, sys.platform, os.name, sys.executable)


@pytest.mark.parametrize(
    ("name", "build"),
    [
        *(("python3.13t", "t"), ("python3.11d", "d"), ("python3.13td", "td"), ("python3d", "d"), ("python3t.exe", "t")),
        *(("python3.11-dbg", "d"), ("python3-dbg", "d"), ("pythonw3.13t.exe", "t"), ("pypy3.10d", "d")),
        *(("python3.12", ""), ("python", ""), ("pythond", ""), ("start", ""), ("", ""), ("python3.12dt", "")),
    ],
)
def test_the_name_of_an_executable_may_contain_its_build(name: str, build: str) -> None:
    assert build_in_name(name) == build


@pytest.mark.parametrize("name", ["CPython 3.13.0t", "CPython 3.11.2d", "CPython 3.13.0td", "CPython 3.12.1"])
def test_a_refusal_suggests_a_request_that_accepts_the_build(name: str) -> None:
    python = interpreter(name)
    refusal = InterpreterSpec.parse("3").refusal(python)
    assert (refusal is None) == (name == "CPython 3.12.1")
    if refusal:
        assert InterpreterSpec.parse(refusal.split("`")[1]).accepts(python)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CPython 3.11.2d", ("python", "python3", "python3.11", "python3.11d")),
        ("CPython 3.13.0td", ("python", "python3", "python3.13", "python3.13t", "python3.13td")),
        ("CPython 3.13.0t", ("python", "python3", "python3.13", "python3.13t")),
    ],
)
def test_an_environment_has_the_names_of_its_build(name: str, expected: tuple[str, ...]) -> None:
    assert executable_names(interpreter(name)) == expected


def test_a_debug_build_on_windows_is_searched_for_by_its_own_name() -> None:
    windows = Host({}, "C:\\", "win32", "nt", "")
    assert installations.command_names(InterpreterSpec.parse("3.12d"), windows)[:2] == [
        "python3.12_d.exe",
        "python3.12.exe",
    ]


@pytest.mark.parametrize("build", ["d", "t", "td"])
def test_the_path_that_survives_an_upgrade_has_the_build(tmp_path: Path, build: str) -> None:
    python = interpreter(f"CPython 3.13.0{build}")
    binaries, stdlib = tmp_path / "bin", tmp_path / os.path.relpath(python.stdlib, python.prefix)
    binaries.mkdir()
    stdlib.mkdir(parents=True)
    (stdlib / "os.py").touch()
    (binaries / f"python3.13{build}").touch()
    (binaries / "python3.13").write_text("of another build")
    for link in (f"python3{build}", "snake", "python3.13-dbg"):
        (binaries / link).symlink_to(f"python3.13{build}")
        moved = replace(python, executable=str(binaries / link), prefix=str(tmp_path), stdlib=str(stdlib))
        assert with_stable_executable(moved).executable == str(binaries / f"python3.13{build}")


@pytest.mark.parametrize("build", ["d", "t", "td"])
def test_the_base_of_an_environment_is_never_another_build(tmp_path: Path, build: str) -> None:
    home = tmp_path / "home"
    for directory in (home, tmp_path / "env" / "bin"):
        directory.mkdir(parents=True)
    for name in ("python", "python3", "python3.13", f"python3.13{build}"):
        (home / name).touch()
    executable = tmp_path / "env" / "bin" / "python"
    executable.touch()
    base = home / f"python3.13{build}"
    settings = {"home": str(home), "version": "3.13.0", "executable": str(base)}
    lines = (f"{key} = {text}\n" for key, text in settings.items())
    (tmp_path / "env" / "pyvenv.cfg").write_text("".join(lines))
    assert resolve_base(str(executable)) == str(base)
    base.unlink()
    with pytest.raises(LookupError, match="no longer exists"):
        resolve_base(str(executable))
    assert not any(os.path.isfile(path) for path in base_candidates(str(tmp_path / "env"), settings, HOST))


@pytest.fixture
def debug() -> str:
    """Return the path of Debian's debug build."""
    return os.path.realpath(require("python3-dbg"))


@pytest.mark.parametrize("link", ["python3-dbg", "python3d", "3d", "python3-dbg (a request)"])
def test_a_debug_build_is_recorded_by_its_version(tmp_path: Path, debug: str, link: str) -> None:
    directory = os.path.dirname(debug)
    request = (
        os.path.join(directory, link) if link.startswith("python3") and "(" not in link else link.partition(" ")[0]
    )
    environment = cloche.create(tmp_path / "env", python=request, seeds=None)
    assert environment.interpreter is not None
    assert environment.interpreter.executable == debug
    assert os.path.basename(debug) in environment.layout.names
    program = "import sys; print(hasattr(sys, 'gettotalrefcount'))"
    for name in ("python", os.path.basename(debug)):
        printed = subprocess.run([environment.bin / name, "-c", program], capture_output=True, text=True, check=True)
        assert printed.stdout == "True\n"
    done = Cloche(tmp_path, os.environ)("upgrade", "--check", environment.root)
    assert (done.code, done.out.startswith("up to date env: ")) == (0, True), done


@pytest.mark.parametrize("creator", ["symlink", "copy", "venv"])
def test_an_environment_of_a_debug_build_leads_to_that_build(tmp_path: Path, debug: str, creator: str) -> None:
    cloche.create(tmp_path / "one", python=debug, creator=creator, seeds=None)
    other = cloche.create(tmp_path / "two", python=str(tmp_path / "one"), seeds=None)
    assert other.interpreter is not None
    assert other.interpreter.executable == debug
    loaded = cloche.load(tmp_path / "one")
    assert implementation_and_build(loaded, {}) == ("cpython", "d")


def test_an_upgrade_to_the_debug_build_says_what_changes(tmp_path: Path, debug: str) -> None:
    release = debug.removesuffix("d")
    environment = cloche.create(tmp_path / "env", python=release, seeds=None)
    done = Cloche(tmp_path, os.environ)("upgrade", "--check", "-p", debug, environment.root)
    assert environment.interpreter is not None
    name = environment.interpreter.name
    assert f"{name} debug instead of {name}, " in done.out


def test_the_layout_without_a_base_has_the_newest_library(tmp_path: Path) -> None:
    for name in ("python3.9", "python3.13t", "python3.10"):
        (tmp_path / "lib" / name / "site-packages").mkdir(parents=True)
    assert layout_on_disk(str(tmp_path)).purelib == "lib/python3.13t/site-packages"
