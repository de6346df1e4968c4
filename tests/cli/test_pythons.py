"""Test that `cloche pythons` lists the interpreters and marks the one that `cloche DEST` uses, with the reason."""

from __future__ import annotations

import os
import re
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from cloche.plugins import LazyFinder
from tests.interpreters import pyenv
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line on a fake machine whose pyenv has real versions, a broken one and a Python 2.7."""
    versions = tmp_path / "pyenv" / "versions"
    versions.mkdir(parents=True)
    for minor in ("3.9", "3.10", "3.12"):
        prefix = os.path.dirname(os.path.dirname(pyenv(minor)))
        (versions / os.path.basename(prefix)).symlink_to(prefix)
    broken = versions / "3.8.99" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho no luck today\nexit 7\n")
    broken.chmod(0o755)
    old = versions / "2.7.18" / "bin" / "python"
    old.parent.mkdir(parents=True)
    old.write_text(f"#!{sys.executable} -S\n{OLD}")
    old.chmod(0o755)
    (old.parent / "python2.7").symlink_to("python")
    shims = tmp_path / "pyenv" / "shims"
    shims.mkdir()
    program = tmp_path / "pyenv" / "bin" / "pyenv"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho system\n")
    (shims / "python3.12").write_text(
        f'#!/usr/bin/env bash\nexport PYENV_ROOT="{tmp_path}/pyenv"\nexec "{program}" exec "$program" "$@"\n'
    )
    for script in (program, shims / "python3.12"):
        script.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    (tmp_path / "home").mkdir()
    return Cloche(work, {**environ, "PYENV_ROOT": str(tmp_path / "pyenv"), "PATH": str(shims)})


def finder(minor: str) -> str:
    """Return the name of the finder that finds a version first: `current` comes before `pyenv`."""
    return "current" if minor == HERE else "pyenv"


OLD = """
import sys
start, end = sys.argv[-2:]
print(start[::-1] + '{"kind": "too-old", "version": [2, 7, 18, "final", 0]}' + end[::-1])
"""
"""A script that answers the probe as Python 2.7 does."""


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the table, without the heading."""
    lines = text.split("\n\n")[0].splitlines()
    return [[cell for cell in line.split("  ") if cell.strip()] for line in lines[1:]]


def test_every_interpreter_is_a_row_and_the_running_one_is_marked(cloche: Cloche) -> None:
    done = cloche("pythons")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0].endswith(" found by")
    seen = [(row[-4].strip(), row[-1].strip()) for row in rows(done.out)]
    assert seen[0] == (".".join(map(str, sys.version_info[:3])), "current")
    assert rows(done.out)[0][0] == "*"
    assert [version.rpartition(".")[0] for version, finder in seen if finder == "pyenv"] == [
        minor for minor in ("3.12", "3.10", "3.9") if minor != HERE
    ]
    assert "* chosen: the Python that runs cloche, found by current" in done.out
    assert "3.8.99" not in done.out


def test_only_matches_are_shown_for_a_request(cloche: Cloche) -> None:
    done = cloche("pythons", ">=3.9,<3.11")
    assert [row[-4].strip().rpartition(".")[0] for row in rows(done.out)] == ["3.10", "3.9"]
    assert [len(row) for row in rows(done.out)] == [5, 4]
    assert f"* chosen: `-p >=3.9,<3.11`, found by {finder('3.10')}" in done.out


def test_all_also_shows_skipped_candidates_with_the_reason(cloche: Cloche) -> None:
    shown, skipped = cloche("pythons", "--all", "3.10").out.split("not used:\n")
    assert len(rows(shown)) == 1
    reasons = [line.split(" ", 1) for line in skipped.replace("   ", "").splitlines()]
    versions = f"{cloche.environ['PYENV_ROOT']}/versions"
    message = {path.removeprefix(f"{versions}/"): reason for path, reason in reasons}
    assert message["3.8.99/bin/python"] == "fails with exit code 7: no luck today (found by pyenv)"
    assert message["2.7.18/bin/python"] == "is Python 2.7.18, but environments need 3.6 or later (found by pyenv)"
    shim = f"{cloche.environ['PATH']}/python3.12"
    assert message[shim] == "is a shim, but no active version provides it (active: system) (found by path)"
    assert any(reason == "is 3.9.18, not 3.10 (found by pyenv)" for reason in message.values())


@pytest.mark.parametrize("request_text", ["3.99", "3.8", "pypy3.7", "./nowhere", "my-python"])
def test_a_request_without_a_match_exits_with_3_as_create_does(cloche: Cloche, request_text: str) -> None:
    done = cloche("pythons", request_text)
    assert (done.code, done.out) == (3, "")
    assert done.err == cloche("./env", "-p", request_text).err
    assert "Traceback" not in done.err


