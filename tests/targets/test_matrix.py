"""Every Python that this machine has: an environment for it is quiet, and what pip installs into it works.

`CLOCHE_TEST_PYTHONS` names more of them, as PATH does; the tox environment `newer-pythons` provides some.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.distributions import make_wheel
from tests.interpreters import MINORS, debian, pyenv, pypy
from tests.tools import missing, require

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run import Cloche

MORE = [path for path in os.environ.get("CLOCHE_TEST_PYTHONS", "").split(os.pathsep) if path]
TARGETS = [*MINORS, "debian", "pypy", *MORE]

WAYS = {
    "plain": (),
    "copies": ("--copies",),
    "system": ("--system-site-packages",),
    "both": ("--copies", "--system-site-packages"),
}
BY_DAY = [pytest.param(way, marks=[] if way == "plain" else pytest.mark.nightly) for way in WAYS]

QUIET = "import bz2, ctypes, hashlib, json, lzma, math, sqlite3, ssl, venv, zlib"

FACTS = """
import json, os, site, sys, sysconfig
paths = sysconfig.get_paths()
json.dump({
    "prefix": sys.prefix, "path": [os.path.realpath(entry) for entry in sys.path], "paths": paths,
    "site": [os.path.realpath(entry) for entry in site.getsitepackages()],
    "suffix": sysconfig.get_config_var("EXT_SUFFIX") or __import__("_imp").extension_suffixes()[0],
}, sys.stdout)
"""

TAG = """
try:
    from pip._vendor.packaging.tags import sys_tags
    print(next(iter(sys_tags())))
except ImportError:  # pip 18, which Python 3.6 came with
    from pip._internal.pep425tags import get_supported
    print("-".join(get_supported()[0]))
"""

EXTENSION = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *answer(PyObject *self, PyObject *unused) {
    return PyLong_FromSsize_t((Py_ssize_t) sizeof(void *) * 8);
}

static PyMethodDef functions[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "tiny", NULL, 0, functions, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_tiny(void) { return PyModuleDef_Init(&definition); }
"""


def executable(target: str) -> str:
    """Return a target's interpreter, or skip."""
    if target in MORE:
        return target
    return {"debian": debian, "pypy": pypy}[target]() if target in ("debian", "pypy") else pyenv(target)


def run(*command: object, quiet: bool = True) -> str:
    """Run a program of an environment and return what it prints; it has to succeed, and to be quiet beside that."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    clean["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=clean, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not (quiet and done.stderr)
    return done.stdout.strip()


def facts(python: object) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(python, "-c", FACTS))
    return told


def make(cloche: Cloche, target: str, *argv: str) -> Path:
    """Make an environment for a target and return its Python."""
    done = cloche("env", "-p", executable(target), *argv)
    assert (done.code, done.err) == (0, "")
    return cloche.cwd / "env" / "bin" / "python"


def built(python: Path, directory: Path) -> bytes:
    """Compile the extension with the headers that an environment leads to, as a build backend does."""
    told = facts(python)
    source, result = directory / "tiny.c", directory / f"tiny{told['suffix']}"
    source.write_text(EXTENSION)
    include = told["paths"]["include"]
    above = ("-idirafter", os.path.dirname(include))  # Debian's pyconfig.h includes one for the machine from there
    run(require("gcc"), "-shared", "-fPIC", f"-I{include}", *above, source, "-o", result)
    return result.read_bytes()


@pytest.mark.parametrize("way", BY_DAY)
@pytest.mark.parametrize("target", TARGETS)
def test_what_pip_installs_works(cloche: Cloche, tmp_path: Path, target: str, way: str) -> None:
    python = make(cloche, target, *WAYS[way])
    told = facts(python)
    assert python.is_symlink() is ("--copies" not in WAYS[way])
    wheels = tmp_path / "wheels"
    script = "import sys\n\ndef main():\n    print(sys.prefix)\n"
    make_wheel(wheels, "hello", files={"hello.py": script}, entry_points="[console_scripts]\nhello = hello:main\n")
    compiles = os.path.isfile(os.path.join(told["paths"]["include"], "Python.h"))
    names = ["hello", "tiny"] if compiles else ["hello"]
    if compiles:
        library = {f"tiny{told['suffix']}": built(python, tmp_path)}
        make_wheel(wheels, "tiny", files=library, tags=[run(python, "-c", TAG)], entry_points="", pure=False)
    pip = python.parent / "pip"
    run(pip, "install", "--no-index", "--find-links", wheels, "--no-cache-dir", *names)
    assert run(python.parent / "hello") == str(cloche.cwd / "env")
    if compiles:
        bits, path = run(python, "-W", "error", "-c", "import tiny; print(tiny.answer(), tiny.__file__)").split()
        assert (bits, path) == ("64", os.path.join(told["paths"]["platlib"], f"tiny{told['suffix']}"))
    listed = {one["name"] for one in json.loads(run(pip, "list", "--format=json"))}
    assert {*names, "pip"} <= listed
    run(pip, "uninstall", "--yes", *names)
    assert not (python.parent / "hello").exists()
    if not compiles:
        missing(f"{target} has no `Python.h`: scripts were tried, extensions were not")


@pytest.mark.parametrize("target", TARGETS)
def test_it_starts_without_a_word_and_shares_packages_only_if_asked_to(cloche: Cloche, target: str) -> None:
    theirs = [place for place in facts(executable(target))["site"] if os.path.isdir(place)]
    alone = facts(make(cloche, target, "--no-seed"))
    assert not set(theirs) & set(alone["path"])
    python = make(cloche, target, "--clear", "--no-seed", "--system-site-packages")
    shared = facts(python)
    assert shared["prefix"] == str(cloche.cwd / "env")
    assert [place for place in shared["path"] if place in theirs] == theirs
    assert shared["path"].index(os.path.realpath(shared["paths"]["purelib"])) < min(map(shared["path"].index, theirs))
    assert run(python, "-W", "error", "-c", QUIET) == ""


@pytest.mark.parametrize("target", TARGETS)
def test_one_that_is_on_path_is_found_by_its_version_and_build(cloche: Cloche, target: str) -> None:
    path = executable(target)
    (by_path,) = cloche("pythons", path, "--json").json["pythons"]
    build = "t" * by_path["interpreter"]["free_threaded"] + "d" * by_path["interpreter"]["debug"]
    named = cloche("pythons", f"=={by_path['version']}{build}", "--json", PATH=os.path.dirname(path))
    assert named.code == 0, named.err
    assert named.json["chosen"] == by_path["path"]
    assert os.path.samefile(by_path["path"], path)


@pytest.mark.parametrize("target", TARGETS)
def test_an_environment_outlives_a_link_to_its_interpreter(cloche: Cloche, tmp_path: Path, target: str) -> None:
    link = tmp_path / "links" / "snake"
    link.parent.mkdir()
    link.symlink_to(executable(target))
    for way in ("plain", "copies"):
        done = cloche(way, "-p", link, "--no-seed", *WAYS[way])
        assert (done.code, done.err) == (0, "")
    link.unlink()
    base = facts(executable(target))["prefix"]
    for way in ("plain", "copies"):
        assert run(cloche.cwd / way / "bin" / "python", "-c", "import sys; print(sys.base_prefix)") == base
