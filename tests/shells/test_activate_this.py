"""Test `activate_this.py` in every Python of this machine."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import tokenize
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.builtin.activators import python as activator
from cloche.shells.template import resource
from cloche.testing import activator_contract
from tests.interpreters import MINORS, pyenv, pypy
from tests.shells.windows_driver import HOSTILE_POSIX, describe, interpreter, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYTHONS = (*MINORS, "pypy")

RUNPY = "import runpy; runpy.run_path({path!a})"
EXEC = "exec(open({path!a}).read(), {{'__file__': {path!a}}})"

TELL = """
import json, os, sys
print(json.dumps({
    "environ": dict(os.environ), "path": sys.path, "prefix": sys.prefix, "exec_prefix": sys.exec_prefix,
    "real_prefix": getattr(sys, "real_prefix", None),
}))
"""


TEMPLATE = resource("cloche.builtin.activators", "python/activate_this.py")

test_contract = activator_contract(activator, templates=[TEMPLATE])


def executable(name: str) -> str:
    return pypy() if name == "pypy" else pyenv(name)


def run(python: str, *lines: str, changes: Mapping[str, str | None] | None = None) -> list[dict[str, Any]]:
    """Run a program in a Python and return what each `TELL` in it prints; None removes a variable."""
    given = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **(changes or {})}
    done = subprocess.run(
        [python, "-c", "\n".join(lines)],
        env={name: value for name, value in given.items() if value is not None},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def make(root: Path, prompt: str = "env", *, tcl: str = "", module: str = "") -> str:
    """Create an environment, with a module if `module` is its name, and return the path of the script."""
    write(activator, describe(str(root), prompt, tcl=tcl, site="lib/site-packages"), root / "bin")
    site = root / "lib" / "site-packages"
    site.mkdir(parents=True)
    if module:
        (site / f"{module}.py").write_text("")
    return str(root / "bin" / "activate_this.py")


@pytest.mark.parametrize("how", [RUNPY, EXEC], ids=["runpy", "exec"])
@pytest.mark.parametrize("name", PYTHONS)
def test_a_running_python_activates_the_environment(tmp_path: Path, name: str, how: str) -> None:
    """Its packages come first, including those that .pth files add, and its programs come first on PATH."""
    python = executable(name)
    root = tmp_path / 'it\'s "a" $(b)\nKäse\\'
    path = make(root, prompt="$(p)'\"\n\\", tcl="/tcl's", module="only_here")
    site, added = root / "lib" / "site-packages", tmp_path / "added"
    added.mkdir()
    (site / "more.pth").write_text(f"{added}\n")

    before, after = run(
        python,
        TELL,
        how.format(path=path),
        TELL,
        "import only_here",
        changes={"PATH": ":/usr/bin::/bin:", "PKG_CONFIG_PATH": "/pc", "TK_LIBRARY": "/own/tk"},
    )

    environ = after["environ"]
    assert environ["VIRTUAL_ENV"] == str(root)
    assert environ["VIRTUAL_ENV_PROMPT"] == "$(p)'\"\n\\"
    assert environ["PATH"] == f"{root}/bin:/usr/bin:/bin"
    assert environ["PKG_CONFIG_PATH"] == f"{root}/lib/pkgconfig:/pc"
    assert (environ["TCL_LIBRARY"], environ["TK_LIBRARY"]) == ("/tcl's", "/own/tk")
    assert after["path"] == [str(site), str(added), *before["path"]]
    assert (after["prefix"], after["exec_prefix"]) == (str(root), str(root))
    assert after["real_prefix"] == before["prefix"]


def test_an_environment_with_any_name_is_activated(tmp_path: Path) -> None:
    paths = [make(tmp_path / str(number) / name, name) for number, name in enumerate(HOSTILE_POSIX.values())]

    state = run(pyenv("3.6"), *(f"{RUNPY.format(path=path)}\n{TELL}" for path in paths))

    for number, (name, one) in enumerate(zip(HOSTILE_POSIX.values(), state, strict=True)):
        root = str(tmp_path / str(number) / name)
        assert one["environ"]["VIRTUAL_ENV"] == one["prefix"] == root
        assert one["environ"]["VIRTUAL_ENV_PROMPT"] == name
        assert one["environ"]["PATH"].split(":")[0] == f"{root}/bin"
        assert one["path"][0] == f"{root}/lib/site-packages"


@pytest.mark.parametrize("path", [None, ""])
def test_path_gets_no_empty_entries(tmp_path: Path, path: str | None) -> None:
    (state,) = run(pyenv("3.11"), RUNPY.format(path=make(tmp_path / "env")), TELL, changes={"PATH": path})

    assert state["environ"]["PATH"] == f"{tmp_path}/env/bin"


def test_a_second_activation_changes_nothing(tmp_path: Path) -> None:
    activate = RUNPY.format(path=make(tmp_path / "env"))

    once, twice = run(pyenv("3.11"), activate, TELL, activate, TELL)

    assert once == twice


def test_the_last_activated_environment_comes_first(tmp_path: Path) -> None:
    one, other = (RUNPY.format(path=make(tmp_path / name)) for name in ("one", "other"))

    before, after, back = run(pyenv("3.11"), TELL, one, other, TELL, one, TELL)

    assert after["path"][:2] == [f"{tmp_path}/other/lib/site-packages", f"{tmp_path}/one/lib/site-packages"]
    assert after["environ"]["VIRTUAL_ENV"] == after["prefix"] == f"{tmp_path}/other"
    assert after["real_prefix"] == before["prefix"]
    assert back["path"][:2] == after["path"][1::-1]
    assert back["environ"]["PATH"] == f"{tmp_path}/one/bin:{tmp_path}/other/bin:/usr/bin:/bin"


def test_child_processes_do_not_inherit_pythonhome(tmp_path: Path) -> None:
    python = pyenv("3.11")
    home = os.path.dirname(os.path.dirname(os.path.realpath(python)))

    (state,) = run(python, RUNPY.format(path=make(tmp_path / "env")), TELL, changes={"PYTHONHOME": home})

    assert "PYTHONHOME" not in state["environ"]


def test_a_moved_environment_is_activated_at_its_new_path(tmp_path: Path) -> None:
    """The script uses its own path."""
    make(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")

    (state,) = run(pyenv("3.11"), RUNPY.format(path=f"{tmp_path}/after/bin/activate_this.py"), TELL)

    assert state["prefix"] == f"{tmp_path}/after"


@pytest.mark.parametrize("globals_of_it", ["{}", "{'__file__': '/srv/program.py'}"])
@pytest.mark.parametrize("name", ["3.6", "3.13"])
def test_without_its_path_the_script_explains_how_to_run_it(tmp_path: Path, name: str, globals_of_it: str) -> None:
    """Evaluated with the `__file__` of another program, it would activate the directory of that program."""
    path = make(tmp_path / "env")
    program = f"exec(open({path!r}).read(), {globals_of_it})"

    done = subprocess.run([pyenv(name), "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "AssertionError: you must run this file with `runpy.run_path(path)`" in done.stderr


def test_the_script_can_be_read_in_any_encoding(tmp_path: Path) -> None:
    (script,) = activator.scripts(describe(f"{tmp_path}/Käse-日本-\U0001f40d", prompt="\udcff\u2028"))

    assert script.name == "activate_this.py"
    assert script.text.isascii()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=[])), min_size=100, max_size=100))
@pytest.mark.parametrize("name", ["3.6", "3.13"])
def test_any_text_can_be_quoted(tmp_path: Path, name: str, texts: list[str]) -> None:
    """Including surrogates, which represent undecodable bytes of file names."""
    program = tmp_path / "texts.py"
    program.write_text(f"import json; print(json.dumps([{', '.join(map(activator.quote, texts))}]))", encoding="ascii")

    done = subprocess.run([pyenv(name), str(program)], stdout=subprocess.PIPE, check=True)

    assert json.loads(done.stdout) == texts


def test_slots_of_the_template_are_outside_quotes() -> None:
    """Each is a separate name for Python's tokenizer, and none is part of a string."""
    tokens = tokenize.generate_tokens(io.StringIO(TEMPLATE).readline)
    slots = [token for token in tokens if "__CLOCHE_" in token.string]

    ast.parse(TEMPLATE, feature_version=(3, 6))
    assert len(slots) == TEMPLATE.count("__CLOCHE_")
    assert {token.type for token in slots} == {tokenize.NAME}