def test_the_error_for_an_old_version_names_the_old_python(cloche: Cloche) -> None:
    done = cloche("./env", "-p", "2.7")
    assert done.code == 3
    path = f"{cloche.environ['PYENV_ROOT']}/versions/2.7.18/bin/python2.7"
    assert done.err == (
        f"cloche: error: environments need Python 3.6 or later, but `2.7` is older; `{path}` is Python 2.7.18\n"
    )


def test_an_invalid_request_is_a_usage_error(cloche: Cloche) -> None:
    done = cloche("pythons", "3.x")
    assert (done.code, done.out) == (2, "")
    assert "did you mean `3`?" in done.err


def test_json_has_the_matches_the_other_candidates_and_the_choice(cloche: Cloche) -> None:
    answer = cloche("pythons", "3.12", "--json").json
    assert answer["schema_version"] == 1
    assert answer["request"] == "3.12"
    (chosen,) = [python for python in answer["pythons"] if python["chosen"]]
    assert answer["chosen"] == chosen["path"] == chosen["interpreter"]["executable"]
    assert answer["chosen_because"] == "`-p 3.12`"
    assert chosen["version"].startswith("3.12.")
    assert chosen["found_by"] in ("current", "pyenv")
    skipped = {candidate["found_at"]: candidate for candidate in answer["passed_over"]}
    old = skipped[f"{cloche.environ['PYENV_ROOT']}/versions/2.7.18/bin/python"]
    assert (old["version"], old["interpreter"]) == ("2.7.18", None)
    assert all(candidate["reason"] for candidate in answer["passed_over"])


def test_json_is_one_object_even_without_a_match(cloche: Cloche) -> None:
    done = cloche("pythons", "3.99", "--json")
    assert done.code == 3
    assert (done.json["pythons"], done.json["chosen"]) == ([], None)
    assert done.err.startswith("cloche: error: no interpreter satisfies `3.99`\n")


def test_without_a_request_settings_and_project_files_decide_on_the_mark(cloche: Cloche) -> None:
    def marked(**variables: str) -> str:
        done = cloche("pythons", **variables)
        (row,) = [row for row in rows(done.out) if row[0] == "*"]
        assert done.code == 0
        return f"{row[1].strip()}: {done.out.splitlines()[-1]}"

    assert "3.10." in marked(CLOCHE_PYTHON="3.99,3.10")
    (cloche.cwd / ".python-version").write_text("3.9\n")
    assert marked().startswith("3.9.")
    assert marked().endswith(f"* chosen: `.python-version` in {cloche.cwd}, found by pyenv")


def test_interpreters_are_listed_even_if_the_project_requests_a_missing_one(cloche: Cloche) -> None:
    (cloche.cwd / ".python-version").write_text("3.99\n")
    done = cloche("pythons")
    assert done.code == 0
    assert len(rows(done.out)) > 2
    assert f"`3.99`, which `.python-version` in {cloche.cwd} asks for" in done.err


def create(cloche: Cloche, *argv: str, **variables: str) -> tuple[str, str]:
    """Create an environment; return the Python in the report with the reason for the choice, and standard error."""
    done = cloche("./env", "--clear", "--no-seed", *argv, **variables)
    assert done.code == 0, done.err
    return done.out.partition(": ")[2].partition(" ms")[0].rpartition(", ")[0], done.err


@pytest.mark.parametrize(
    ("name", "content", "python"),
    [
        (".python-version", "3.10\n", "3.10"),
        (".python-version", "# which one\n\nno-such-environment\n3.9 # until June\n3.10\n", "3.9"),
        (".python-version", "{3.10}\n", "3.10"),
        (".python-version", "{3.10}/envs/mine\n", "3.10"),
        (".python-version", "python-{3.12}\n", "3.12"),
        (".python-versions", "3.12\n3.10\n", "3.12"),
        ("pyproject.toml", '[project]\nrequires-python = "<3.10,>=3.9"\n', "3.9"),
        ("pyproject.toml", '[project]\nrequires-python = ">=3.9"\n', HERE),
    ],
)
def test_the_report_names_the_file_with_the_request(cloche: Cloche, name: str, content: str, python: str) -> None:
    """In the content, `{3.10}` is replaced by the name of the installed patch release."""
    for minor in ("3.9", "3.10", "3.12"):
        content = content.replace(f"{{{minor}}}", os.path.basename(os.path.dirname(os.path.dirname(pyenv(minor)))))
    (cloche.cwd / name).write_text(content)
    below = cloche.cwd / "src" / "package"
    below.mkdir(parents=True)
    summary, _ = create(cloche._replace(cwd=below))
    assert summary.startswith(f"CPython {python}.")
    where = f"`requires-python` of {cloche.cwd / name}" if name == "pyproject.toml" else f"`{name}` in {cloche.cwd}"
    assert summary.endswith(f" (from {where})")


