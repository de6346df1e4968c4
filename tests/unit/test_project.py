"""What a project asks for: which file decides, how its lines are read, and what is left alone."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.discovery.project import asked_by_project, requires_python, understood
from cloche.model.interpreter import Host
from cloche.model.spec import InterpreterSpec

if TYPE_CHECKING:
    from pathlib import Path

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def asked(directory: Path | str) -> tuple[tuple[str, ...], str]:
    return asked_by_project(Host({}, str(directory), sys.platform, os.name, sys.executable))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a directory two levels below the temporary one, which stands for the home of a user."""
    place = tmp_path / "work" / "project"
    place.mkdir(parents=True)
    return place


def test_a_project_that_says_nothing_asks_for_nothing(project: Path) -> None:
    assert asked(project) == ((), "")


def test_the_nearest_version_file_decides(project: Path) -> None:
    (project.parent / ".python-version").write_text("3.11\n")
    assert asked(project) == (("3.11",), f"`.python-version` in {project.parent}")
    (project / ".python-version").write_text("3.12\n")
    assert asked(project) == (("3.12",), f"`.python-version` in {project}")


def test_a_version_file_decides_though_a_nearer_pyproject_says_more(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.99"\n')
    (project.parent / ".python-version").write_text("3.11\n")
    assert asked(project)[0] == ("3.11",)


def test_of_the_two_version_files_in_a_directory_the_singular_one_decides(project: Path) -> None:
    (project / ".python-versions").write_text("3.11\n3.12\n")
    assert asked(project) == (("3.11",), f"`.python-versions` in {project}")
    (project / ".python-version").write_text("3.10\n")
    assert asked(project)[0] == ("3.10",)


@pytest.mark.parametrize(
    ("line", "request_text"),
    [
        ("3.12", "3.12"),
        ("  3.12.1  ", "3.12.1"),
        ("python-3.12.1", "3.12.1"),
        ("cpython-3.12.4-linux-x86_64-gnu", "cpython-3.12.4-linux-x86_64-gnu"),
        ("3.13t", "3.13t"),
        ("3.12.1/envs/mine", "3.12.1"),
        ("pypy3.10-7.3.12", "pypy3.10"),
        ("pypy3.10", "pypy3.10"),
        ("pypy@3.10", "pypy@3.10"),
        ("graalpy-24.1.0", "graalpy"),
        (">=3.11", ">=3.11"),
        ("system", "system"),
        ("my-environment", ""),
        ("miniconda3-4.7.12", ""),
        ("./evil", ""),
        ("/usr/bin/python3", ""),
        ("../../bin/sh", ""),
        ("~/python", ""),
        ("3.12; rm -rf /", ""),
        ("$(touch x)", ""),
        ("x" * 10000, ""),
        ("", ""),
    ],
)
def test_a_line_of_a_version_file_is_a_request_or_nothing(line: str, request_text: str) -> None:
    assert understood(line) == request_text


def test_comments_and_lines_that_say_nothing_are_passed_over(project: Path) -> None:
    (project / ".python-version").write_text(
        "\ufeff# for production\n\nmy-environment\n3.12 # until June\n3.11\n", "utf-8"
    )
    assert asked(project)[0] == ("3.12",)


@pytest.mark.parametrize(
    ("line", "request_text"),
    [
        ("3.12.1 3.11.7", "3.12.1"),
        ("3.12\tuntil June", "3.12"),
        (">=3.10, <3.13", ">=3.10, <3.13"),
        (">=3.10 <3.13", None),
        ("python for production", None),
        ("system or not", None),
    ],
)
def test_of_several_words_in_a_line_the_first_counts_if_it_is_a_version(
    project: Path, line: str, request_text: str | None
) -> None:
    (project / ".python-version").write_text(f"{line}\n")
    assert asked(project)[0] == ((request_text,) if request_text else ())


def test_a_version_file_that_says_nothing_leaves_the_word_to_the_next(project: Path) -> None:
    (project / ".python-version").write_text("my-environment\n")
    (project.parent / ".python-version").write_text("3.12\n")
    assert asked(project)[0] == ("3.12",)


def test_a_version_file_of_which_nothing_is_understood_is_told_with_its_first_line(project: Path) -> None:
    (project / ".python-version").write_text("# ours\nmy-environment\n../bin/python\n")
    (project.parent / ".python-version").write_text("3.12\nmy-environment\n")
    warnings: list[str] = []
    host = Host({}, str(project), sys.platform, os.name, sys.executable)
    assert asked_by_project(host, warnings) == (("3.12",), f"`.python-version` in {project.parent}")
    assert warnings == [f"`.python-version` in {project} was ignored: `my-environment` is not a valid Python request"]
    (project / ".python-version").write_text("# nothing yet\n\n")
    warnings.clear()
    asked_by_project(host, warnings)
    assert warnings == []


def test_a_name_that_pyenv_gave_is_what_it_stands_for(project: Path) -> None:
    versions = project / "pyenv" / "versions"
    for name in ("mine", "3.14-dev", "3.12"):
        (versions / name / "bin").mkdir(parents=True)
    host = Host({"PYENV_ROOT": str(project / "pyenv")}, str(project), sys.platform, os.name, sys.executable)
    for line, request in (
        ("mine", str(versions / "mine")),
        ("3.14-dev", str(versions / "3.14-dev")),
        ("3.12", "3.12"),
        ("other\nmine", str(versions / "mine")),
        ("../versions/mine", None),
        (str(versions / "mine"), None),
        ("..", None),
    ):
        (project / ".python-version").write_text(f"{line}\n")
        assert asked_by_project(host)[0] == ((request,) if request else ())


def test_system_means_the_running_python_and_is_named_as_the_reason(project: Path) -> None:
    (project / ".python-version").write_text("system\n")
    assert asked(project) == ((), f"`.python-version` in {project}")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe3.12", b"3.12\n" * 100_000, b"\0\0\0"], ids=["no text", "large", "zeros"]
)
def test_a_version_file_that_is_no_text_or_too_large_is_left_alone(project: Path, content: bytes) -> None:
    (project / ".python-version").write_bytes(content)
    assert asked(project) == ((), "")


