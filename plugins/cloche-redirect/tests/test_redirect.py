"""Test where the redirect file is written, and that other files are never replaced."""

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


def create(path: Path) -> None:
    cloche.create(path, seeds=None, activators=())


def test_a_redirect_to_a_new_environment_of_a_project_is_written(project: Path) -> None:
    create(project / "py3")

    assert (project / ".venv").read_bytes() == b"py3\n"


def test_the_redirect_is_updated_to_the_newest_environment(project: Path) -> None:
    create(project / "one")
    create(project / "other")

    assert (project / ".venv").read_bytes() == b"other\n"
    assert sorted(path.name for path in project.iterdir()) == [".venv", "one", "other", "pyproject.toml"]


def test_no_redirect_is_written_outside_a_project(tmp_path: Path) -> None:
    create(tmp_path / "env")

    assert [path.name for path in tmp_path.iterdir()] == ["env"]


def test_an_environment_named_venv_is_not_replaced_by_a_redirect(project: Path) -> None:
    create(project / ".venv")
    create(project / "other")

    assert (project / ".venv" / "pyvenv.cfg").is_file()


@pytest.mark.parametrize("text", ["theirs\n", "", "\0", "/nowhere\n"])
def test_a_redirect_to_another_environment_is_not_changed(project: Path, text: str) -> None:
    (project / "theirs").mkdir()
    (project / "theirs" / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.9\n")
    (project / ".venv").write_text(text)

    create(project / "ours")

    assert (project / ".venv").read_text() == text


def test_a_link_named_venv_is_not_followed(project: Path) -> None:
    create(project / "one")
    (project / ".venv").rename(project / "target")
    (project / ".venv").symlink_to("target")

    create(project / "other")

    assert (project / ".venv").is_symlink()
    assert (project / "target").read_text() == "one\n"
