"""Test which Python a project requests: which file is used, how its lines are parsed, and what is ignored."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.discovery.project import find_project_request, parse_request, requires_python
from cloche.model.interpreter import Host
from cloche.model.spec import InterpreterSpec

if TYPE_CHECKING:
    from pathlib import Path

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def requested_by(directory: Path | str) -> tuple[tuple[str, ...], str]:
    return find_project_request(Host({}, str(directory), sys.platform, os.name, sys.executable))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory two levels below the temporary directory, so that a parent can have version files too."""
    project_directory = tmp_path / "work" / "project"
    project_directory.mkdir(parents=True)
    return project_directory


def test_a_project_without_version_files_requests_nothing(project: Path) -> None:
    assert requested_by(project) == ((), "")


def test_the_nearest_version_file_is_used(project: Path) -> None:
    (project.parent / ".python-version").write_text("3.11\n")
    assert requested_by(project) == (("3.11",), f"`.python-version` in {project.parent}")
    (project / ".python-version").write_text("3.12\n")
    assert requested_by(project) == (("3.12",), f"`.python-version` in {project}")


def test_a_version_file_takes_precedence_over_a_nearer_pyproject(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.99"\n')
    (project.parent / ".python-version").write_text("3.11\n")
    assert requested_by(project)[0] == ("3.11",)


def test_python_version_takes_precedence_over_python_versions(project: Path) -> None:
    (project / ".python-versions").write_text("3.11\n3.12\n")
    assert requested_by(project) == (("3.11",), f"`.python-versions` in {project}")
    (project / ".python-version").write_text("3.10\n")
    assert requested_by(project)[0] == ("3.10",)


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
def test_a_line_of_a_version_file_is_parsed(line: str, request_text: str) -> None:
    assert parse_request(line) == request_text


def test_comments_and_invalid_lines_are_skipped(project: Path) -> None:
    (project / ".python-version").write_text(
        "\ufeff# for production\n\nmy-environment\n3.12 # until June\n3.11\n", "utf-8"
    )
    assert requested_by(project)[0] == ("3.12",)


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
def test_the_first_word_of_a_line_is_used_if_it_is_a_version(
    project: Path, line: str, request_text: str | None
) -> None:
    (project / ".python-version").write_text(f"{line}\n")
    assert requested_by(project)[0] == ((request_text,) if request_text else ())


def test_a_version_file_without_a_request_is_skipped(project: Path) -> None:
    (project / ".python-version").write_text("my-environment\n")
    (project.parent / ".python-version").write_text("3.12\n")
    assert requested_by(project)[0] == ("3.12",)


def test_an_invalid_version_file_causes_a_warning_with_its_first_line(project: Path) -> None:
    (project / ".python-version").write_text("# ours\nmy-environment\n../bin/python\n")
    (project.parent / ".python-version").write_text("3.12\nmy-environment\n")
    warnings: list[str] = []
    host = Host({}, str(project), sys.platform, os.name, sys.executable)
    assert find_project_request(host, warnings) == (("3.12",), f"`.python-version` in {project.parent}")
    assert warnings == [f"`.python-version` in {project} was ignored: `my-environment` is not a valid Python request"]
    (project / ".python-version").write_text("# nothing yet\n\n")
    warnings.clear()
    find_project_request(host, warnings)
    assert warnings == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("3.12\r\n".encode("utf-16"), "it is not UTF-8 (at line 1)"),
        (b"3.12\xff\n", "it is not UTF-8 (at line 1)"),
        (b"3.12\n" + b"#" * (1 << 17), "it is larger than 64 KiB"),
        (None, "it cannot be read"),
    ],
    ids=["UTF-16", "Latin-1", "too large", "FIFO"],
)
def test_a_version_file_that_cannot_be_read_causes_a_warning(project: Path, content: bytes | None, reason: str) -> None:
    path = project / ".python-version"
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    (project.parent / ".python-version").write_text("3.12\n")
    warnings: list[str] = []
    host = Host({}, str(project), sys.platform, os.name, sys.executable)
    assert find_project_request(host, warnings)[0] == ("3.12",)
    assert warnings == [f"`{path}` is ignored: {reason}"]


