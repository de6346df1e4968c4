"""Test which environments are listed, that no other line is changed, and that concurrent writers lose nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche_python_envs import LOCK, NAME

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def create(path: Path, **options: object) -> list[str]:
    """Create an environment, and return the warnings."""
    result = cloche.create_with_result(path, seeds=None, activators=(), **options)
    return list(result.warnings)


def test_new_environments_are_added_at_the_end(project: Path) -> None:
    create(project / "py312")
    create(project / "other")

    assert (project / NAME).read_bytes() == b"py312\nother\n"
    assert sorted(path.name for path in project.iterdir()) == [NAME, LOCK, "other", "py312", "pyproject.toml"]


def test_an_environment_is_listed_only_in_a_project(tmp_path: Path) -> None:
    create(tmp_path / "env")

    assert [path.name for path in tmp_path.iterdir()] == ["env"]


def test_an_environment_named_venv_is_not_listed(project: Path) -> None:
    create(project / ".venv")

    assert sorted(path.name for path in project.iterdir()) == [".venv", "pyproject.toml"]


@pytest.mark.parametrize(
    "line", ["env", "./env", "env/", "sub/../env", "{project}/env", "link", "  env  ", "env\r"], ids=repr
)
def test_a_listed_environment_keeps_its_line(project: Path, line: str) -> None:
    """Under any spelling of its path. The user may have put another environment last."""
    (project / "sub").mkdir()
    (project / "link").symlink_to("env")
    before = f"{line.format(project=project)}\ndefault\n".encode()
    (project / NAME).write_bytes(before)

    create(project / "env")

    assert (project / NAME).read_bytes() == before


@pytest.mark.parametrize(
    "before",
    [b"# mine\n\n/srv/env\n", b"theirs\r\n\xff\xfe\r\n", b"theirs", b"\n", b"", b"../env\n", b"env2\n", b"a\0b\n"],
    ids=repr,
)
def test_other_lines_are_unchanged(project: Path, before: bytes) -> None:
    (project / NAME).write_bytes(before)
    (project / NAME).chmod(0o640)

    create(project / "env")

    separator = b"\n" if before == b"theirs" else b""
    assert (project / NAME).read_bytes() == before + separator + b"env\n"
    assert (project / NAME).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(("name", "line"), [("#env", "./#env"), (" env", "./ env"), ("ü", "ü")])
def test_unusual_names_are_read_back(project: Path, name: str, line: str) -> None:
    create(project / name)

    assert (project / NAME).read_text(encoding="utf-8") == f"{line}\n"
    create(project / name)
    assert (project / NAME).read_text(encoding="utf-8") == f"{line}\n"


@pytest.mark.parametrize("name", ["env ", "one\ntwo", "one\u2028two"], ids=ascii)
def test_a_name_that_does_not_fit_on_a_line_is_a_warning(project: Path, name: str) -> None:
    [warning] = create(project / name)

    assert f"`{NAME}` cannot contain the name" in warning
    assert not (project / NAME).exists()


def test_a_link_is_neither_followed_nor_replaced(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "file"
    elsewhere.write_text("theirs\n")
    (project / NAME).symlink_to(elsewhere)

    [warning] = create(project / "env")

    assert "is not a regular file" in warning
    assert elsewhere.read_text() == "theirs\n"
    assert (project / NAME).is_symlink()


def test_eight_writers_at_once_lose_nothing(project: Path) -> None:
    """Each process waits until all are ready, then adds environments as fast as it can."""
    program = """
import sys
from pathlib import Path
from types import SimpleNamespace
from cloche_python_envs import cloche_created

project, number = Path(sys.argv[1]), sys.argv[2]
print(flush=True)
sys.stdin.readline()
for count in range(20):
    cloche_created(SimpleNamespace(environment=SimpleNamespace(root=project / f"env{number}.{count}")))
"""
    pipe = subprocess.PIPE
    writers = [
        subprocess.Popen([sys.executable, "-c", program, project, str(number)], stdin=pipe, stdout=pipe, text=True)
        for number in range(8)
    ]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()

    assert [writer.returncode for writer in writers] == [0] * 8
    listed = (project / NAME).read_text().splitlines()
    assert sorted(listed) == sorted(f"env{number}.{count}" for number in range(8) for count in range(20))


def test_eight_runs_at_once_list_every_environment(project: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "cloche", "-q", "--no-seed", "--activators=none", project / f"env{number}"]
        )
        for number in range(8)
    ]

    assert [run.wait(timeout=120) for run in runs] == [0] * 8
    assert sorted((project / NAME).read_text().splitlines()) == [f"env{number}" for number in range(8)]


@pytest.mark.parametrize("options", [(), ("--copy",)])
def test_the_list_names_the_new_path_of_a_moved_environment(project: Path, options: tuple[str, ...]) -> None:
    """It keeps its place in the list. A copy is a new environment."""
    for name in ("one", "two"):
        create(project / name)
    (project / NAME).write_bytes(b"# mine\n./one\r\ntwo\n")

    move(project / "one", project / "moved", *options)

    expected = b"# mine\n./one\r\ntwo\nmoved\n" if options else b"# mine\nmoved\r\ntwo\n"
    assert (project / NAME).read_bytes() == expected


def test_an_environment_that_leaves_its_project_is_no_longer_listed_there(project: Path, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "pyproject.toml").touch()
    for name in ("one", "two"):
        create(project / name)

    move(project / "one", other / "one")
    move(project / "two", project / ".venv")

    assert (project / NAME).read_bytes() == b""
    assert (other / NAME).read_bytes() == b"one\n"


def test_a_list_that_cannot_be_changed_is_a_warning(project: Path) -> None:
    create(project / "env")
    (project / NAME).unlink()
    (project / NAME).mkdir()

    assert "is not a regular file" in move(project / "env", project / "moved")
    assert (project / "moved" / "pyvenv.cfg").is_file()


def move(old: Path, new: Path, *options: str) -> str:
    """Move an environment with the command line, and return what it writes to standard error."""
    command = [sys.executable, "-m", "cloche", "move", old, new, *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr
