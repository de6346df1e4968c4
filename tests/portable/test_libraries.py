"""Test the libraries of the system: what an environment needs, and one that carries them to a system without them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.fs.elf import DynamicFile, NotEditable, read_dependencies
from cloche.model.runtime import BinaryEdits
from cloche.store.runtimes import edited
from tests.interpreters import pyenv
from tests.portable.conftest import BUILDS, find_base, run, run_in
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run import Cloche

MODULES = "ssl sqlite3 ctypes bz2 lzma zlib readline curses hashlib uuid tkinter"
"""Modules of the standard library that use a library of the system."""

PROGRAM = """
import importlib, json, sys
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
import ssl
print(json.dumps({"failed": failed, "certificates": ssl.create_default_context().cert_store_stats()["x509_ca"]}))
"""


@pytest.mark.parametrize("build", BUILDS)
def test_an_environment_that_carries_its_libraries_works_in_a_root_without_them(
    cloche: Cloche, minimal_root: Path, build: str
) -> None:
    base = find_base(build)
    missing_here = [name for name in MODULES.split() if run(base.executable, "-c", f"import {name}").returncode]
    for name, options in (("plain", ()), ("carrying", ("--carry-libraries",))):
        done = cloche(name, "--creator", "portable", "-p", base.executable, *options)
        assert (done.code, done.err) == (0, ""), done

    plain = run_in(minimal_root, cloche.cwd / "plain", "/env/bin/python", "-c", PROGRAM, *MODULES.split())
    carrying = run_in(minimal_root, cloche.cwd / "carrying", "/env/bin/python", "-c", PROGRAM, *MODULES.split())
    pip = run_in(minimal_root, cloche.cwd / "carrying", "/env/bin/pip", "--version")

    assert plain.returncode != 0
    assert carrying.returncode == 0, carrying.stderr
    facts = json.loads(carrying.stdout)
    assert sorted(facts["failed"]) == sorted(missing_here)
    assert facts["certificates"] > 50
    assert "from /env/" in pip.stdout
    assert cloche("info", "carrying", "--json").json["needs"]["libraries"] == {}
    assert cloche("doctor", "carrying").code == 0


def test_tcl_finds_its_scripts_in_a_root_without_them(cloche: Cloche, minimal_root: Path) -> None:
    if run(pyenv("3.12"), "-c", "import tkinter").returncode:
        pytest.skip("the base has no tkinter")
    cloche("./env", "--creator", "portable", "--carry-libraries", "-p", pyenv("3.12"))

    program = "import tkinter; print(tkinter.Tcl().eval('info library'))"
    done = run_in(minimal_root, cloche.cwd / "env", "/env/bin/python", "-c", program)

    assert done.stdout.strip() == "/env/lib/tcl8.6", done.stderr


def test_it_does_not_run_as_another_python_in_a_root_without_processes(cloche: Cloche, minimal_root: Path) -> None:
    """Without `/proc`, the loader does not know where the executable is."""
    cloche("./env", "--creator", "portable", "--no-seed", "-p", pyenv("3.12"))

    done = run_in(minimal_root, cloche.cwd / "env", "/env/bin/python", "-c", "import sys; print(sys.prefix)", proc="no")

    assert done.returncode or done.stdout == "/env\n", done


# ELF files


def compiled(tmp_path: Path, *flags: str, source: str = "int f(void) { return 1; }") -> bytes:
    """Return a library that the compiler of this system makes."""
    (tmp_path / "f.c").write_text(source)
    target = tmp_path / "f.so"
    subprocess.run([require("gcc"), "-shared", "-fPIC", *flags, "-o", target, tmp_path / "f.c"], check=True)
    return target.read_bytes()


def test_the_dependencies_of_a_file_are_those_that_readelf_prints(tmp_path: Path) -> None:
    content = compiled(tmp_path, "-Wl,-rpath,/opt/somewhere/lib", "-Wl,-soname,libf.so.1", "-Wl,--no-as-needed", "-lm")

    found = read_dependencies(content)

    assert found is not None
    assert (found.name, found.search_path, found.loader) == ("libf.so.1", ("/opt/somewhere/lib",), "")
    assert {"libm.so.6", "libc.so.6"} <= set(found.needed)
    printed = subprocess.run([require("readelf"), "-d", tmp_path / "f.so"], capture_output=True, text=True, check=True)
    assert all(f"[{name}]" in printed.stdout for name in (found.name, *found.needed, *found.search_path))


@pytest.mark.parametrize("tag", ["rpath", "runpath"])
def test_a_search_path_is_replaced_in_place(tmp_path: Path, tag: str) -> None:
    content = compiled(tmp_path, "-Wl,-rpath,/opt/somewhere/lib")
    file = DynamicFile(content)

    assert file.set_search_path("$ORIGIN/../lib", tag) is True

    assert len(file.content) == len(content)
    assert b"/opt/somewhere" not in file.content
    (tmp_path / "changed").write_bytes(file.content)
    printed = subprocess.run(
        [require("readelf"), "-d", tmp_path / "changed"], capture_output=True, text=True, check=True
    ).stdout
    assert f"({tag.upper()})" in printed
    assert "[$ORIGIN/../lib]" in printed


def test_a_search_path_is_added(tmp_path: Path) -> None:
    """The library that the file needs is found by it."""
    (tmp_path / "lib").mkdir()
    compiled(tmp_path, "-Wl,-soname,libf.so.1")
    (tmp_path / "f.so").rename(tmp_path / "lib" / "libf.so.1")
    (tmp_path / "main.c").write_text("int f(void); int main(void) { return f() - 1; }")
    program = tmp_path / "bin" / "main"
    program.parent.mkdir()
    subprocess.run([require("gcc"), tmp_path / "main.c", tmp_path / "lib/libf.so.1", "-o", program], check=True)
    content = program.read_bytes()
    assert run(program).returncode == 127

    file = DynamicFile(content)
    assert file.set_search_path("$ORIGIN/../lib", "rpath") is False
    file.add_search_path("$ORIGIN/../lib", "rpath")
    program.write_bytes(file.content)

    assert run(program).returncode == 0
    assert read_dependencies(bytes(file.content)).search_path == ("$ORIGIN/../lib",)


@pytest.mark.parametrize(("linked", "expected"), [("lib/libf.so", ()), ("-lf", ("$ORIGIN/../lib",))])
def test_a_search_path_is_added_only_where_a_renamed_library_is_looked_for(
    tmp_path: Path, linked: str, expected: tuple[str, ...]
) -> None:
    """An executable may also name its library by a path, as those of python-build-standalone do."""
    (tmp_path / "lib").mkdir()
    compiled(tmp_path)
    (tmp_path / "f.so").rename(tmp_path / "lib" / "libf.so")
    (tmp_path / "main.c").write_text("int f(void); int main(void) { return f() - 1; }")
    subprocess.run([require("gcc"), "main.c", "-Llib", linked, "-o", "main"], check=True, cwd=tmp_path)
    edits = BinaryEdits("$ORIGIN/../lib", "rpath", "if renamed", (("libf.so", "libg.so"),))

    found = read_dependencies(edited((tmp_path / "main").read_bytes(), edits))

    assert found is not None
    assert found.search_path == expected
    assert ("libg.so" if expected else "lib/libf.so") in found.needed


def test_a_search_path_that_is_too_short_is_refused(tmp_path: Path) -> None:
    file = DynamicFile(compiled(tmp_path, "-Wl,-rpath,/x"))

    with pytest.raises(NotEditable, match=r"has no room for `\$ORIGIN/../lib` in place of `/x`"):
        file.set_search_path("$ORIGIN/../lib", "rpath")


def test_a_search_path_whose_end_is_the_name_of_a_function_is_refused(tmp_path: Path) -> None:
    """The linker stores one text for both."""
    content = compiled(tmp_path, "-Wl,-rpath,/opt/somewhere/shared_text", source="int shared_text(void) { return 1; }")

    with pytest.raises(NotEditable, match="for something else too"):
        DynamicFile(content).set_search_path("$ORIGIN", "rpath")


@pytest.mark.parametrize("damage", ["empty", "header", "cut", "noise"])
def test_a_file_that_is_damaged_has_no_dependencies(tmp_path: Path, damage: str) -> None:
    content = compiled(tmp_path)
    damaged = {"empty": b"", "header": content[:16], "cut": content[:200], "noise": b"\x7fELF" + bytes(range(256)) * 9}

    assert read_dependencies(damaged[damage]) is None


def test_the_loader_of_the_running_python_is_known() -> None:
    with open(sys.executable, "rb") as file:
        found = read_dependencies(file.read())

    assert found is not None
    assert "ld-" in found.loader