def test_a_version_file_that_is_a_directory_or_a_broken_link_causes_a_warning(project: Path) -> None:
    (project.parent / ".python-version").write_text("3.12\n")
    (project / ".python-version").mkdir()
    (project / ".python-versions").symlink_to("../shared/python-version")
    (project / "pyproject.toml").symlink_to("pyproject.toml")
    warnings: list[str] = []
    host = Host({}, str(project), sys.platform, os.name, sys.executable)
    assert find_project_request(host, warnings)[0] == ("3.12",)
    assert warnings == [
        f"`{project}/.python-version` is ignored: it is a directory",
        f"`{project}/.python-versions` is ignored: it is a broken link to `../shared/python-version`",
    ]
    (project.parent / ".python-version").unlink()
    warnings.clear()
    find_project_request(host, warnings)
    assert warnings[2:] == [f"`{project}/pyproject.toml` is ignored: it is a broken link to `pyproject.toml`"]


def test_a_custom_name_of_a_pyenv_installation_is_its_directory(project: Path) -> None:
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
        assert find_project_request(host)[0] == ((request,) if request else ())


def test_system_is_the_python_on_path(project: Path) -> None:
    (project / ".python-version").write_text("system\n")
    assert requested_by(project) == (("system",), f"`.python-version` in {project}")
    assert InterpreterSpec.parse("system").name == "python3"


def test_the_variable_of_pyenv_comes_before_every_file(project: Path) -> None:
    (project / ".python-version").write_text("3.12\n")
    for value, request in (("3.11.7", "3.11.7"), ("missing:3.10:3.9", "3.10"), ("system", "system"), (" : ", "3.12")):
        host = Host({"PYENV_VERSION": value}, str(project), sys.platform, os.name, sys.executable)
        origin = f"`.python-version` in {project}" if request == "3.12" else "`PYENV_VERSION`"
        assert find_project_request(host) == ((request,), origin)
    warnings: list[str] = []
    host = Host({"PYENV_VERSION": "missing"}, str(project), sys.platform, os.name, sys.executable)
    assert find_project_request(host, warnings)[0] == ("3.12",)
    assert warnings == ["`PYENV_VERSION` was ignored: `missing` is not a valid Python request"]


@pytest.mark.parametrize("root", ["pyenv/versions", "mise/installs/python", "asdf/installs/python"])
@pytest.mark.parametrize(
    "name", ["pypy3.9-7.3.11", "graalpy-24.1.0", "miniforge3-24.11.0-0", "3.12.1/envs/mine", "python-3.12", "default"]
)
def test_the_name_of_an_installation_means_exactly_this_installation(project: Path, root: str, name: str) -> None:
    for other in (name, "pypy3.9-7.3.9", "graalpy-9.1.0"):
        (project / root / other / "bin").mkdir(parents=True)
    environ = {f"{tool.upper()}_{key}": str(project / tool) for tool, key in TOOLS}
    host = Host(environ, str(project), sys.platform, os.name, sys.executable)
    (project / ".python-version").write_text(f"{name}\n")
    warnings: list[str] = []
    assert find_project_request(host, warnings)[0] == (str(project / root / name),)
    assert warnings == []


TOOLS = (("pyenv", "ROOT"), ("mise", "DATA_DIR"), ("asdf", "DATA_DIR"))


def test_a_pin_that_is_not_installed_is_made_general_with_a_warning(project: Path) -> None:
    (project / ".python-version").write_text("pypy3.9-7.3.11\n")
    warnings: list[str] = []
    host = Host({}, str(project), sys.platform, os.name, sys.executable)
    assert find_project_request(host, warnings)[0] == ("pypy3.9",)
    (warning,) = warnings
    assert warning.endswith("asks for `pypy3.9-7.3.11`: no installation has this name, so any `pypy3.9` is accepted")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe3.12", b"3.12\n" * 100_000, b"\0\0\0"], ids=["not UTF-8", "large", "zeros"]
)
def test_a_version_file_that_is_not_text_or_too_large_is_ignored(project: Path, content: bytes) -> None:
    (project / ".python-version").write_bytes(content)
    assert requested_by(project) == ((), "")


