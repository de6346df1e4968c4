"""Test the probe cache: an entry that may be wrong is never used."""

from __future__ import annotations

import os
from _imp import source_hash
from typing import TYPE_CHECKING

import pytest

from cloche.discovery.cache import (
    OTHER_ALGORITHMS,
    ProbeCache,
    ProbeResult,
    executable_fingerprint,
    is_intact_entry,
    too_old_result,
)
from cloche.model.value import replace
from tests.recorded import recorded_interpreter
from tests.tools import skip_missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloche.model.interpreter import Interpreter


@pytest.fixture
def installed(tmp_path: Path) -> Interpreter:
    """An interpreter whose files exist."""
    root = tmp_path / "python é\nline"
    stdlib = root / "lib" / "python3.12"
    stdlib.mkdir(parents=True)
    (root / "bin").mkdir()
    for path in (root / "bin" / "python3.12", root / "lib" / "libpython3.12.so.1.0", stdlib / "os.py"):
        path.write_text("first")
    return replace(
        recorded_interpreter("cpython-3.12-linux"),
        executable=str(root / "bin" / "python3.12"),
        library=str(root / "lib" / "libpython3.12.so.1.0"),
        stdlib=str(stdlib),
        prefix=str(root),
    )


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "cache" / "probes")


def fill_cache(directory: str, interpreter: Interpreter) -> ProbeCache:
    """Return a cache in this directory with the answer of one interpreter."""
    cache = ProbeCache(directory)
    path = interpreter.executable
    cache.put(path, ProbeResult(interpreter), executable_fingerprint(path))
    assert cache.get(path) == ProbeResult(interpreter)
    return cache


def only_entry(directory: str) -> str:
    """Return the path of the only entry in a cache directory."""
    (name,) = os.listdir(directory)
    return os.path.join(directory, name)


def test_an_answer_is_available_to_the_next_run(directory: str, installed: Interpreter) -> None:
    fill_cache(directory, installed)
    assert ProbeCache(directory).get(installed.executable) == ProbeResult(installed)
    assert ProbeCache(directory).get(installed.executable + "x") is None


def test_only_permanent_failures_are_cached(directory: str, installed: Interpreter) -> None:
    cache, path = ProbeCache(directory), installed.executable
    cache.put(path, ProbeResult(reason="does not respond in time"), executable_fingerprint(path))
    assert cache.get(path) is None
    assert not os.path.exists(directory)
    cache.put(path, too_old_result("2.7.18"), executable_fingerprint(path))
    assert cache.get(path) == too_old_result("2.7.18")


def touch(path: str) -> None:
    os.utime(path, ns=(1, os.stat(path).st_mtime_ns + 1))


