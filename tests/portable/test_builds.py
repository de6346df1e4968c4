"""Test portable environments of builds that this machine does not have, and that equal bases give equal environments."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.builtin.creators.portable import creator
from cloche.builtin.creators.portable.prefix import Prefix
from cloche.fs.elf import DynamicFile
from cloche.model.value import replace
from cloche.testing.fakes import fake_interpreter
from tests.interpreters import pyenv
from tests.portable.conftest import find_base, output_of
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter


@pytest.fixture
def standalone(tmp_path: Path) -> Path:
    """A Python in the layout of python-build-standalone, made from one that pyenv installed.

    Its executable finds the library relative to itself; `sysconfig` and the built-in prefix name `/install`, which does not
    exist; Tcl and the database of terminals are in it.
    """
    original = Path(pyenv("3.12")).parent.parent
    root = tmp_path / "cpython-3.12-linux" / "python"
    shutil.copytree(
        original, root, symlinks=True, ignore=shutil.ignore_patterns("site-packages", "test", "__pycache__")
    )
    (root / "lib/python3.12/site-packages").mkdir()
    for path, search in (("bin/python3.12", "$ORIGIN/../lib"), ("lib/libpython3.12.so.1.0", "$ORIGIN")):
        file = DynamicFile((root / path).read_bytes())
        file.set_search_path(search, "runpath")
        content = bytes(file.content).replace(
            os.fsencode(original) + b"\0", b"/install".ljust(len(str(original)), b"\0") + b"\0"
        )
        (root / path).write_bytes(content)
    for path in root.glob("lib/python3.12/lib-dynload/*.so"):
        file = DynamicFile(path.read_bytes())
        file.set_search_path("$ORIGIN/../..", "runpath")
        path.write_bytes(file.content)
    for pattern in ("lib/python3.12/_sysconfigdata*.py", "lib/python3.12/config-*/Makefile", "lib/pkgconfig/*.pc"):
        for path in root.glob(pattern):
            path.write_text(path.read_text().replace(str(original), "/install"))
    (root / "lib/tcl8.6").mkdir()
    (root / "lib/tcl8.6/init.tcl").write_text("# Tcl\n")
    (root / "share/terminfo/x").mkdir(parents=True)
    (root / "share/terminfo/x/xterm").write_bytes(b"terminal")
    return root


def test_a_standalone_build_becomes_portable(standalone: Path, tmp_path: Path) -> None:
    cloche = Cloche(tmp_path, os.environ)

    done = cloche("./env", "--creator", "portable", "--no-seed", "-p", standalone / "bin/python3.12")
    assert (done.code, done.err) == (0, ""), done
    shutil.rmtree(standalone)

    root = tmp_path / "env"
    program = "import json, ssl, sysconfig; print(json.dumps(sysconfig.get_config_vars(), default=str))"
    variables = json.loads(output_of(root / "bin/python", "-c", program))
    assert {name: text for name, text in variables.items() if isinstance(text, str) and "/install/" in text} == {}
    assert variables["LIBDIR"] == f"{root}/lib"
    assert (root / "lib/tcl8.6/init.tcl").read_text() == "# Tcl\n"
    assert (root / "share/terminfo/x/xterm").read_bytes() == b"terminal"
    assert cloche("doctor", "env").code == 0


def test_two_caches_get_equal_files(tmp_path: Path) -> None:
    """Neither the seed of hashes nor the number of processors nor the place of the cache shows in the files."""
    trees = []
    for number, affinity in ((1, {0}), (2, os.sched_getaffinity(0))):
        place = tmp_path / f"machine {number}"
        (place / "home").mkdir(parents=True)
        cloche = Cloche(place, {**clean_environ(place / "home", place / "cache"), "PYTHONHASHSEED": str(number)})
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, affinity & before or before)
        try:
            done = cloche("./env", "--creator", "portable", "--no-seed", "--activators", "none", "-p", pyenv("3.12"))
        finally:
            os.sched_setaffinity(0, before)
        assert done.code == 0, done.err
        root = place / "env"
        files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        trees.append({path.relative_to(root): (path.read_bytes(), path.stat().st_mtime_ns) for path in files})
    written = {Path(name) for name in (".cloche-manifest", ".gitignore", "CACHEDIR.TAG", "pyvenv.cfg")}

    assert trees[0].keys() == trees[1].keys()
    assert [path for path in trees[0] if path not in written and trees[0][path] != trees[1][path]] == []


def test_a_changed_base_gives_another_environment(standalone: Path, tmp_path: Path) -> None:
    """Also if only one module of it was changed, and the plan is cached."""
    cloche = Cloche(tmp_path, os.environ)
    words = ("--creator", "portable", "--no-seed", "-p", standalone / "bin/python3.12")
    for name in ("first", "second"):
        assert cloche(name, *words).code == 0
    (standalone / "lib/python3.12/json/__init__.py").write_text("changed = True\n")

    assert cloche("third", *words).code == 0

    assert output_of(tmp_path / "third/bin/python", "-c", "import json; print(json.changed)") == "True"


def test_a_build_that_is_not_as_expected_is_refused(standalone: Path, tmp_path: Path) -> None:
    library = standalone / "lib/libpython3.12.so.1.0"
    library.write_bytes(library.read_bytes().replace(b"\x06/os.py", b"\x06/so.py"))
    shutil.copy(standalone / "lib/python3.12/os.py", standalone / "lib/python3.12/so.py")

    done = Cloche(tmp_path, os.environ)("./env", "--creator", "portable", "-p", standalone / "bin/python3.12")

    assert done.code == 1
    assert "cannot be made portable: its layout is not known for CPython 3.12" in done.err
    assert "hint: use another build" in done.err
    assert not (tmp_path / "env").exists()


# Refusals


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"platform": "darwin"}, "works only on Linux so far, got CPython 3.12.1 for darwin"),
        ({"version": (3, 8, 1, "final", 0)}, "needs Python 3.9 or later, got CPython 3.8.1"),
        ({"implementation": "graalpy"}, "needs CPython or PyPy"),
        ({"prefix": "/nix/store/abc-python3"}, "package manager"),
        ({"prefix": "/usr", "stdlib": "/nowhere"}, "the Python of this Linux distribution is not supported"),
        ({"prefix": "/nowhere", "stdlib": "/nowhere/lib/python3.12"}, "cannot be read as files"),
    ],
)
def test_an_interpreter_that_cannot_be_portable_is_refused(changes: dict[str, object], reason: str) -> None:
    interpreter: Interpreter = replace(fake_interpreter(version=(3, 12, 1, "final", 0)), **changes)

    assert reason in (creator.refusal(interpreter) or "")


def test_the_base_environment_of_conda_is_refused(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()

    assert "conda-pack" in (creator.refusal(replace(fake_interpreter(), prefix=str(tmp_path))) or "")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--stdlib", "full"], 2, "the option `stdlib` needs the creator `portable`"),
        (["--carry-libraries"], 2, "the option `carry-libraries` needs the creator `portable`"),
        (["--creator", "portable", "--stdlib", "half"], 2, "half"),
        (["--creator", "portable", "--system-site-packages"], 2, "cannot use the packages of its base interpreter"),
        (["--creator", "portable", "--link-mode", "symlink"], 2, "cannot consist of links to the cache"),
        (["--creator", "portable", "-p", "3.8"], 2, "needs Python 3.9 or later, got CPython 3.8"),
    ],
)
def test_a_request_that_contradicts_itself_is_refused(
    tmp_path: Path, options: list[str], code: int, message: str
) -> None:
    default = [] if "-p" in options else ["-p", pyenv("3.12")]

    done = Cloche(tmp_path, os.environ)("./env", *options, *default)

    assert done.code == code
    assert message in done.err
    assert "hint: " in done.err
    assert os.listdir(tmp_path) == []


# Text that names a prefix


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/opt/py/lib", "@/lib"),
        ("-L/opt/py/lib -Wl,-rpath,/opt/py/lib", "-L@/lib -Wl,-rpath,@/lib"),
        ("'--prefix=/opt/py' '--x'", "'--prefix=@' '--x'"),
        ("/opt/pypy /opt/py.old /srv/opt/py", "/opt/pypy /opt/py.old /srv/opt/py"),
        ("gcc -I/opt/py/include -I/usr/include", "gcc -I@/include -I/usr/include"),
        ("/tmp/build/Python-3.12/x", "@/x"),
    ],
)
def test_the_prefix_is_replaced_where_it_is_a_path(text: str, expected: str) -> None:
    prefix = Prefix(("/opt/py",), ("/tmp/build/Python-3.12",), "python3.12", "")

    assert prefix.replaced(text, "@") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/usr", "@"),
        ("/usr/lib/python3.11/lib-dynload", "@/lib/python3.11/lib-dynload"),
        ("/usr/lib/x86_64-linux-gnu", "@/lib"),
        ("/usr/lib/x86_64-linux-gnu/pkgconfig", "@/lib/pkgconfig"),
        ("/usr/include /usr/include/python3.11", "@/include @/include/python3.11"),
        ("/usr/bin/install -c -m 644", "/usr/bin/install -c -m 644"),
        ("-I/usr/include/tirpc", "-I/usr/include/tirpc"),
        ("/usr/share/zoneinfo:/usr/lib/zoneinfo", "/usr/share/zoneinfo:/usr/lib/zoneinfo"),
        ("/usr/share/python-wheels/", "@/share/python-wheels/"),
        ("/usr/local/bin", "/usr/local/bin"),
    ],
)
def test_only_the_paths_of_python_are_replaced_in_the_prefix_of_a_system(text: str, expected: str) -> None:
    prefix = Prefix(("/usr",), (), "python3.11", "x86_64-linux-gnu")

    assert prefix.replaced(text, "@") == expected


def test_paths_in_flags_are_quoted_for_a_shell(tmp_path: Path) -> None:
    root = tmp_path / "two words $HOME"
    done = Cloche(tmp_path, os.environ)(root, "--creator", "portable", "--no-seed", "-p", pyenv("3.12"))
    assert done.code == 0, done.err
    expression = "[s.get_config_var('LIBDIR'), shlex.split(s.get_config_var('LDSHARED'))]"
    program = f"import json, shlex, sysconfig as s; print(json.dumps({expression}))"

    directory, words = json.loads(output_of(root / "bin/python", "-c", program))

    assert directory == f"{root}/lib"
    assert f"-L{root}/lib" in words


def test_the_makefile_finds_the_environment(tmp_path: Path) -> None:
    done = Cloche(tmp_path, os.environ)("./env", "--creator", "portable", "--no-seed", "-p", pyenv("3.12"))
    assert done.code == 0, done.err
    (makefile,) = (tmp_path / "env").glob("lib/python3.12/config-*/Makefile")
    prefix = re.search(r"(?m)^prefix=.*", makefile.read_text())

    assert prefix is not None
    assert "MAKEFILE_LIST" in prefix[0]
    shown = subprocess.run(
        ["make", "-s", "-f", str(makefile), "--eval", "show-prefix: ; @echo $(abspath $(LIBDIR))", "show-prefix"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert shown.stdout.strip().splitlines()[-1] == f"{tmp_path}/env/lib"


# The contract


@pytest.mark.parametrize("build", ["3.12", "debian", "pypy"])
def test_the_creator_keeps_its_contract(build: str, tmp_path: Path) -> None:
    from cloche.api import find
    from cloche.testing.creators import creator_checks

    interpreter = find(find_base(build).executable)

    for check in creator_checks(creator, {build: interpreter}):
        check.run(tmp_path)
