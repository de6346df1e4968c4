"""Test that compiled bytecode is the same on every machine, and that its seal fits nothing but its source."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.api import find
from cloche.shells.template import resource
from cloche.store import Store, bytecode, compiling
from cloche.store.bytecode import Compiler, bytecode_path, compiler_name, unchecked_bytecode
from tests import interpreters
from tests.distributions import host_with_home

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.model.interpreter import Interpreter
    from cloche.store.bytecode import Validation

SOURCE = b"def f(x):\n    return x in {'spam', 'eggs', None, 1.5} or f'{x!r:>10}' + ' ' + ''\n"

NAMES = ("spam/__init__.py", "spam/eggs.py", "eggs.py")

EXECUTABLES = {
    **{minor: (lambda minor=minor: interpreters.pyenv(minor)) for minor in interpreters.MINORS},
    "debian": interpreters.debian,
    "pypy": interpreters.pypy,
    "this": lambda: sys.executable,
}


def compiled(root: Path, interpreter: Interpreter, validation: Validation = "time", seed: int = 0) -> dict[str, bytes]:
    """Compile everything below a directory in a random order; return the bytecode by the path of its source."""
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    random.Random(seed).shuffle(paths)
    targets = {path: f"{bytecode_path(path, interpreter.cache_tag)}.{seed}" for path in paths}
    with Store.open(host_with_home(root), access="none") as store:
        compiler = Compiler(interpreter, store, str(root), 978307200, 0, validation)
        for path, target in targets.items():
            compiler.add(path, target, path, (root / path).stat().st_size)
        assert len(compiler.results()) == len(paths)
    return {path: (root / target).read_bytes() for path, target in sorted(targets.items())}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a few modules."""
    (tmp_path / "spam").mkdir()
    for name in NAMES:
        (tmp_path / name).write_bytes(SOURCE)
    return tmp_path


def standard_library(interpreter: Interpreter, root: Path) -> None:
    """Copy a part of the standard library that compiles."""
    for number, name in enumerate(sorted(os.listdir(interpreter.stdlib))):
        if name.endswith(".py") and number % 2:
            with open(os.path.join(interpreter.stdlib, name), "rb") as file:
                (root / name).write_bytes(file.read())


@pytest.mark.parametrize("name", EXECUTABLES)
def test_the_order_and_the_number_of_processes_do_not_change_bytecode(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = find(EXECUTABLES[name]())
    standard_library(interpreter, tmp_path)
    first = compiled(tmp_path, interpreter, seed=1)
    monkeypatch.setattr(compiling, "available_processors", lambda: 3)
    monkeypatch.setattr(compiling, "WORTH_A_PROCESS", 10_000)
    monkeypatch.setattr(bytecode, "WORTH_A_BATCH", 5_000)

    assert compiled(tmp_path, interpreter, seed=2) == first


@pytest.mark.parametrize("name", EXECUTABLES)
def test_strings_that_other_modules_have_do_not_change_bytecode(name: str) -> None:
    """CPython shares two equal sets, unless a string in them was interned before."""
    program = (
        "import sys\n"
        "_, script, text, words = sys.argv\n"
        "names = {'__name__': 'script'}\n"
        "exec(script, names)\n"
        "first = names['marshalled'](text.encode(), 'spam.py')\n"
        "held = [sys.intern(word) for word in words.split()]\n"
        "assert names['marshalled'](text.encode(), 'spam.py') == first\n"
    )
    text = "def f(x):\n    return x in {'PRAGMA', 'COLON'}\n\n\ndef g(x):\n    return x in {'PRAGMA', 'COLON'}\n"
    script = resource("cloche.store.bytecode", "_compile.py")

    subprocess.run([EXECUTABLES[name](), "-S", "-c", program, script, text, "PRAGMA COLON"], check=True)


@pytest.mark.parametrize("validation", ["time", "unchecked-hash"])
def test_python_uses_sealed_bytecode(root: Path, validation: Validation) -> None:
    interpreter = find()
    for path, data in compiled(root, interpreter, validation).items():
        os.utime(root / path, (978307200, 978307200))
        (root / bytecode_path(path, interpreter.cache_tag)).write_bytes(data)
    program = "import sys; sys.path.insert(0, sys.argv[1]); import spam.eggs; assert spam.eggs.f(None)"
    done = subprocess.run(
        [interpreter.executable, "-I", "-v", "-c", program, root], capture_output=True, text=True, check=True
    )

    assert f"code object from {str(root / 'spam' / '__pycache__')!r}"[:-1] in done.stderr
    assert "# wrote" not in done.stderr


@pytest.mark.parametrize("validation", ["time", "unchecked-hash"])
def test_a_seal_makes_unchecked_bytecode(root: Path, validation: Validation) -> None:
    interpreter = find()
    data = compiled(root, interpreter, validation)["eggs.py"]

    found = unchecked_bytecode(data, compiler_name(interpreter), "eggs.py", hashlib.sha256(SOURCE).digest())

    assert found == compiled(root, interpreter, "unchecked-hash", seed=1)["eggs.py"]


def test_a_seal_fits_only_its_own_source_name_and_code(root: Path) -> None:
    interpreter = find()
    data, compiler = compiled(root, interpreter)["eggs.py"], compiler_name(interpreter)
    digest = hashlib.sha256(SOURCE).digest()

    assert unchecked_bytecode(data, compiler, "eggs.py", hashlib.sha256(SOURCE + b"\n").digest()) is None
    assert unchecked_bytecode(data, compiler, "spam/eggs.py", digest) is None
    assert unchecked_bytecode(data, compiler.replace(" 3.", " 3.9"), "eggs.py", digest) is None
    for start in (b"", data[:16], data[:40], data[:60]):
        assert unchecked_bytecode(start, compiler, "eggs.py", digest) is None
    for position in range(16, len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        assert unchecked_bytecode(bytes(damaged), compiler, "eggs.py", digest) is None
