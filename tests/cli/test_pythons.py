"""`cloche pythons` shows what there is and what would be taken; `cloche DEST` takes that and says what decided."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.interpreters import pyenv
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """Return the command line on a machine whose pyenv has some versions of this machine's, and one that is broken."""
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
    (shims / "python3.12").write_text('#!/usr/bin/env bash\nset -e\nexec "/usr/bin/pyenv" exec "$program" "$@"\n')
    (shims / "python3.12").chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    (tmp_path / "home").mkdir()
    return Cloche(work, {**environ, "PYENV_ROOT": str(tmp_path / "pyenv"), "PATH": str(shims)})


def finder(minor: str) -> str:
    """Return who finds a version first: the finder of the running Python is asked before that of pyenv."""
    return "current" if minor == HERE else "pyenv"


OLD = """
import sys
start, end = sys.argv[-2:]
print(start[::-1] + '{"kind": "too-old", "version": [2, 7, 18, "final", 0]}' + end[::-1])
"""
"""An executable that answers as a Python 2.7 does."""


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the table, without its head."""
    lines = text.split("\n\n")[0].splitlines()
    return [[cell for cell in line.split("  ") if cell.strip()] for line in lines[1:]]


def test_every_interpreter_is_a_row_and_the_running_one_would_be_taken(cloche: Cloche) -> None:
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


def test_with_a_request_only_what_satisfies_it_is_shown(cloche: Cloche) -> None:
    done = cloche("pythons", ">=3.9,<3.11")
    assert [row[-4].strip().rpartition(".")[0] for row in rows(done.out)] == ["3.10", "3.9"]
    assert [len(row) for row in rows(done.out)] == [5, 4]
    assert f"* chosen: `-p >=3.9,<3.11`, found by {finder('3.10')}" in done.out


def test_all_shows_what_was_passed_over_and_why(cloche: Cloche) -> None:
    shown, passed_over = cloche("pythons", "--all", "3.10").out.split("not used:\n")
    assert len(rows(shown)) == 1
    reasons = [line.split(" ", 1) for line in passed_over.replace("   ", "").splitlines()]
    versions = f"{cloche.environ['PYENV_ROOT']}/versions"
    told = {path.removeprefix(f"{versions}/"): reason for path, reason in reasons}
    assert told["3.8.99/bin/python"] == "fails with exit code 7: no luck today (found by pyenv)"
    assert told["2.7.18/bin/python"] == "is Python 2.7.18, and environments need 3.6 or later (found by pyenv)"
    shim = f"{cloche.environ['PATH']}/python3.12"
    assert told[shim] == "is a shim of pyenv, and no version that has it is active (found by path)"
    assert any(reason == "is 3.9.18, not 3.10 (found by pyenv)" for reason in told.values())


@pytest.mark.parametrize("request_text", ["3.99", "3.8", "pypy3.7", "./nowhere", "my-python"])
def test_a_request_that_nothing_satisfies_is_exit_3_as_it_is_for_create(cloche: Cloche, request_text: str) -> None:
    done = cloche("pythons", request_text)
    assert (done.code, done.out) == (3, "")
    assert done.err == cloche("env", "-p", request_text).err
    assert "Traceback" not in done.err


def test_a_python_that_is_too_old_is_named_and_nothing_else(cloche: Cloche) -> None:
    done = cloche("env", "-p", "2.7")
    assert done.code == 3
    path = f"{cloche.environ['PYENV_ROOT']}/versions/2.7.18/bin/python2.7"
    assert done.err == (
        f"cloche: error: environments need Python 3.6 or later, and `2.7` is older; `{path}` is Python 2.7.18\n"
    )


def test_a_request_that_makes_no_sense_is_a_usage_error(cloche: Cloche) -> None:
    done = cloche("pythons", "3.x")
    assert (done.code, done.out) == (2, "")
    assert "did you mean `3`?" in done.err


def test_json_has_what_satisfies_what_does_not_and_what_is_chosen(cloche: Cloche) -> None:
    answer = cloche("pythons", "3.12", "--json").json
    assert answer["schema_version"] == 1
    assert answer["request"] == "3.12"
    (chosen,) = [one for one in answer["pythons"] if one["chosen"]]
    assert answer["chosen"] == chosen["path"] == chosen["interpreter"]["executable"]
    assert answer["chosen_because"] == "`-p 3.12`"
    assert chosen["version"].startswith("3.12.")
    assert chosen["found_by"] in ("current", "pyenv")
    passed_over = {one["seen_at"]: one for one in answer["passed_over"]}
    old = passed_over[f"{cloche.environ['PYENV_ROOT']}/versions/2.7.18/bin/python"]
    assert (old["version"], old["interpreter"]) == ("2.7.18", None)
    assert all(one["reason"] for one in answer["passed_over"])


def test_json_is_one_object_where_nothing_satisfies_too(cloche: Cloche) -> None:
    done = cloche("pythons", "3.99", "--json")
    assert done.code == 3
    assert (done.json["pythons"], done.json["chosen"]) == ([], None)
    assert done.err.startswith("cloche: error: no interpreter satisfies `3.99`\n")


def test_without_a_request_the_mark_is_where_settings_and_project_files_put_it(cloche: Cloche) -> None:
    def marked(**variables: str) -> str:
        done = cloche("pythons", **variables)
        (row,) = [row for row in rows(done.out) if row[0] == "*"]
        assert done.code == 0
        return f"{row[1].strip()}: {done.out.splitlines()[-1]}"

    assert "3.10." in marked(CLOCHE_PYTHON="3.99,3.10")
    (cloche.cwd / ".python-version").write_text("3.9\n")
    assert marked().startswith("3.9.")
    assert marked().endswith(f"* chosen: `.python-version` in {cloche.cwd}, found by pyenv")


def test_a_project_that_asks_for_what_is_not_there_does_not_hide_what_is(cloche: Cloche) -> None:
    (cloche.cwd / ".python-version").write_text("3.99\n")
    done = cloche("pythons")
    assert done.code == 0
    assert len(rows(done.out)) > 2
    assert f"`3.99`, which is asked for by `.python-version` in {cloche.cwd}" in done.err


def made(cloche: Cloche, *argv: str, **variables: str) -> tuple[str, str]:
    """Make an environment and return what was reported: the Python with its reason, and standard error."""
    done = cloche("env", "--clear", "--no-seed", *argv, **variables)
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
def test_the_report_says_which_file_decided(cloche: Cloche, name: str, content: str, python: str) -> None:
    """`{3.10}` stands for the name of a version that pyenv has."""
    for minor in ("3.9", "3.10", "3.12"):
        content = content.replace(f"{{{minor}}}", os.path.basename(os.path.dirname(os.path.dirname(pyenv(minor)))))
    (cloche.cwd / name).write_text(content)
    below = cloche.cwd / "src" / "package"
    below.mkdir(parents=True)
    said, _ = made(cloche._replace(cwd=below))
    assert said.startswith(f"CPython {python}.")
    where = f"`requires-python` of {cloche.cwd / name}" if name == "pyproject.toml" else f"`{name}` in {cloche.cwd}"
    assert said.endswith(f" (from {where})")


def test_the_command_line_outranks_the_files_and_they_are_not_named(cloche: Cloche) -> None:
    (cloche.cwd / ".python-version").write_text("3.99\n")
    said, _ = made(cloche, "-p", "3.10")
    assert said.startswith("CPython 3.10.")
    assert "from" not in said


def test_an_environment_of_pyenv_s_own_stands_for_its_base(cloche: Cloche, tmp_path: Path) -> None:
    assert made(cloche, "-p", "3.10")[0].startswith("CPython 3.10.")
    (cloche.cwd / "env").rename(tmp_path / "pyenv" / "versions" / "my-project")
    (cloche.cwd / ".python-version").write_text("my-project\n")
    said, _ = made(cloche)
    assert said.startswith("CPython 3.10.")
    assert said.endswith(f"(from `.python-version` in {cloche.cwd})")


@pytest.mark.parametrize(
    ("argv", "variables", "told"),
    [
        (["-p", "3.99", "-p", "3.10"], {}, f"found by {finder('3.10')}: `-p 3.10`"),
        ([], {"CLOCHE_PYTHON": "3.10"}, f"found by {finder('3.10')}: `-p 3.10` (CLOCHE_PYTHON)"),
        ([], {}, "found by current: the Python that runs cloche"),
        (["--try-first-with", "{3.9}"], {}, "found by try-first-with: `--try-first-with {3.9}`"),
        (["-p", "3.9", "--try-first-with", "{3.10}"], {}, "found by pyenv: `-p 3.9`"),
        (["-p", "{3.9}"], {}, "found by the path itself: `-p {3.9}`"),
    ],
)
def test_verbose_tells_which_finder_knew_it_and_what_decided(
    cloche: Cloche, argv: list[str], variables: dict[str, str], told: str
) -> None:
    """Asked twice, since a plan that is remembered has to say the same."""

    def filled(text: str) -> str:
        return text.replace("{3.9}", pyenv("3.9")).replace("{3.10}", pyenv("3.10"))

    for _ in range(2):
        _, err = made(cloche, "-v", *map(filled, argv), **variables)
        (line,) = err.splitlines()
        assert line.startswith("cloche: CPython 3.")
        assert line.endswith(filled(told))