def test_every_interpreter_is_supported() -> None:
    assert activator.refusal(interpreter()) is None
    assert activator.refusal(interpreter("nt")) is None


@pytest.mark.parametrize("place", ["", ".", "{cwd}"])
@pytest.mark.parametrize("call", [RUNPY, EXEC])
def test_nothing_in_the_current_directory_is_imported(place: str, call: str, tmp_path: Path) -> None:
    """Neither by the script nor by `import` lines of .pth files; afterwards the search path has its old entries."""
    write(activator, describe(str(tmp_path / "env")), tmp_path / "env" / "bin")
    site = tmp_path / "env/lib/python3.11/site-packages"
    site.mkdir(parents=True)
    (site / "hook.pth").write_text("import planted_too\n")
    (site / "planted_too.py").write_text("")
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    for name in ("os", "site", "planted_too", "posixpath", "stat"):
        (cwd / f"{name}.py").write_text("print('planted')\nraise SystemExit(9)\n")
    place = place.format(cwd=cwd)
    before = f"import sys; sys.path.insert(0, {place!r}); before = list(sys.path)"
    program = f"{before}\n{call}\nassert sys.path[-len(before):] == before"
    path = str(tmp_path / "env/bin/activate_this.py")
    done = subprocess.run(
        [pyenv("3.11"), "-I", "-c", program.format(path=path)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
