"""Test that the Python of a portable environment works without its base, from any path, and never runs as another one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from cloche.builtin.creators.portable.prefix import PLACEHOLDER
from tests.portable.conftest import BUILDS, Portable, hidden_base, output_of, run
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run import Cloche

every_build = pytest.mark.parametrize("base", BUILDS, indirect=True)

NAMES = ["plain", "two words", 'it\'s "$HOME" `id` $(id)', "é 日本", "x" * 200]

PROGRAM = """
import ctypes, json, multiprocessing, os, sqlite3, ssl, sys, sysconfig, venv, zlib

def main():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        doubled = pool.map(abs, [-2])
    loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())} - {None, __file__}
    print(json.dumps({
        "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix],
        "path": [entry for entry in sys.path[1:] if entry],
        "files": sorted(os.path.abspath(path) for path in loaded),
        "paths": sysconfig.get_paths(),
        "database": sqlite3.connect(":memory:").execute("select 1").fetchone(),
        "doubled": doubled,
    }))

if __name__ == "__main__":
    main()
"""


def works(text: str, root: str) -> None:
    """Assert that the output of `PROGRAM` names no file outside of an environment."""
    facts = json.loads(text)
    outside = [path for path in (*facts["path"], *facts["files"]) if not path.startswith(f"{root}/")]

    assert set(facts["prefixes"]) == {root}
    assert outside == []
    assert [path for path in facts["paths"].values() if path != root and not path.startswith(f"{root}/")] == []
    assert (facts["database"], facts["doubled"]) == ([1], [2])


@every_build
def test_it_works_read_only_without_its_base_and_without_variables(portable: Portable, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted here"
    mounted.mkdir()
    (tmp_path / "program.py").write_text(PROGRAM)
    script = (
        'mount --bind "$1" "$2"; mount -o remount,bind,ro "$2"\n'
        'env -i HOME=/nonexistent "$2/bin/python" "$3"; env -i HOME=/tmp PATH=/usr/bin:/bin "$2/bin/pip" --version'
    )

    done = hidden_base(portable.base, script, portable.root, mounted, tmp_path / "program.py")

    assert done.returncode == 0, done.stderr
    facts, version = done.stdout.splitlines()
    works(facts, str(mounted))
    assert f"from {mounted}/" in version


@every_build
@pytest.mark.parametrize("name", NAMES)
def test_it_works_from_any_path(portable: Portable, tmp_path: Path, name: str) -> None:
    moved = tmp_path / name
    portable.root.rename(moved)
    (tmp_path / "link").symlink_to(moved / "bin" / "python")
    variables = {"LC_ALL": "C.UTF-8"}

    assert output_of(moved / "bin" / "python", "-c", "import sys; print(sys.prefix)", env=variables) == str(moved)
    assert output_of(tmp_path / "link", "-c", "import sys; print(sys.prefix)", env=variables) == str(moved)
    assert f"from {moved}/" in output_of(moved / "bin" / "pip", "--version", env=variables)


@every_build
def test_no_file_names_the_base(portable: Portable) -> None:
    """The prefix of a system is part of many paths that have nothing to do with Python."""
    prefix = os.path.dirname(os.path.dirname(portable.base.executable))
    if prefix == "/usr":
        prefix = f"/usr/lib/{os.path.basename(portable.base.executable)}"
    found = [
        str(path.relative_to(portable.root))
        for path in portable.root.rglob("*")
        if path.is_file() and not path.is_symlink() and prefix.encode() in path.read_bytes()
    ]

    assert [path for path in found if not path.startswith("lib/python3.11/ctypes")] == []


@every_build
def test_the_build_time_variables_follow_the_environment(portable: Portable) -> None:
    program = "import json, sysconfig; print(json.dumps(sysconfig.get_config_vars(), default=str))"
    variables = json.loads(output_of(portable.python, "-c", program))
    prefix = os.path.dirname(os.path.dirname(portable.base.executable))
    texts = {name: text for name, text in variables.items() if isinstance(text, str)}

    assert {name: text for name, text in texts.items() if re.search(r"(^|[\s=])/build/|python-build", text)} == {}
    if prefix != "/usr":
        assert {name: text for name, text in texts.items() if prefix in text} == {}
    for name in ("prefix", "INCLUDEPY", "LIBDEST", "BINDIR"):
        assert texts.get(name, str(portable.root)).startswith(str(portable.root))
    names = json.loads(output_of(portable.base.executable, "-c", program)).keys()
    assert names - variables.keys() == set()


STRAYS = {
    "another name": 'exec -a foo "$1/bin/python" -c "$2"',
    "the name of a Python on PATH": 'exec -a python3 "$1/bin/python" -c "$2"',
    "a linked directory": 'ln -s "$1/bin" "$3/bin"; exec "$3/bin/python" -c "$2"',
    "a relative entry of PATH": 'cd "$1"; PATH=bin:$PATH exec python -c "$2"',
}


@every_build
@pytest.mark.parametrize("way", STRAYS)
def test_it_never_runs_with_the_modules_of_another_python(portable: Portable, tmp_path: Path, way: str) -> None:
    """It either finds its own standard library, or does not start."""
    (tmp_path / "there").mkdir()
    program = "import os, sys; print(os.path.abspath(os.__file__))"
    path = os.path.dirname(portable.base.executable)

    done = run(
        require("bash"), "-c", STRAYS[way], "bash", portable.root, program, tmp_path / "there",
        env={"PATH": f"{path}:/usr/bin:/bin"},
    )  # fmt: skip

    assert done.returncode or done.stdout.startswith(f"{portable.root}/lib/"), done


@every_build
def test_environments_can_be_created_from_it(portable: Portable, cloche: Cloche, tmp_path: Path) -> None:
    program = "import sys; print(sys.prefix, sys.base_prefix)"
    output_of(portable.python, "-m", "venv", tmp_path / "venv")
    done = cloche("other", "-p", portable.python)

    assert done.code == 0, done.err
    for name in ("venv", "other"):
        root = tmp_path / name
        assert output_of(root / "bin" / "python", "-c", program) == f"{root} {portable.root}"
        assert f"from {root}/" in output_of(root / "bin" / "pip", "--version")


@every_build
def test_it_is_the_base_of_another_portable_environment(portable: Portable, cloche: Cloche, tmp_path: Path) -> None:
    done = cloche("other", "--creator", "portable", "-p", portable.python)
    assert (done.code, done.err) == (0, ""), done
    shutil.rmtree(portable.root)

    root = tmp_path / "other"
    assert output_of(root / "bin/python", "-c", "import ssl, sys; print(sys.prefix)") == str(root)
    assert f"from {root}/" in output_of(root / "bin/pip", "--version")
    assert str(portable.root).encode() not in b"".join(
        path.read_bytes() for path in root.glob("lib/python*/_sysconfig*")
    )


@pytest.mark.parametrize("base", [build for build in BUILDS if build not in ("debian", "pypy")], indirect=True)
def test_a_copy_of_its_executable_alone_does_not_start(portable: Portable, tmp_path: Path) -> None:
    """With the original name of its library, it would load that of another Python of its version."""
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(os.path.realpath(portable.python), tmp_path / "elsewhere" / "python")

    done = run(tmp_path / "elsewhere" / "python", "-c", "1", env={"LD_LIBRARY_PATH": portable.base.hidden[0] + "/lib"})

    assert done.returncode == 127
    assert "cannot open shared object file" in done.stderr


@every_build
def test_an_extension_module_is_built_and_loaded(portable: Portable, tmp_path: Path) -> None:
    compiler = require("gcc")
    source = tmp_path / "spam.c"
    source.write_text(
        "#include <Python.h>\n"
        'static PyModuleDef spam = {PyModuleDef_HEAD_INIT, "spam", 0, -1};\n'
        "PyMODINIT_FUNC PyInit_spam(void) { return PyModule_Create(&spam); }\n"
    )
    program = "import sysconfig; print(sysconfig.get_path('include'), sysconfig.get_config_var('EXT_SUFFIX'))"
    include, suffix = output_of(portable.python, "-c", program).rsplit(" ", 1)
    if not os.path.isfile(f"{include}/Python.h"):
        pytest.skip("the base has no headers")
    command = [compiler, "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(tmp_path / f"spam{suffix}")]
    subprocess.run(command, check=True)

    assert output_of(portable.python, "-c", "import spam; print(spam.__name__)", env={"PYTHONPATH": str(tmp_path)})


@every_build
def test_programs_are_linked_with_it(portable: Portable) -> None:
    """`pkg-config` and `python-config` find the environment from their own place."""
    files = sorted((portable.root / "lib" / "pkgconfig").glob("*.pc")) if portable.base.executable else []
    configs = sorted((portable.root / "bin").glob("python*-config"))
    if not files and not configs:
        pytest.skip("the base has no development files")
    for file in files:
        printed = output_of(require("pkg-config"), "--variable=prefix", file)
        assert os.path.normpath(printed) == str(portable.root)
    for config in configs:
        assert f"-I{portable.root}/include" in output_of(config, "--includes")


@every_build
def test_python_config_prints_the_paths_of_any_environment(portable: Portable, tmp_path: Path) -> None:
    configs = sorted((portable.root / "bin").glob("python*-config"))
    if not configs:
        pytest.skip("the base has no python-config")
    assert portable.root / "bin" / "python3-config" in configs
    elsewhere = tmp_path / "a & b"
    (elsewhere / "bin").mkdir(parents=True)
    for config in configs:
        copy = shutil.copy(config, elsewhere / "bin")
        printed = {
            option: output_of(copy, f"--{option}")
            for option in ("prefix", "includes", "cflags", "ldflags", "configdir")
        }
        assert printed["prefix"] == str(elsewhere)
        assert printed["configdir"].startswith(f"{elsewhere}/lib/")
        assert f"-L{elsewhere}/lib " in f"{printed['ldflags']} "
        assert PLACEHOLDER not in str(printed)


@every_build
def test_its_modules_need_no_compilation(portable: Portable, tmp_path: Path) -> None:
    """The bytecode is valid although a copy has other times."""
    copy = shutil.copytree(portable.root, tmp_path / "copy", symlinks=True, copy_function=shutil.copyfile)
    os.chmod(os.path.realpath(copy / "bin" / "python"), 0o755)

    def times_of_bytecode() -> dict[Path, int]:
        own = "_cloche_distutils."  # Python 3.9 and earlier import it at start; it is not part of the runtime
        return {path: path.stat().st_mtime_ns for path in copy.rglob("*.pyc") if not path.name.startswith(own)}

    before = times_of_bytecode()
    modules = "import asyncio, json, argparse, unittest, email.message, xml.dom.minidom"
    done = run(copy / "bin" / "python", "-v", "-c", modules)

    assert done.returncode == 0, done.stderr
    assert "bytecode is stale" not in done.stderr
    assert times_of_bytecode() == before
