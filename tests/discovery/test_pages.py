"""Test statements of the pages about discovery that no other test checks."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from cloche.builtin.plugin import cloche_finders
from cloche.discovery import probe, search
from cloche.model.spec import InterpreterSpec
from tests.interpreters import pyenv
from tests.run import Cloche, clean_environ
from tests.unit.interpreters import interpreter

DOCS = Path(__file__).parent.parent.parent / "docs"

UV_FORMS = """
    3 3.12 3.12.3 312 v3.12 3.13t 313t 3.12.0b1 3.13.0rc1t 3.13+freethreaded 3.12+debug 3.12d 3.13td 3.13t+debug 3.14+gil
    >=3.12,<3.13 >=3.13+freethreaded ==3.12 ===3.12.1 ~=3.12 !=3.12 any default python3.12 python@3.12
    cpython cp cpython3.12 cpython@3.12 cpython@3.13t cpython@>=3.12 cpython>=3.12,<3.13 cp312 pypy pp pypy3.10 pypy@3.10
    pp310 pp@3.10 graalpy gp graalpy@3.11 cpython-3.12.3-macos-aarch64-none cpython-3.12-linux-x86_64-gnu
    cpython-3.13+freethreaded+debug-linux-x86_64-gnu cpython-any-any-any-any any-3.12
""".split()


@pytest.mark.parametrize("text", UV_FORMS)
def test_the_forms_of_uv_are_requests_for_a_kind_of_interpreter(text: str) -> None:
    assert not InterpreterSpec.parse(text).is_exact


@pytest.mark.parametrize("text", ["pyodide", "cpython-3.12-linux-x86_64_v3-gnu"])
def test_the_forms_of_uv_that_the_page_excludes_are_commands(text: str) -> None:
    assert InterpreterSpec.parse(text).name == text
    assert "uv's forms except Pyodide and microarchitecture levels" in (DOCS / "coming-from/uv.md").read_text()


@pytest.mark.parametrize(
    ("request_text", "names", "chosen"),
    [
        (">=3.9", ["PyPy 3.13.1", "CPython 3.10.1", "CPython 3.12.1", "CPython 3.11.1"], "CPython 3.12.1"),
        (">=3.9", ["PyPy 3.10.1", "PyPy 3.11.1"], "PyPy 3.11.1"),
        ("3", ["PyPy 3.13.1", "CPython 3.10.1", "CPython 3.12.1"], "CPython 3.10.1"),
        ("any", ["CPython 3.13.0td", "CPython 3.15.0b1", "CPython 3.9.1"], "CPython 3.9.1"),
    ],
)
def test_a_released_cpython_comes_before_all_others(request_text: str, names: list[str], chosen: str) -> None:
    results = [search.SearchResult(name, "path", interpreter(name)) for name in names]
    best = search.best_match(InterpreterSpec.parse(request_text), results)
    assert best is not None
    assert best.path == chosen


def test_the_page_has_the_finders_in_search_order_and_the_limits() -> None:
    page = (DOCS / "explanation/discovery.md").read_text()
    diagram = page.partition("where to look")[2].partition("finders of plugins")[0]
    positions = [re.search(rf"(?<![\w.-]){re.escape(each.name)}\b", diagram) for each in cloche_finders()]
    assert all(positions)
    starts = [match.start() for match in positions if match]
    assert starts == sorted(starts)
    assert f"The time limit is {probe.TIMEOUT:.0f} seconds for each" in page
    assert f"After {search.PROBE_BUDGET:.0f} seconds, a search starts no more probes" in page.replace("\n", " ")


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line of a user with one version in pyenv, active by a shim that a stand-in of pyenv answers for."""
    root = tmp_path / "pyenv"
    for name in ("home", "work", "pyenv/versions", "pyenv/shims"):
        (tmp_path / name).mkdir(parents=True)
    (root / "versions" / "mine").symlink_to(os.path.dirname(os.path.dirname(pyenv("3.12"))))
    (root / "pyenv").write_text("#!/bin/sh\necho mine\n")
    shim = f'#!/usr/bin/env bash\nexport PYENV_ROOT="{root}"\nexec "{root}/pyenv" exec "$program" "$@"\n'
    (root / "shims" / "python3.12").write_text(shim)
    for path in (root / "pyenv", root / "shims" / "python3.12"):
        path.chmod(0o755)
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    return Cloche(tmp_path / "work", {**environ, "PYENV_ROOT": str(root), "PATH": f"{root}/shims:/nowhere"})


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="the running Python would be chosen")
def test_a_shim_is_where_an_interpreter_is_seen(cloche: Cloche) -> None:
    (found,) = [python for python in cloche("pythons", "3.12", "--json").json["pythons"] if python["chosen"]]
    assert found["found_at"] == found["seen_at"] == f"{cloche.environ['PYENV_ROOT']}/shims/python3.12"
    assert os.path.realpath(found["path"]) == os.path.realpath(pyenv("3.12"))
    assert found["found_by"] == "path"


def test_the_variable_of_pyenv_is_named_as_the_reason(cloche: Cloche) -> None:
    plan = cloche("./env", "--no-seed", "--dry-run", "--json", PYENV_VERSION="mine").json["plan"]
    assert plan["chosen_because"] == "`PYENV_VERSION`"
    assert plan["environment"]["interpreter"]["version"][:2] == [3, 12]
    paths = {operation["path"] for operation in plan["operations"]}
    assert not any(os.path.isabs(path) for path in paths)
    (written,) = [operation for operation in plan["operations"] if operation["path"] == "pyvenv.cfg"]
    assert set(written["content"]) == {"size", "sha256"}


def test_the_path_of_a_finding_is_relative_to_the_environment(cloche: Cloche) -> None:
    assert cloche("./env", "--no-seed").code == 0
    (cloche.cwd / "env" / "bin" / "python").unlink()
    (environment,) = cloche("doctor", "env", "--json").json["environments"]
    assert {finding["path"] for finding in environment["findings"]} == {"bin/python"}
    scripts = cloche("info", "env", "--json").json["activators"]
    assert {name for name in scripts if os.sep in name} == set()


def test_system_is_the_python_on_path_that_pyenv_does_not_provide(cloche: Cloche) -> None:
    (cloche.cwd / ".python-version").write_text("system\n")
    shims = f"{cloche.environ['PYENV_ROOT']}/shims"
    os.link(f"{shims}/python3.12", f"{shims}/python3")
    binaries = cloche.cwd.parent / "bin"
    binaries.mkdir()
    (binaries / "python3").symlink_to(pyenv("3.10"))
    done = cloche("pythons", "--json", PATH=f"{shims}:{binaries}")
    assert os.path.realpath(done.json["chosen"]) == os.path.realpath(pyenv("3.10"))
    assert done.json["chosen_because"] == f"`.python-version` in {cloche.cwd}"
    assert cloche("./env", "--no-seed", PATH=shims).code == 3
