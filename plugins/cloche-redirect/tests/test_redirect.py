"""The redirect file: where it is written, and what it never replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import cloche

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def make(path: Path) -> None:
    cloche.create(path, seeds=None, activators=())


def test_a_new_environment_of_a_project_is_pointed_at(project: Path) -> None:
    make(project / "py3")

    assert (project / ".venv").read_bytes() == b"py3\n"


def test_the_newest_environment_of_cloche_is_pointed_at(project: Path) -> None:
    make(project / "one")
    make(project / "other")

    assert (project / ".venv").read_bytes() == b"other\n"
    assert sorted(path.name for path in project.iterdir()) == [".venv", "one", "other", "pyproject.toml"]


def test_outside_a_project_nothing_is_written(tmp_path: Path) -> None:
    make(tmp_path / "env")

    assert [path.name for path in tmp_path.iterdir()] == ["env"]


def test_an_environment_of_that_name_needs_no_redirect(project: Path) -> None:
    make(project / ".venv")
    make(project / "other")

    assert (project / ".venv" / "pyvenv.cfg").is_file()


@pytest.mark.parametrize("text", ["theirs\n", "", "\0", "/nowhere\n"])
def test_a_redirect_to_something_else_is_left_alone(project: Path, text: str) -> None:
    (project / "theirs").mkdir()
    (project / "theirs" / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.9\n")
    (project / ".venv").write_text(text)

    make(project / "ours")

    assert (project / ".venv").read_text() == text


def test_a_link_is_never_followed(project: Path) -> None:
    make(project / "one")
    (project / ".venv").rename(project / "target")
    (project / ".venv").symlink_to("target")

    make(project / "other")

    assert (project / ".venv").is_symlink()
    assert (project / "target").read_text() == "one\n"