def test_a_version_file_that_is_not_a_regular_file_does_not_block(project: Path) -> None:
    os.mkfifo(project / ".python-version")
    (project / "pyproject.toml").mkdir()
    assert requested_by(project) == ((), "")


def test_the_running_python_is_used_if_it_satisfies_requires_python(project: Path) -> None:
    path = project / "pyproject.toml"
    path.write_text(f'[project]\nname = "x"\nrequires-python = ">={HERE}"\n')
    assert requested_by(project) == ((), f"`requires-python` of {path}")
    path.write_text('[project]\nname = "x"\nrequires-python = ">=3.6,<3.7"\n')
    assert requested_by(project) == ((">=3.6,<3.7",), f"`requires-python` of {path}")


@pytest.mark.parametrize("wanted", [">=3.10 <3.12", "^3.9", "3.12", "pypy", "./python", "newest"])
def test_an_invalid_requires_python_is_ignored(project: Path, wanted: str) -> None:
    (project / "pyproject.toml").write_text(f'[project]\nrequires-python = "{wanted}"\n')
    assert requested_by(project) == ((), "")


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (
            b'[project]\nname = "x"\nrequires-python = ">>3.12"\n',
            "`requires-python` in {} is ignored: `>>3.12` is not a version range (at line 3, column 19)",
        ),
        (
            b"[project]\n'requires-python'  =  'three'\n",
            "`requires-python` in {} is ignored: `three` is not a version range (at line 2, column 23)",
        ),
        (
            b"[project]\nrequires-python = 3.12\n",
            "`requires-python` in {} is ignored: it is not text (at line 2, column 19)",
        ),
        (
            b"[tool.x]\nrequires-python = 1\n[project]\nrequires-python=['3']\n",
            "`requires-python` in {} is ignored: it is not text (at line 4, column 17)",
        ),
        (
            b'project.requires-python = "no"\n',
            "`requires-python` in {} is ignored: `no` is not a version range (at line 1, column 9)",
        ),
        (b'[project]\nrequires-python = ">=3.12\n', r"`{}` is ignored: .+ \(at line 2, column 26\)"),
        (b'[project\nrequires-python = ">=3.12"\n', r"`{}` is ignored: .+ \(at line 1, column 9\)"),
        (b'[project]\nrequires-python = ">=3.12 \xff"\n', "`{}` is ignored: it is not UTF-8 (at line 2)"),
        (b"#" * (1 << 21), "`{}` is ignored: it is larger than 1 MiB"),
    ],
)
def test_a_pyproject_that_cannot_be_read_causes_a_warning_with_its_position(
    project: Path, content: bytes, warning: str
) -> None:
    path = project / "pyproject.toml"
    path.write_bytes(content)
    warnings: list[str] = []

    requested = find_project_request(Host({}, str(project), sys.platform, os.name, sys.executable), warnings)

    assert requested == ((), "")
    [found] = warnings
    assert found == warning.format(path) or re.fullmatch(warning.format(re.escape(str(path))), found)


@pytest.mark.parametrize(
    "content",
    ["", "[tool.x\nbroken", "# requires-python\n", "[tool.uv]\nrequires-python = 3\n", "[project]\nname='x'\n"],
)
def test_a_pyproject_without_requires_python_causes_no_warning(project: Path, content: str) -> None:
    (project / "pyproject.toml").write_text(content)
    warnings: list[str] = []
    find_project_request(Host({}, str(project), sys.platform, os.name, sys.executable), warnings)
    assert warnings == []


def test_only_the_nearest_pyproject_is_read(project: Path) -> None:
    (project.parent / "pyproject.toml").write_text('[project]\nrequires-python = "<3.7"\n')
    assert requested_by(project)[0] == ("<3.7",)
    (project / "pyproject.toml").write_text("[tool.black]\n")
    assert requested_by(project) == ((), "")


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
def test_requires_python_is_read_as_toml(text: str, wanted: str) -> None:
    assert requires_python(text) == wanted


def test_without_a_current_directory_nothing_is_requested() -> None:
    assert requested_by("") == ((), "")


@given(st.text(max_size=60))
def test_any_line_of_a_version_file_is_a_valid_request_or_ignored(line: str) -> None:
    request = parse_request(line)
    assert request in ("", "system") or not InterpreterSpec.parse(request).is_exact
