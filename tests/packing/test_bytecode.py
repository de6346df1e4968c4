"""Test that the bytecode in an archive is that of the packed sources, whatever bytecode the environment has."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.interpreters import pyenv
from tests.run import Cloche

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portable environment without packages, which no test changes."""
    directory = tmp_path_factory.mktemp("bytecode")
    done = Cloche(directory, os.environ)("./env", "--creator", "portable", "--no-seed")
    assert done.code == 0, done
    return directory / "env"


@pytest.fixture
def env(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "env", symlinks=True)


@pytest.fixture
def cloche(env: Path) -> Cloche:
    return Cloche(env.parent, os.environ)


def library(env: Path) -> Path:
    [found] = env.glob("lib/python3*")
    return found


def cached(source: Path) -> Path:
    """Return the path of the bytecode of a module."""
    [found] = (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")
    return found


def edit(path: Path, content: bytes) -> None:
    """Change a file, but not its times."""
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def packed(cloche: Cloche, env: Path, *words: str) -> dict[str, bytes]:
    """Pack an environment; return the content of the packed files by path."""
    output = cloche.cwd / f"packed {len(os.listdir(cloche.cwd))}"
    done = cloche("pack", env, "-o", output, "--format", "dir", *words)
    assert done.code == 0, done
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def before(original: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is packed of an environment that was not changed."""
    return packed(Cloche(tmp_path_factory.mktemp("before"), os.environ), original)


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """Return the names of the files that differ, without the lists of all files."""
    return {
        os.path.basename(path)
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path) and path != ".cloche-files"
    }


def test_an_edited_module_has_its_own_bytecode(cloche: Cloche, env: Path, before: dict[str, bytes]) -> None:
    """Neither its size nor its time nor its bytecode show that it was edited."""
    module = library(env) / "this.py"
    content = module.read_bytes()
    edit(module, content.replace(b"Gur Mra", b"Gur Men"))

    after = packed(cloche, env)

    assert changed(before, after) == {"this.py", cached(module).name}
    data = after[str(cached(module).relative_to(env))]
    assert "Gur Men" in marshal.loads(data[16:]).co_consts[0]
    assert data[4:8] == b"\1\0\0\0"


def test_a_module_that_no_longer_compiles_has_no_bytecode(cloche: Cloche, env: Path, before: dict[str, bytes]) -> None:
    module = library(env) / "this.py"
    edit(module, b"(" * module.stat().st_size)

    after = packed(cloche, env)

    assert changed(before, after) == {"this.py", cached(module).name}
    assert str(cached(module).relative_to(env)) not in after


DAMAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "that of another module": lambda _, other: other,
    "other code": lambda data, _: data[:-60] + bytes(20) + data[-40:],
    "no seal": lambda data, _: data[:-40],
    "empty": lambda data, _: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_bytecode_is_not_packed(cloche: Cloche, env: Path, before: dict[str, bytes], damage: str) -> None:
    other = cached(library(env) / "os.py").read_bytes()
    compiled = cached(library(env) / "this.py")
    edit(compiled, DAMAGES[damage](compiled.read_bytes(), other))

    assert packed(cloche, env) == before


def test_an_environment_without_bytecode_has_the_same_archive(
    cloche: Cloche, env: Path, before: dict[str, bytes]
) -> None:
    """All modules are compiled at once, also if their old bytecode has seals that do not fit."""
    for compiled in env.rglob("*.pyc"):
        edit(compiled, compiled.read_bytes()[:-1] + b"\0")
    assert packed(cloche, env) == before

    for compiled in env.rglob("*.pyc"):
        compiled.unlink()
    assert packed(cloche, env) == before


def test_the_store_keeps_what_was_compiled(cloche: Cloche, env: Path) -> None:
    """What is damaged there is compiled again."""
    (library(env) / "site-packages/spam.py").write_text("EGGS = 3\n")
    cache = cloche.cwd / "cache"
    first = packed(cloche, env, "--cache-dir", cache)
    [stored] = (cache / "bytecode").iterdir()
    data, inode = stored.read_bytes(), stored.stat().st_ino

    assert packed(cloche, env, "--cache-dir", cache) == first
    assert stored.stat().st_ino == inode

    os.utime(stored, (1, 1))
    assert packed(cloche, env, "--cache-dir", cache, "--read-only-cache") == first
    assert stored.stat().st_mtime == 1

    for damaged in (b"", data[:-1] + bytes((data[-1] ^ 1,))):
        stored.write_bytes(damaged)
        assert packed(cloche, env, "--cache-dir", cache) == first
        assert stored.read_bytes() == data


def test_the_store_is_used_instead_of_bytecode_that_another_program_compiled(cloche: Cloche, env: Path) -> None:
    """pip's own bytecode has no seals. It has the time of its source, as that of an image has."""
    cache = cloche.cwd / "cache"
    for name in ("this", "antigravity"):
        edit(cached(library(env) / f"{name}.py"), b"compiled by another program")
    first = packed(cloche, env, "--cache-dir", cache)
    stored = {path: path.stat().st_ino for path in (cache / "bytecode").iterdir()}
    assert len(stored) == 2

    assert packed(cloche, env, "--cache-dir", cache) == first
    assert {path: path.stat().st_ino for path in (cache / "bytecode").iterdir()} == stored

    damaged = min(stored)
    damaged.write_bytes(b"")
    assert packed(cloche, env, "--cache-dir", cache) == first
    assert damaged.stat().st_size > 0


def test_a_module_with_another_source_is_not_taken_from_the_store(cloche: Cloche, env: Path) -> None:
    module = library(env) / "site-packages/spam.py"
    found = []
    for content in ("EGGS = 3\n", "EGGS = 4\n"):
        module.write_text(content)
        after = packed(cloche, env, "--cache-dir", cloche.cwd / "cache")
        found += [data for path, data in after.items() if "site-packages/__pycache__/spam." in path]

    assert [marshal.loads(data[16:]).co_consts[0] for data in found] == [3, 4]


def test_bytecode_can_be_left_out(cloche: Cloche, env: Path, before: dict[str, bytes]) -> None:
    for pattern in ("*.pyc", "__pycache__"):
        assert packed(cloche, env, "--exclude", pattern).keys() == {
            path for path in before if not path.endswith(".pyc")
        }


def test_an_unpacked_environment_can_be_packed_again(cloche: Cloche, env: Path, before: dict[str, bytes]) -> None:
    """The list of the files in the archive, which it has since, is not packed as one of them."""
    assert cloche("pack", env, "-o", "packed", "--format", "dir").code == 0
    assert cloche("unpack", "packed", "there").code == 0

    assert packed(cloche, cloche.cwd / "there") == before


def test_the_bytecode_of_an_archive_is_verified(cloche: Cloche, env: Path) -> None:
    """Without the image that it came from, it is compared with what the source compiles to."""
    compiled = cached(library(env) / "this.py")
    for other in env.rglob("*.pyc"):
        if other != compiled:
            other.unlink()
    assert cloche("verify", "env", "--cache-dir", cloche.cwd / "cache").code == 0
    data = compiled.read_bytes()
    for damaged in (data + b"x", data[:-40] + bytes(40), data[:-1]):
        edit(compiled, damaged)
        assert cloche("verify", "env", "--cache-dir", cloche.cwd / "cache").code == 1


def test_a_python_without_unchecked_bytecode_is_packed_without_bytecode(tmp_path: Path) -> None:
    cloche = Cloche(tmp_path, os.environ)
    assert cloche("./env", "-p", pyenv("3.6"), "--relocatable").code == 0
    subprocess.run([tmp_path / "env/bin/python", "-c", "import pip"], check=True)

    found = packed(cloche, tmp_path / "env", "--with-base-outside")

    assert any(path.endswith("/pip/__init__.py") for path in found)
    assert not any(path.endswith(".pyc") for path in found)
