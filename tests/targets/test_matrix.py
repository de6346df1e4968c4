"""Test environments of every Python on this machine: Python starts without warnings, and installed packages work.

`CLOCHE_TEST_PYTHONS` adds executables, separated as in PATH; the tox environment `newer-pythons` provides some.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.distributions import make_wheel
from tests.interpreters import MINORS, debian, pyenv, pypy
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run import Cloche

EXTRA_PYTHONS = [path for path in os.environ.get("CLOCHE_TEST_PYTHONS", "").split(os.pathsep) if path]
TARGETS = [*MINORS, "debian", "pypy", *EXTRA_PYTHONS]

OPTIONS = {
    "plain": (),
    "copies": ("--copies",),
    "system": ("--system-site-packages",),
    "both": ("--copies", "--system-site-packages"),
}
OPTION_PARAMS = [pytest.param(options, marks=[] if options == "plain" else pytest.mark.nightly) for options in OPTIONS]

IMPORTS = "import bz2, ctypes, hashlib, json, lzma, math, sqlite3, ssl, venv, zlib"

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
except ImportError:  # pip 18, which is bundled with Python 3.6
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


def find_executable(target: str) -> str:
    """Return the interpreter of a target, or skip the test."""
    if target in EXTRA_PYTHONS:
        return target
    return {"debian": debian, "pypy": pypy}[target]() if target in ("debian", "pypy") else pyenv(target)


def run(*command: object, quiet: bool = True) -> str:
    """Run a program and return its output; check that it exits with 0 and, if `quiet`, prints no warnings."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environ, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not (quiet and done.stderr)
    return done.stdout.strip()


def read_facts(python: object) -> dict[str, Any]:
    description: dict[str, Any] = json.loads(run(python, "-c", FACTS))
    return description


def create_environment(cloche: Cloche, target: str, *argv: str) -> Path:
    """Create an environment for a target and return its Python."""
    done = cloche("./env", "-p", find_executable(target), *argv)
    assert (done.code, done.err) == (0, "")
    return cloche.cwd / "env" / "bin" / "python"


def compile_extension(python: Path, directory: Path) -> bytes:
    """Return the extension module, compiled with the headers of an environment's base, as a build backend would."""
    description = read_facts(python)
    source, result = directory / "tiny.c", directory / f"tiny{description['suffix']}"
    source.write_text(EXTENSION)
    include = description["paths"]["include"]
    # Debian's pyconfig.h includes the one for the architecture from the parent directory.
    fallback = ("-idirafter", os.path.dirname(include))
    run(require("gcc"), "-shared", "-fPIC", f"-I{include}", *fallback, source, "-o", result)
    return result.read_bytes()


@pytest.mark.parametrize("options", OPTION_PARAMS)
@pytest.mark.parametrize("target", TARGETS)
def test_packages_installed_with_pip_work(cloche: Cloche, tmp_path: Path, target: str, options: str) -> None:
    python = create_environment(cloche, target, *OPTIONS[options])
    description = read_facts(python)
    assert python.is_symlink() is ("--copies" not in OPTIONS[options])
    wheels = tmp_path / "wheels"
    script = "import sys\n\ndef main():\n    print(sys.prefix)\n"
    make_wheel(wheels, "hello", files={"hello.py": script}, entry_points="[console_scripts]\nhello = hello:main\n")
    compiles = os.path.isfile(os.path.join(description["paths"]["include"], "Python.h"))
    names = ["hello", "tiny"] if compiles else ["hello"]
    if compiles:
        library = {f"tiny{description['suffix']}": compile_extension(python, tmp_path)}
        make_wheel(wheels, "tiny", files=library, tags=[run(python, "-c", TAG)], entry_points="", pure=False)
    pip = python.parent / "pip"
    run(pip, "install", "--no-index", "--find-links", wheels, "--no-cache-dir", *names)
    assert run(python.parent / "hello") == str(cloche.cwd / "env")
    if compiles:
        bits, path = run(python, "-W", "error", "-c", "import tiny; print(tiny.answer(), tiny.__file__)").split()
        assert (bits, path) == ("64", os.path.join(description["paths"]["platlib"], f"tiny{description['suffix']}"))
    listed = {package["name"] for package in json.loads(run(pip, "list", "--format=json"))}
    assert {*names, "pip"} <= listed
    run(pip, "uninstall", "--yes", *names)
    assert not (python.parent / "hello").exists()
    if not compiles:
        skip_missing(f"{target} has no `Python.h`: only scripts were tested, no extension modules")


@pytest.mark.parametrize("target", TARGETS)
def test_python_starts_without_warnings_and_sees_system_packages_only_on_request(cloche: Cloche, target: str) -> None:
    base_site_packages = [path for path in read_facts(find_executable(target))["site"] if os.path.isdir(path)]
    isolated = read_facts(create_environment(cloche, target, "--no-seed"))
    assert not set(base_site_packages) & set(isolated["path"])
    python = create_environment(cloche, target, "--clear", "--no-seed", "--system-site-packages")
    shared = read_facts(python)
    assert shared["prefix"] == str(cloche.cwd / "env")
    assert [path for path in shared["path"] if path in base_site_packages] == base_site_packages
    assert shared["path"].index(os.path.realpath(shared["paths"]["purelib"])) < min(
        map(shared["path"].index, base_site_packages)
    )
    assert run(python, "-W", "error", "-c", IMPORTS) == ""


@pytest.mark.parametrize("target", TARGETS)
def test_an_interpreter_on_path_is_found_by_its_version_and_build(cloche: Cloche, target: str) -> None:
    path = find_executable(target)
    (by_path,) = cloche("pythons", path, "--json").json["pythons"]
    build = "t" * by_path["interpreter"]["free_threaded"] + "d" * by_path["interpreter"]["debug"]
    by_version = cloche("pythons", f"=={by_path['version']}{build}", "--json", PATH=os.path.dirname(path))
    assert by_version.code == 0, by_version.err
    assert by_version.json["chosen"] == by_path["path"]
    assert os.path.samefile(by_path["path"], path)


@pytest.mark.parametrize("target", TARGETS)
def test_an_environment_works_after_a_link_to_its_interpreter_is_removed(
    cloche: Cloche, tmp_path: Path, target: str
) -> None:
    link = tmp_path / "links" / "snake"
    link.parent.mkdir()
    link.symlink_to(find_executable(target))
    for options in ("plain", "copies"):
        done = cloche(options, "-p", link, "--no-seed", *OPTIONS[options])
        assert (done.code, done.err) == (0, "")
    link.unlink()
    base = read_facts(find_executable(target))["prefix"]
    for options in ("plain", "copies"):
        assert run(cloche.cwd / options / "bin" / "python", "-c", "import sys; print(sys.base_prefix)") == base


@pytest.mark.parametrize("target", TARGETS)
def test_the_version_and_the_build_are_in_the_recorded_name(cloche: Cloche, target: str) -> None:
    create_environment(cloche, target, "--no-seed")
    python = cloche("info", "env", "--json").json["environment"]["interpreter"]
    build = "t" * python["free_threaded"] + "d" * python["debug"]
    kind = "pypy" if python["implementation"] == "pypy" else "python"
    name = f"{kind}{python['version'][0]}.{python['version'][1]}{build}"
    assert os.path.basename(python["executable"]) == name
    assert (cloche.cwd / "env" / "bin" / name).exists()
    assert "instead of `" not in cloche("upgrade", "--check", "env").out  # another path of the same Python
    assert (
        cloche("other", "-p", "env/bin/python", "--no-seed", "--json").json["plan"]["environment"]["interpreter"]
        == python
    )