def rewrite(path: str) -> None:
    """Change the content of a file, but not its size and modification time."""
    before = os.stat(path)
    with open(path, "r+") as file:
        file.write("other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchange(path: str) -> None:
    """Replace a file with another one of the same size and modification time."""
    before = os.stat(path)
    with open(f"{path}.new", "w") as file:
        file.write("other")
    os.utime(f"{path}.new", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(f"{path}.new", path)


@pytest.mark.parametrize("change", [touch, rewrite, exchange, os.unlink])
@pytest.mark.parametrize("field", ["executable", "library", "stdlib"])
def test_an_entry_is_invalid_if_a_file_that_it_depends_on_changes(
    field: str, change: Callable[[str], None], directory: str, installed: Interpreter
) -> None:
    cache = fill_cache(directory, installed)
    path = getattr(installed, field)
    change(os.path.join(path, "os.py") if field == "stdlib" else path)
    assert cache.get(installed.executable) is None


@pytest.mark.parametrize("subdirectory", ["bin", "."])
def test_an_entry_is_invalid_if_a_pyvenv_cfg_appears(subdirectory: str, directory: str, installed: Interpreter) -> None:
    cache = fill_cache(directory, installed)
    with open(os.path.join(installed.prefix, subdirectory, "pyvenv.cfg"), "w") as file:
        file.write("home = /usr/bin\n")
    assert cache.get(installed.executable) is None


def test_an_entry_is_invalid_if_a_link_is_redirected(tmp_path: Path, directory: str, installed: Interpreter) -> None:
    link, other = tmp_path / "python3", tmp_path / "other"
    link.symlink_to(installed.executable)
    other.write_text("first")
    cache = fill_cache(directory, replace(installed, executable=str(link)))
    link.unlink()
    link.symlink_to(other)
    assert cache.get(str(link)) is None


def test_an_executable_that_changes_while_it_is_probed_is_not_cached(directory: str, installed: Interpreter) -> None:
    cache, path = ProbeCache(directory), installed.executable
    before = executable_fingerprint(path)
    rewrite(path)
    cache.put(path, ProbeResult(installed), before)
    assert not os.path.exists(directory)


DAMAGE = {
    "emptied": lambda data: data[:0],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "cut by one byte": lambda data: data[:-1],
    "with one changed digit": lambda data: data.replace(b"version 3.12.1.final.0", b"version 3.13.1.final.0"),
    "overwritten": lambda data: bytes(len(data)),
    "of another format": lambda data: data.replace(b"cloche probe", b"eclipse bell", 1),
    "of another probe": lambda data: data.replace(data.split()[3], b"0" * 16, 1),
    "of another executable": lambda data: data.replace(b"/bin/python3.12", b"/bin/python3.13"),
    "with an invalid version": lambda data: data.replace(b"version 3.12.1.final.0", b"version 3.twelve"),
    "with half a version": lambda data: data.replace(b"version 3.12.1.final.0", b"version 3.12"),
    "without a field": lambda data: data.replace(b"\nmagic cb0d0d0a", b""),
    "with a scheme that leaves": lambda data: data.replace(b"purelib lib/", b"purelib ../"),
    "with a wrong escape": lambda data: data.replace(b"\\xe9", b"\\xz9"),
    "with bytes that are not text": lambda data: data.replace(b"posix", b"p\xffsix"),
    "with text after the end": lambda data: data + b"more",
    "too large": lambda data: b"x" * (1 << 20) + data,
    "nothing but an end": lambda data: data[-5:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_ignored_and_rewritten(
    damage: Callable[[bytes], bytes], directory: str, installed: Interpreter
) -> None:
    cache = fill_cache(directory, installed)
    with open(only_entry(directory), "r+b") as file:
        content = file.read()
        assert damage(content) != content
        file.seek(0)
        file.truncate()
        file.write(damage(content))
    assert cache.get(installed.executable) is None
    fill_cache(directory, installed)
    with open(only_entry(directory), "rb") as file:
        assert file.read() == content


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"version 3.12.1.final.0", b"version 3.twelve"),
        (b"version 3.12.1.final.0", b"version 3.12"),
        (b"\nmagic cb0d0d0a", b""),
        (b"purelib lib/", b"purelib ../"),
    ],
)
def test_an_entry_with_invalid_values_is_ignored(
    old: bytes, new: bytes, directory: str, installed: Interpreter
) -> None:
    """The checksum is correct, so another program may have written the entry."""
    cache = fill_cache(directory, installed)
    with open(only_entry(directory), "r+b") as file:
        text = file.read().rpartition(b"\nend ")[0]
        changed = text.replace(old, new)
        assert changed != text
        file.seek(0)
        file.truncate()
        file.write(changed + b"\nend " + source_hash(1, changed).hex().encode() + b"\n")
    assert cache.get(installed.executable) is None


def test_an_entry_that_is_a_link_is_not_read_but_replaced(
    tmp_path: Path, directory: str, installed: Interpreter
) -> None:
    cache = fill_cache(directory, installed)
    planted = tmp_path / "planted"
    os.rename(only_entry(directory), planted)
    content = planted.read_bytes()
    os.symlink(planted, os.path.join(directory, os.path.basename(cache_name(directory, installed))))
    assert cache.get(installed.executable) is None
    fill_cache(directory, installed)
    assert planted.read_bytes() == content
    assert not os.path.islink(only_entry(directory))


def cache_name(directory: str, interpreter: Interpreter) -> str:
    """Return the file name of an interpreter's entry, from an entry in another directory."""
    elsewhere = f"{directory}-elsewhere"
    fill_cache(elsewhere, interpreter)
    return only_entry(elsewhere)


def test_an_entry_that_is_not_a_regular_file_does_not_block(directory: str, installed: Interpreter) -> None:
    cache = fill_cache(directory, installed)
    path = only_entry(directory)
    os.unlink(path)
    os.mkfifo(path)
    assert cache.get(installed.executable) is None
    fill_cache(directory, installed)


def test_the_directory_is_created_private_and_is_used_only_if_it_is_private(
    directory: str, installed: Interpreter
) -> None:
    old = os.umask(0)
    try:
        cache = fill_cache(directory, installed)
    finally:
        os.umask(old)
    assert os.stat(directory).st_mode & 0o777 == 0o700
    assert os.stat(only_entry(directory)).st_mode & 0o777 == 0o600
    os.chmod(directory, 0o777)
    assert cache.get(installed.executable) is None
    os.unlink(only_entry(directory))
    cache.put(installed.executable, ProbeResult(installed), executable_fingerprint(installed.executable))
    assert os.listdir(directory) == []


def test_a_directory_of_another_user_is_not_used(directory: str, installed: Interpreter) -> None:
    if os.geteuid() != 0:
        skip_missing("only the superuser can change the owner of a directory")
    cache = fill_cache(directory, installed)
    os.chown(directory, 65534, 65534)
    assert cache.get(installed.executable) is None
    assert list(cache.cached_interpreters()) == []


def test_only_interpreters_that_exist_are_listed(directory: str, installed: Interpreter) -> None:
    cache = fill_cache(directory, installed)
    touch(installed.executable)
    assert list(cache.cached_interpreters()) == [installed]
    os.unlink(installed.executable)
    assert list(cache.cached_interpreters()) == []


def test_a_directory_that_is_a_link_is_not_used(tmp_path: Path, directory: str, installed: Interpreter) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    os.makedirs(os.path.dirname(directory))
    os.symlink(target, directory)
    ProbeCache(directory).put(
        installed.executable, ProbeResult(installed), executable_fingerprint(installed.executable)
    )
    assert list(target.iterdir()) == []


def test_a_read_only_cache_is_used_but_not_changed(directory: str, installed: Interpreter) -> None:
    fill_cache(directory, installed)
    before = os.stat(directory).st_mtime_ns
    cache = ProbeCache(directory, writable=False)
    assert cache.get(installed.executable) == ProbeResult(installed)
    touch(installed.executable)
    assert cache.get(installed.executable) is None
    cache.put(installed.executable, ProbeResult(installed), executable_fingerprint(installed.executable))
    assert cache.get(installed.executable) is None
    assert os.stat(directory).st_mtime_ns == before


def test_without_a_directory_nothing_is_cached(installed: Interpreter) -> None:
    cache = ProbeCache(None)
    cache.put(installed.executable, ProbeResult(installed), executable_fingerprint(installed.executable))
    assert cache.get(installed.executable) is None


def test_an_unwritable_directory_is_not_an_error(tmp_path: Path, installed: Interpreter) -> None:
    (tmp_path / "file").write_text("")
    cache = ProbeCache(str(tmp_path / "file" / "probes"))
    cache.put(installed.executable, ProbeResult(installed), executable_fingerprint(installed.executable))
    assert cache.get(installed.executable) is None


def test_leftovers_of_a_killed_run_are_removed(directory: str, installed: Interpreter) -> None:
    fill_cache(directory, installed)
    path = only_entry(directory)
    os.rename(path, f"{path}.new")
    fill_cache(directory, installed)
    assert os.listdir(directory) == [os.path.basename(path)]


def test_a_directory_instead_of_an_entry_is_replaced(directory: str, installed: Interpreter) -> None:
    fill_cache(directory, installed)
    path = only_entry(directory)
    os.unlink(path)
    os.makedirs(os.path.join(path, "more"))
    fill_cache(directory, installed)

    assert os.listdir(directory) == [os.path.basename(path)]
    assert os.path.isfile(path)
    assert ProbeCache(directory).get(installed.executable) is not None


def test_an_entry_from_another_hash_function_is_neither_damaged_nor_used(tmp_path: Path) -> None:
    (algorithm, *_) = sorted(OTHER_ALGORITHMS)
    entry = tmp_path / "one.probe"
    entry.write_bytes(b"anything\nend %s 0123\n" % algorithm.encode())
    tmp_path.chmod(0o700)

    assert is_intact_entry(entry.read_bytes())
    assert not is_intact_entry(b"anything\nend 0123\n")
    assert list(ProbeCache(str(tmp_path)).cached_interpreters()) == []