def test_what_is_no_file_holds_nobody_up(project: Path) -> None:
    os.mkfifo(project / ".python-version")
    (project / "pyproject.toml").mkdir()
    assert asked(project) == ((), "")


def test_requires_python_is_satisfied_by_the_running_python_if_it_can_be(project: Path) -> None:
    path = project / "pyproject.toml"
    path.write_text(f'[project]\nname = "x"\nrequires-python = ">={HERE}"\n')
    assert asked(project) == ((), f"`requires-python` of {path}")
    path.write_text('[project]\nname = "x"\nrequires-python = ">=3.6,<3.7"\n')
    assert asked(project) == ((">=3.6,<3.7",), f"`requires-python` of {path}")


@pytest.mark.parametrize("wanted", [">=3.10 <3.12", "^3.9", "3.12", "pypy", "./python", "newest"])
def test_a_requires_python_that_is_no_range_is_left_alone(project: Path, wanted: str) -> None:
    (project / "pyproject.toml").write_text(f'[project]\nrequires-python = "{wanted}"\n')
    assert asked(project) == ((), "")


def test_only_the_nearest_pyproject_is_asked(project: Path) -> None:
    (project.parent / "pyproject.toml").write_text('[project]\nrequires-python = "<3.7"\n')
    assert asked(project)[0] == ("<3.7",)
    (project / "pyproject.toml").write_text("[tool.black]\n")
    assert asked(project) == ((), "")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('[project]\nrequires-python = ">=3.9"\n', ">=3.9"),
        ("[project]\nrequires-python='>=3.9'\n", ">=3.9"),
        ('[project]\nrequires-python = ">=3.9" # comment\n', ">=3.9"),
        ('[project]\n"requires-python" = ">=3.9"\n', ">=3.9"),
        ('project.requires-python = ">=3.9"\n', ">=3.9"),
        ('project = {requires-python = ">=3.9"}\n', ">=3.9"),
        ('[project]\nrequires-python = "\\u003e=3.9"\n', ">=3.9"),
        ('[ project ]\nrequires-python = ">=3.9"\n', ">=3.9"),
        ('[project]\nrequires-python = """>=3.9"""\n', ">=3.9"),
        ('[project]\ndescription = """\nrequires-python = ">=2"\n"""\nrequires-python = ">=3.9"\n', ">=3.9"),
        ('[tool.x]\nrequires-python = ">=3.9"\n', ""),
        ('[project]\n# requires-python = ">=3.9"\n', ""),
        ('[project]\nname = "requires-python"\n', ""),
        ('[[project]]\nrequires-python = ">=3.9"\n', ""),
        ("[project]\nrequires-python = 3.9\n", ""),
        ("[project]\nrequires-python = [\n", ""),
        ('project = "requires-python"\n', ""),
        ("requires-python", ""),
        ("", ""),
    ],
)
def test_requires_python_is_read_as_toml_has_it(text: str, wanted: str) -> None:
    assert requires_python(text) == wanted


def test_without_a_current_directory_nothing_is_asked_for() -> None:
    assert asked("") == ((), "")


@given(st.text(max_size=60))
def test_whatever_stands_in_a_version_file_is_a_request_for_a_kind_of_interpreter_or_nothing(line: str) -> None:
    request = understood(line)
    assert request in ("", "system") or not InterpreterSpec.parse(request).is_exact
