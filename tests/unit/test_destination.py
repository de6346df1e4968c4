"""Test destinations: their absolute paths, what exists there, and what must not be replaced."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.errors import DestinationError
from cloche.model.interpreter import Host
from cloche.planning.clearing import refuse_base_interpreter, refuse_running_cloche
from cloche.planning.destination import (
    Destination,
    absolute_path,
    find_python_mismatch,
    inspect_destination,
    refuse_long_paths,
)
from cloche.planning.layout import layout_of
from tests.unit.interpreters import interpreter

if TYPE_CHECKING:
    from pathlib import Path


def host(cwd: Path, executable: str = "/usr/bin/python3") -> Host:
    return Host({}, str(cwd), "linux", "posix", executable)


def test_two_dots_are_resolved_as_the_system_resolves_them(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/inner")
    assert absolute_path("link/../env", host(tmp_path)) == str(tmp_path / "real" / "env")
    assert absolute_path("link/./env", host(tmp_path)) == str(tmp_path / "link" / "env")


def test_a_directory_whose_pyvenv_cfg_has_no_home_is_not_an_environment(tmp_path: Path) -> None:
    for state, text in (("directory", "version = 3.12.1\n"), ("environment", "home = /usr/bin\n")):
        (tmp_path / "pyvenv.cfg").write_text(text)
        assert inspect_destination(str(tmp_path), host(tmp_path.parent)).state == state


def test_a_directory_that_contains_the_current_directory_is_immovable(tmp_path: Path) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env2").mkdir()
    immovable = {
        name: inspect_destination(str(tmp_path / "env"), host(tmp_path / name)).immovable
        for name in ("env", "env/bin", "env2")
    }
    assert immovable == {"env": True, "env/bin": True, "env2": False}


def test_a_directory_in_a_parent_that_is_read_only_is_immovable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write to every directory, so the answer of the system is replaced."""
    (tmp_path / "env").mkdir()
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((path, mode)))

    assert inspect_destination(str(tmp_path / "env"), host(tmp_path.parent)).immovable
    assert asked == [(str(tmp_path), os.W_OK)]


def test_the_running_python_and_the_running_cloche_are_not_replaced(tmp_path: Path) -> None:
    """They can be in different directories: cloche may run from a zip archive or a checkout on PYTHONPATH."""
    python = host(tmp_path, str(tmp_path / "env" / "bin" / "python"))
    for directory in (str(tmp_path / "env"), os.path.dirname(cloche.__file__)):
        with pytest.raises(DestinationError, match="this cloche runs from"):
            refuse_running_cloche(directory, python, "`--clear`")
    refuse_running_cloche(str(tmp_path / "other"), python, "`--clear`")


def test_a_path_that_is_too_long_for_the_platform_is_refused(tmp_path: Path) -> None:
    target = f"/{'x' * 1100}"
    refuse_long_paths(target, (), 0, "linux")
    with pytest.raises(DestinationError, match="too long: 1101 bytes"):
        refuse_long_paths(target, (), 0, "darwin")


def test_an_environment_without_the_site_packages_of_a_python_is_of_another_python(tmp_path: Path) -> None:
    python = interpreter("CPython 3.12.1")
    settings = {"home": "/opt/python/bin"}
    destination = Destination(str(tmp_path), str(tmp_path), "environment", settings, immovable=False)
    assert find_python_mismatch(destination, python, layout_of(python)) == "another Python"


def test_a_directory_with_the_base_interpreter_is_not_replaced(tmp_path: Path) -> None:
    """This is also true if the path of the base interpreter contains a link."""
    (tmp_path / "python" / "bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to("python")
    base = interpreter("CPython 3.12.1", str(tmp_path / "link" / "bin" / "python3.12"))
    for name in ("python", "link", "python/bin"):
        with pytest.raises(DestinationError, match="base interpreter"):
            refuse_base_interpreter(str(tmp_path / name), base, "`--clear`")
    refuse_base_interpreter(str(tmp_path / "pyth"), base, "`--clear`")


@pytest.mark.parametrize(
    ("recorded", "name", "mismatch"),
    [
        ("GraalVM", "GraalPy 3.11.7", None),
        ("PyPy", "PyPy 3.10.14", None),
        ("CPython", "CPython 3.12.1", None),
        ("", "CPython 3.12.1", None),
        ("GraalVM", "CPython 3.11.7", "GraalVM"),
        ("CPython", "PyPy 3.10.14", "CPython"),
    ],
)
def test_another_recorded_implementation_is_a_mismatch(
    tmp_path: Path, recorded: str, name: str, mismatch: str | None
) -> None:
    """GraalPy calls itself `GraalVM`, and virtualenv and cloche record that name."""
    python = interpreter(name)
    layout = layout_of(python)
    (tmp_path / layout.purelib).mkdir(parents=True)
    settings = {"home": "/opt/python/bin", "implementation": recorded, "version": python.version_text}
    destination = Destination(str(tmp_path), str(tmp_path), "environment", settings, immovable=False)
    assert find_python_mismatch(destination, python, layout) == mismatch