def test_the_command_line_overrides_the_files_which_are_not_named(cloche: Cloche) -> None:
    (cloche.cwd / ".python-version").write_text("3.99\n")
    summary, _ = create(cloche, "-p", "3.10")
    assert summary.startswith("CPython 3.10.")
    assert "from" not in summary


def test_a_pyenv_virtualenv_environment_is_resolved_to_its_base(cloche: Cloche, tmp_path: Path) -> None:
    assert create(cloche, "-p", "3.10")[0].startswith("CPython 3.10.")
    (cloche.cwd / "env").rename(tmp_path / "pyenv" / "versions" / "my-project")
    (cloche.cwd / ".python-version").write_text("my-project\n")
    summary, _ = create(cloche)
    assert summary.startswith("CPython 3.10.")
    assert summary.endswith(f"(from `.python-version` in {cloche.cwd})")


@pytest.mark.parametrize(
    ("argv", "variables", "message"),
    [
        (["-p", "3.99", "-p", "3.10"], {}, f"found by {finder('3.10')}: `-p 3.10`"),
        ([], {"CLOCHE_PYTHON": "3.10"}, f"found by {finder('3.10')}: `-p 3.10` (CLOCHE_PYTHON)"),
        ([], {}, "found by current: the Python that runs cloche"),
        (["--try-first-with", "{3.9}"], {}, "found by try-first-with: `--try-first-with {3.9}`"),
        (["-p", "3.9", "--try-first-with", "{3.10}"], {}, "found by pyenv: `-p 3.9`"),
        (["-p", "{3.9}"], {}, "found by the path itself: `-p {3.9}`"),
    ],
)
def test_verbose_shows_the_finder_and_the_reason_for_the_choice(
    cloche: Cloche, argv: list[str], variables: dict[str, str], message: str
) -> None:
    """The second run uses the plan cache, and must report the same."""

    def filled(text: str) -> str:
        return text.replace("{3.9}", pyenv("3.9")).replace("{3.10}", pyenv("3.10"))

    for _ in range(2):
        _, err = create(cloche, "-v", *map(filled, argv), **variables)
        (line,) = err.splitlines()
        assert line.startswith("cloche: using CPython 3.")
        assert line.endswith(filled(message))


def test_the_error_lists_only_the_finders_that_search_on_this_system(cloche: Cloche) -> None:
    (searched,) = re.findall("searched: (.*)", cloche("a", "-p", "3.99", "--no-seed").err)
    names = searched.split(", ")

    assert {"current", "path", "pyenv"} <= {*names}
    assert ("windows-registry" in names) is ("windows-store" in names) is (sys.platform == "win32")
    assert ("python.org" in names) is (sys.platform == "darwin")


@pytest.mark.parametrize(
    ("finder", "expected"),
    [
        (SimpleNamespace(), True),
        (SimpleNamespace(platform="linux"), True),
        (SimpleNamespace(platform="win32"), False),
        ("cloche.builtin.finders.windows_store:WindowsStore", False),
        ("no_such_module:finder", True),
    ],
)
def test_a_finder_may_search_on_one_system_only(finder: object, expected: bool) -> None:
    assert LazyFinder("acme", finder).searches_on("linux") is expected


def test_the_requested_path_is_recorded_without_dots(cloche: Cloche) -> None:
    """CPython's `venv` records it so, too; after a linked directory, `..` is the parent of its target."""
    executable = pyenv("3.10")
    directory, name = os.path.split(executable)
    (cloche.cwd / "elsewhere").mkdir()
    (cloche.cwd / "elsewhere" / "linked").symlink_to(directory)
    for number, request in enumerate((f"{directory}/../bin/./{name}", f"./elsewhere/linked/../bin/{name}")):
        assert cloche(f"e{number}", "-p", request, "--no-seed").code == 0
        assert f"home = {directory}\n" in (cloche.cwd / f"e{number}" / "pyvenv.cfg").read_text()


def test_a_finder_can_be_left_out(cloche: Cloche) -> None:
    for options, variables in ((["--no-finder", "pyenv"], {}), ([], {"CLOCHE_NO_FINDER": "pyenv\nconda"})):
        done = cloche("pythons", "--json", *options, **variables)
        assert "pyenv" not in {python["found_by"] for python in done.json["pythons"] + done.json["passed_over"]}
    minor = "3.9" if HERE != "3.9" else "3.10"
    assert cloche("a", "-p", minor, "--no-seed").code == 0
    for name in ("b", "c"):
        done = cloche(name, "-p", minor, "--no-seed", "--no-finder", "pyenv")
        assert done.code == 3
        assert "pyenv" not in done.err.partition("searched:")[2]
    done = cloche("pythons", "--no-finder", "pyen")
    assert (done.code, done.err.splitlines()[0]) == (2, "cloche: error: unknown finder `pyen`; did you mean `pyenv`?")
