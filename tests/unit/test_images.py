"""Test images: the files of a wheel, wheels that are refused, and that damaged images are never used."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.api import find
from cloche.apply.file_list import read_file_list
from cloche.discovery import serialization
from cloche.errors import SeedError
from cloche.model.value import replace
from cloche.store import Store, compiling
from cloche.store.check import check_image
from cloche.store.distributions import read_installed, read_wheel
from cloche.store.images import find_or_build_image, listing
from cloche.store.images import writer as image_writer
from cloche.store.images.lookup import abi_name, image_name, load_image
from cloche.store.images.sources import LARGE
from cloche.store.images.verification import verify_image
from cloche.store.seeds import SeedStore
from cloche.store.staging import UNFINISHED, cache_remedy
from tests.distributions import MODULE, host_with_home, install_wheel, make_wheel
from tests.locks import simple_wheel
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloche.fs.locks import FileLock
    from cloche.model.aliases import Access
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.store.distributions import Distribution


def build_compiled_image(distribution: Distribution, interpreter: Interpreter, store: Store) -> Image:
    """Return the image that the second environment gets: with bytecode, unless the store is temporary."""
    image = find_or_build_image(distribution, interpreter, store)
    store.mark_installed([image])
    return find_or_build_image(distribution, interpreter, store) if store.is_persistent_path(image.root) else image


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    """The base interpreter of the Python that runs the tests."""
    return find()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(host_with_home(tmp_path / "home"), str(tmp_path / "store")) as store:
        yield store


@pytest.fixture
def image(tmp_path: Path, interpreter: Interpreter, store: Store) -> Image:
    """The image of a small wheel with a package, a script, data and a header."""
    return build_compiled_image(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, store)


def full_wheel(directory: Path, version: str = "1.0") -> Path:
    data = f"spam-{version}.data"
    files = {
        "spam/__init__.py": MODULE,
        "spam/deep/er/module.py": "x = 1\n",
        "spam/py2.py": "print 'no'\n",
        "spam/data file.txt": "text",
        "spam/empty.py": "",
        "réseau.py": "x = 'é'\n",
        f"{data}/scripts/tool": "#!python\nprint('tool')\n",
        f"{data}/scripts/run.sh": "#!/bin/sh\necho run\n",
        f"{data}/data/share/man/man1/spam.1": "manual",
        f"{data}/headers/spam.h": "int spam;",
        f"{data}/platlib/spam_native.py": "x = 2\n",
    }
    return make_wheel(directory, version=version, files=files)


def files_in(image: Image, tree: str) -> list[str]:
    return [*read_file_list(f"{image.root}/{tree}.files").paths]


# The files of an image


def test_every_tree_of_a_wheel_is_unpacked_and_listed(image: Image) -> None:
    tag = sys.implementation.cache_tag
    assert sorted(os.listdir(image.root)) == sorted(
        ["image.files", "image.json", "shebangs"]
        + [
            f"{tree}{suffix}"
            for tree in ("purelib", "platlib", "scripts", "data", "headers")
            for suffix in ("", ".files", ".record")
        ]
    )
    assert sorted(files_in(image, "purelib")) == sorted(
        [
            *(
                f"spam-1.0.dist-info/{name}"
                for name in ("INSTALLER", "METADATA", "REQUESTED", "WHEEL", "entry_points.txt")
            ),
            *(
                "spam/__init__.py",
                "spam/deep/er/module.py",
                "spam/py2.py",
                "spam/data file.txt",
                "spam/empty.py",
                "réseau.py",
            ),
            *(f"spam/__pycache__/{name}.{tag}.pyc" for name in ("__init__", "empty")),
            *(f"spam/deep/er/__pycache__/module.{tag}.pyc", f"__pycache__/réseau.{tag}.pyc"),
        ]
    )
    assert files_in(image, "scripts") == ["run.sh"]
    assert os.listdir(f"{image.root}/shebangs") == ["tool"]
    assert files_in(image, "data") == ["share/man/man1/spam.1"]
    assert files_in(image, "headers") == ["spam.h"]
    with open(f"{image.root}/purelib/spam-1.0.dist-info/INSTALLER") as file:
        assert file.read() == "cloche\n"
    files = [os.path.join(parent, name) for parent, _, names in os.walk(image.root) for name in names]
    trees = [
        path for path in files if os.path.relpath(path, image.root).partition(os.sep)[1] and "shebangs" not in path
    ]
    assert (image.files, image.size) == (len(trees), sum(map(os.path.getsize, trees)))
    assert verify_image(image.root) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot remove read-only files")
def test_image_files_are_read_only_whatever_the_umask(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    before = os.umask(0o077)
    try:
        image = build_compiled_image(read_wheel(str(full_wheel(tmp_path))), interpreter, store)
    finally:
        os.umask(before)

    for parent, _, names in os.walk(image.root):
        for name in names:
            mode = stat.S_IMODE(os.stat(os.path.join(parent, name)).st_mode)
            assert mode == (0o555 if name in ("tool", "run.sh") else 0o444), name
    shutil.rmtree(image.root)  # read-only files can still be removed


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
def test_executable_files_in_a_wheel_stay_executable(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    path = make_wheel(tmp_path, files={"spam/helper": "#!/bin/sh\n"})
    with zipfile.ZipFile(path) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in entries:
            info.external_attr = (0o100755 if info.filename == "spam/helper" else 0o100644) << 16
            archive.writestr(info, content)

    image = build_compiled_image(read_wheel(str(path)), interpreter, store)

    assert stat.S_IMODE(os.stat(f"{image.root}/purelib/spam/helper").st_mode) == 0o555


def test_the_target_accepts_the_bytecode_of_an_image(image: Image, interpreter: Interpreter) -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import spam, spam.deep.er.module, réseau"
    done = subprocess.run(
        [interpreter.executable, "-I", "-S", "-v", "-c", program, f"{image.root}/purelib"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        check=True,
    )
    for name in ("__init__", "module", "réseau"):
        assert f"matches {image.root}/purelib" in done.stderr
        assert f"{name}.{sys.implementation.cache_tag}.pyc matches" in done.stderr
    assert "# wrote" not in done.stderr


@pytest.mark.parametrize("other", ["", "cpython-35"])
def test_bytecode_in_a_wheel_is_compiled_again(
    other: str, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    """numpy 2.0 has such a file. The bytecode of another Python is a file like any other."""
    name = f"__pycache__/spam.{other or interpreter.cache_tag}.pyc"
    wheel = make_wheel(tmp_path / "wheels", files={"spam.py": MODULE, name: b"not bytecode"})

    image = build_compiled_image(read_wheel(str(wheel)), interpreter, store)

    assert (store.warnings, image.bytecode) == ([], "complete")
    files = read_file_list(f"{image.root}/purelib.files")
    assert (
        ((tmp_path / "store") / image.root / "purelib" / name)
        .read_bytes()
        .startswith(b"not" if other else bytes.fromhex(interpreter.magic))
    )
    assert list(files.paths).count(name) == 1


def test_compiling_a_wheel_runs_none_of_its_code(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    marker = tmp_path / "ran"
    plant = f"open({str(marker)!r}, 'w').close()\n"
    files = {
        "planted.pth": f"import sys; {plant}",
        **dict.fromkeys(["sitecustomize.py", "usercustomize.py", "marshal.py", "hashlib.py", "os.py"], plant),
    }

    build_compiled_image(read_wheel(str(make_wheel(tmp_path / "wheels", files=files))), interpreter, store)

    assert not marker.exists()


@pytest.mark.parametrize(
    "variable", ["PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "SOURCE_DATE_EPOCH", "PYTHONOPTIMIZE"]
)
def test_python_variables_of_the_user_do_not_change_an_image(
    variable: str, tmp_path: Path, interpreter: Interpreter, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = read_wheel(
        str(full_wheel(tmp_path / "wheels"))
    )  # first, because `zipfile` reads SOURCE_DATE_EPOCH since Python 3.14
    monkeypatch.setenv(variable, "1")
    with Store.open(host_with_home(tmp_path, **{variable: "1"}), str(tmp_path / "other")) as other:
        again = build_compiled_image(wheel, interpreter, other)

    assert files_in(again, "purelib") == files_in(image, "purelib")
    assert snapshot(again.root) == snapshot(image.root)


def test_equal_wheels_give_equal_images_with_equal_times(
    tmp_path: Path, interpreter: Interpreter, image: Image
) -> None:
    with Store.open(host_with_home(tmp_path), str(tmp_path / "other")) as other:
        again = build_compiled_image(read_wheel(str(full_wheel(tmp_path / "more wheels"))), interpreter, other)
        newer = build_compiled_image(read_wheel(str(full_wheel(tmp_path / "wheels", "1.1"))), interpreter, other)

        def times(image: Image) -> set[int]:
            paths = (os.path.join(parent, name) for parent, _, names in os.walk(image.root) for name in names)
            return {os.stat(path).st_mtime_ns for path in paths}

        [time] = times(image)
        assert times(again) == {time}
        assert times(newer) != {time}, "bytecode of one image must not be valid for the other"
        assert time % (2 * 10**9) == 0, "FAT stores times with a resolution of two seconds"
        assert os.path.basename(again.root) == os.path.basename(image.root)


def test_an_image_is_built_once(tmp_path: Path, interpreter: Interpreter, store: Store, image: Image) -> None:
    before = snapshot(store.root)
    progress: list[str] = []
    store.progress = progress.append

    assert build_compiled_image(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, store) == image
    assert snapshot(store.root) == before
    assert progress == []


def test_an_image_is_compiled_for_its_second_environment(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    progress: list[str] = []
    store.progress = progress.append
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))

    first = find_or_build_image(distribution, interpreter, store)
    assert first.bytecode == "missing"
    assert not [path for path in snapshot(first.root) if path.endswith(".pyc")]
    with Store.open(store.host, store.root) as planning:
        assert find_or_build_image(distribution, interpreter, planning) == first, "no environment uses it yet"
    store.mark_installed([first])
    with Store.open(store.host, store.root) as later:
        later.progress = progress.append
        second = find_or_build_image(distribution, interpreter, later)
    assert (second.root, second.bytecode) == (first.root, "complete")
    assert second.files > first.files
    assert verify_image(second.root) == []
    assert progress == [f"unpacking spam 1.0 for {interpreter.name}", f"compiling spam 1.0 for {interpreter.name}"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permissions that an image could compare")
def test_an_image_that_is_compiled_shares_its_files_with_its_first_environment(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))
    first = find_or_build_image(distribution, interpreter, store)
    paths = [path for path in snapshot(first.root) if os.path.isfile(os.path.join(first.root, path)) and "/" in path]
    environment = tmp_path / "environment"
    environment.mkdir()
    for number, path in enumerate(paths):
        os.link(os.path.join(first.root, path), environment / str(number))
    store.mark_installed([first])

    with Store.open(store.host, store.root) as later:
        second = find_or_build_image(distribution, interpreter, later)

    assert len(paths) > 3
    for number, path in enumerate(paths):
        assert os.path.samefile(os.path.join(second.root, path), environment / str(number))


def test_an_image_is_compiled_where_files_cannot_be_linked(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    first = find_or_build_image(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, store)
    store.mark_installed([first])
    monkeypatch.setattr(os, "link", refuse)

    with Store.open(store.host, store.root) as later:
        second = find_or_build_image(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, later)
    assert second.bytecode == "complete"
    assert verify_image(second.root) == []


@pytest.mark.parametrize("access", ["read-only", "none"])
def test_images_are_not_compiled_if_the_result_cannot_be_kept(
    access: Access, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))
    first = find_or_build_image(distribution, interpreter, store)
    store.mark_installed([first])
    with Store.open(store.host, store.root, access) as later:
        later.mark_installed([first])
        again = find_or_build_image(distribution, interpreter, later)
        assert again.bytecode == "missing"
        assert (again.root == first.root) is (access == "read-only")


def test_a_process_that_waited_for_the_lock_uses_the_image_built_meanwhile(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))
    lock = store.lock
    progress: list[str] = []
    store.progress = progress.append

    def lock_later(name: str) -> FileLock:
        with Store.open(store.host, store.root) as other:
            other.mark_installed([find_or_build_image(distribution, interpreter, other)])
        return lock(name)

    monkeypatch.setattr(store, "lock", lock_later)
    assert find_or_build_image(distribution, interpreter, store).bytecode == "missing"
    assert progress == []


def test_a_seeder_plugin_gets_the_image_of_a_wheel_from_the_store(
    tmp_path: Path, interpreter: Interpreter, store: Store, image: Image
) -> None:
    assert SeedStore(store).image_of(str(full_wheel(tmp_path / "wheels")), interpreter) == image


def test_each_kind_of_bytecode_has_its_own_image(
    tmp_path: Path, interpreter: Interpreter, store: Store, image: Image
) -> None:
    other = replace(interpreter, cache_tag="cpython-399", magic="00000d0a")

    again = build_compiled_image(read_wheel(str(full_wheel(tmp_path / "wheels"))), other, store)

    assert again.root != image.root


def test_a_cache_tag_that_is_a_path_does_not_lead_out_of_the_store(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    hostile = replace(interpreter, cache_tag="../../../planted")
    image = build_compiled_image(
        read_wheel(str(make_wheel(tmp_path / "w", files={"spam.txt": "no module"}))), hostile, store
    )

    assert os.path.dirname(os.path.dirname(image.root)) == store.writable_directory("images")


LARGE_FILE = bytes(4 * LARGE)


@pytest.mark.parametrize("kind", ["wheel", "installed"])
def test_a_large_file_is_never_in_memory_as_a_whole(
    tmp_path: Path, interpreter: Interpreter, store: Store, kind: str
) -> None:
    wheel = make_wheel(tmp_path / "wheels", files={"spam/library.so": LARGE_FILE, "spam/__init__.py": MODULE})
    if kind == "wheel":
        distribution = read_wheel(str(wheel))
    else:
        distribution = read_installed(str(tmp_path / "site"), install_wheel(wheel, tmp_path / "site").name)

    tracemalloc.start()
    try:
        image = find_or_build_image(distribution, interpreter, store)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < len(LARGE_FILE) // 2
    assert verify_image(image.root) == []
    with open(f"{image.root}/purelib/spam/library.so", "rb") as file:
        assert file.read() == LARGE_FILE


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_large_file_with_a_wrong_hash_is_refused(
    tmp_path: Path, interpreter: Interpreter, store: Store, algorithm: str
) -> None:
    record = {"spam/library.so": f"{algorithm}=AAAA,{len(LARGE_FILE)}"}
    wheel = make_wheel(tmp_path / "wheels", files={"spam/library.so": LARGE_FILE}, record=record)

    with pytest.raises(SeedError, match=r"`spam/library\.so` does not match its hash in RECORD"):
        find_or_build_image(read_wheel(str(wheel)), interpreter, store)

    assert [*Path(store.writable_directory("images")).glob("*/*")] == []


# Installed distributions


def test_bytecode_of_an_installed_distribution_is_reused(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = install_wheel(make_wheel(tmp_path), tmp_path / "site")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tmp_path / "site")], check=True)
    monkeypatch.setattr(compiling.CompilingProcesses, "prepare", None)  # nothing is left to compile

    image = build_compiled_image(read_installed(str(tmp_path / "site"), info.name), interpreter, store)

    assert f"__pycache__/spam.{sys.implementation.cache_tag}.pyc" in files_in(image, "purelib")
    program = "import sys; sys.path.insert(0, sys.argv[1]); import spam; spam.main()"
    command = [interpreter.executable, "-I", "-S", "-v", "-c", program, f"{image.root}/purelib"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "spam\n"
    assert "spam.py" in done.stderr
    assert f"{sys.implementation.cache_tag}.pyc matches" in done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        lambda pyc: pyc.write_bytes(b"\0\0\0\0" + pyc.read_bytes()[4:]),
        lambda pyc: pyc.write_bytes(pyc.read_bytes()[:8] + b"\0\0\0\0" + pyc.read_bytes()[12:]),
        lambda pyc: pyc.write_bytes(pyc.read_bytes()[:4] + b"\1" + pyc.read_bytes()[5:]),
        lambda pyc: pyc.write_bytes(pyc.read_bytes()[:10]),
        lambda pyc: pyc.unlink(),
    ],
    ids=["another magic number", "another time", "hash-based", "truncated", "missing"],
)
def test_bytecode_that_does_not_match_its_source_is_compiled_again(
    damage: Callable[[Path], object], tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    info = install_wheel(make_wheel(tmp_path), tmp_path / "site")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tmp_path / "site")], check=True)
    damage(tmp_path / "site" / "__pycache__" / f"spam.{sys.implementation.cache_tag}.pyc")

    image = build_compiled_image(read_installed(str(tmp_path / "site"), info.name), interpreter, store)

    with open(f"{image.root}/purelib/__pycache__/spam.{sys.implementation.cache_tag}.pyc", "rb") as file:
        header = file.read(16)
    stamp = int(os.stat(f"{image.root}/purelib/spam.py").st_mtime)
    assert header == importlib.util.MAGIC_NUMBER + bytes(4) + stamp.to_bytes(4, "little") + len(MODULE).to_bytes(
        4, "little"
    )


def test_an_installed_file_that_was_modified_is_refused(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    info = install_wheel(make_wheel(tmp_path), tmp_path / "site")
    (tmp_path / "site" / "spam.py").write_text("patched\n")

    with pytest.raises(SeedError, match=r"`spam\.py` does not match its hash in RECORD"):
        build_compiled_image(read_installed(str(tmp_path / "site"), info.name), interpreter, store)
    assert images_in(store) == []


def test_a_distribution_that_virtualenv_installed_can_be_used(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    """Its RECORD lists virtualenv's marker, directories, and bytecode that does not exist, all without a hash."""
    info = install_wheel(make_wheel(tmp_path), tmp_path / "site")
    record = info / "RECORD"
    rows = [
        f"{info.name.replace('.dist-info', '.virtualenv')},,",
        "spam/__pycache__,,",
        "spam/gone.cpython-311.pyc,,",
    ]
    record.write_text("\n".join([record.read_text().rstrip("\n"), *rows, ""]))

    image = build_compiled_image(read_installed(str(tmp_path / "site"), info.name), interpreter, store)

    assert "spam.py" in files_in(image, "purelib")
    assert not any("virtualenv" in name for name in files_in(image, "purelib"))


# Wheels that are refused


def archive_entry(name: str, kind: int = stat.S_IFREG) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("placeholder")
    info.filename = info.orig_filename = name
    info.external_attr = (kind | 0o644) << 16
    return info


HOSTILE: dict[str, tuple[dict[str, object], str]] = {
    "parent directory": ({"unlisted": ["../planted.py"]}, "`../planted.py` is not a safe relative path"),
    "nested parent directory": (
        {"unlisted": ["spam/../../planted.py"]},
        "`spam/../../planted.py` is not a safe relative path",
    ),
    "absolute": ({"unlisted": ["/planted.py"]}, "`/planted.py` is not a safe relative path"),
    "empty path component": ({"unlisted": ["spam//planted.py"]}, "`spam//planted.py` is not a safe relative path"),
    "current directory": ({"unlisted": ["./planted.py"]}, "`./planted.py` is not a safe relative path"),
    "a drive": ({"unlisted": ["C:planted.py"]}, "`C:planted.py` contains a character"),
    "a stream": ({"unlisted": ["spam.py:hidden"]}, "`spam.py:hidden` contains a character"),
    "backslashes": ({"unlisted": [archive_entry("..\\planted.py")]}, "contains a character"),
    "a newline": ({"unlisted": ["a\nb.py"]}, "`a\\nb.py` contains a character"),
    "a NUL": ({"unlisted": [archive_entry("planted.py\0.txt")]}, "contains a character"),
    "a line separator": ({"unlisted": ["a\u2028b.py"]}, "contains a character"),
    "a long path": ({"unlisted": [f"{'d/' * 600}x.py"]}, "is a path of more than 1024 bytes"),
    "a long name": ({"unlisted": [f"{'n' * 256}.py"]}, "contains a name of more than 255 bytes"),
    "a trailing dot": ({"unlisted": ["planted.py."]}, "names another file on Windows"),
    "a link": ({"unlisted": [archive_entry("link", stat.S_IFLNK)]}, "`link` is not a regular file"),
    "a device": ({"unlisted": [archive_entry("null", stat.S_IFCHR)]}, "`null` is not a regular file"),
    "a pipe": ({"unlisted": [archive_entry("pipe", stat.S_IFIFO)]}, "`pipe` is not a regular file"),
    "not in RECORD": ({"unlisted": ["planted.py"]}, "RECORD does not list `planted.py`"),
    "a wrong hash": ({"record": {"spam.py": "sha256=AAAA,3"}}, "`spam.py` does not match its hash in RECORD"),
    "an empty hash": ({"record": {"spam.py": "sha256=,3"}}, "RECORD has no hash for `spam.py`"),
    "a row without hash": ({"record": {"spam.py": ","}}, "RECORD has no hash for `spam.py`"),
    "a weak hash": (
        {"record": {"spam.py": "md5=0TMnkhCZtrIjdTtJk6x3vw,3"}},
        "RECORD has no hash for `spam.py`, or only a weak one",
    ),
    "a missing file": ({"record": {"gone.py": "sha256=AAAA,3"}}, "`gone.py` is missing"),
    "a path in RECORD": ({"record": {"../gone.py": "sha256=AAAA,3"}}, "`../gone.py` is not a safe relative path"),
    "names that differ in case": ({"files": {"spam.py": "1", "SPAM.py": "2"}}, "are the same file on some systems"),
    "names that differ in Unicode form": (
        {"files": {"\u00e9.py": "1", "e\u0301.py": "2"}},
        "are the same file on some systems",
    ),
    "a file as directory": ({"files": {"spam": "1", "spam/x.py": "2"}}, "is both a file and the directory of"),
    "a file below RECORD": (
        {"files": {"spam.py": "1", "spam-1.0.dist-info/RECORD/x": "2"}},
        "is both a file and the directory of",
    ),
    "another spelling of INSTALLER": (
        {"files": {"spam.py": "1", "spam-1.0.dist-info/Installer": "2"}},
        "are the same file on some systems",
    ),
    "a file given twice": (
        {"files": {"spam.py": "1", "spam-1.0.data/purelib/spam.py": "2"}},
        "are the same file on some systems",
    ),
    "the same file in purelib and platlib": (
        {"files": {"spam.py": "1", "spam-1.0.data/platlib/spam.py": "2"}},
        "are the same file on some systems",
    ),
    "an unknown tree": (
        {"files": {"spam-1.0.data/elsewhere/x": "1"}},
        "`spam-1.0.data/elsewhere/x` is not in a known part",
    ),
    "a tree as file": ({"files": {"spam-1.0.data/scripts": "1"}}, "`spam-1.0.data/scripts` is not in a known part"),
    "two metadata directories": ({"files": {"eggs-1.0.dist-info/METADATA": ""}}, "it has 2 metadata directories"),
    "another name inside": ({"METADATA": "Name: eggs\nVersion: 1.0\n"}, "its metadata says `eggs`"),
    "another version inside": ({"METADATA": "Name: spam\nVersion: 2.0\n"}, "its metadata says `spam` 2.0"),
    "two names inside": (
        {"METADATA": "Name: spam\nName: eggs\nVersion: 1.0\n"},
        "its metadata has several lines `Name`",
    ),
    "a name that is a path": ({"METADATA": "Name: ../x\nVersion: 1.0\n"}, "is not a valid name and version"),
    "a version that is a path": ({"METADATA": "Name: spam\nVersion: ../1\n"}, "is not a valid name and version"),
    "a later wheel version": ({"WHEEL": "Wheel-Version: 2.0\n"}, "wheel version `2.0` is not supported"),
    "a script that is a path": ({"entry_points": "[console_scripts]\n../x = spam:main\n"}, "is not valid"),
    "a script without a name": ({"entry_points": "[console_scripts]\n = spam:main\n"}, "is not valid"),
    "a script that is code": ({"entry_points": "[gui_scripts]\nx = spam:main();evil\n"}, "is not valid"),
    "a script without a function": ({"entry_points": "[console_scripts]\nx = spam\n"}, "is not valid"),
    "a script with a long name": ({"entry_points": f"[console_scripts]\n{'x' * 256} = a:b\n"}, "is not valid"),
    "a script with a line separator": ({"entry_points": "[console_scripts]\na\u2028b = a:b\n"}, "is not valid"),
    "a script in two Unicode forms": (
        {"entry_points": "[console_scripts]\n\u00e9 = a:b\ne\u0301 = c:d\n"},
        "it declares a script twice",
    ),
    "a script twice": ({"entry_points": "[console_scripts]\nx = a:b\nX = c:d\n"}, "it declares a script twice"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_or_invalid_wheel_is_refused_by_name(
    case: str, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    details, reason = HOSTILE[case]
    wheel = make_wheel(tmp_path / "wheels", **details)  # type: ignore[arg-type]
    before = snapshot(tmp_path / "wheels")

    with pytest.raises(SeedError) as raised:
        build_compiled_image(read_wheel(str(wheel)), interpreter, store)

    assert reason in raised.value.message
    assert str(wheel) in raised.value.message
    assert "\n" not in raised.value.message
    assert images_in(store) == []
    assert snapshot(tmp_path / "wheels") == before
    assert not list(tmp_path.rglob("planted*"))


def test_an_archive_with_a_duplicate_name_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        wheel = make_wheel(tmp_path, unlisted=["spam.py"])

    with pytest.raises(SeedError, match=r"it contains `spam\.py` twice"):
        read_wheel(str(wheel))


def test_an_encrypted_file_in_a_wheel_is_refused_by_name(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    content = bytearray(wheel.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flags of the first file, in the archive's directory
    wheel.write_bytes(content)

    with pytest.raises(SeedError, match=r"it contains `spam\.py`, which is encrypted"):
        read_wheel(str(wheel))


def test_an_archive_that_unpacks_to_too_many_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloche.store.distributions.MAX_UNPACKED_SIZE", 1 << 20)
    wheel = make_wheel(tmp_path, files={"bomb.txt": b"\0" * (2 << 20)})

    with pytest.raises(SeedError, match=r"it unpacks to .* bytes, more than the 1048576 that cloche allows"):
        read_wheel(str(wheel))


def test_a_large_wheel_must_not_unpack_to_many_times_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros are compressed to a thousandth. No package is."""
    monkeypatch.setattr("cloche.store.distributions.HARMLESS_SIZE", 1 << 20)
    directory, large = tmp_path / "large", os.urandom(2 << 20)
    bomb = make_wheel(tmp_path, files={"bomb.txt": bytes(2 << 20)})

    with pytest.raises(SeedError, match=r"it unpacks to .* bytes, more than the 1048576 that cloche allows"):
        read_wheel(str(bomb))
    assert read_wheel(str(make_wheel(directory, files={"large.bin": large})))
    assert read_wheel(str(make_wheel(directory, files={"small.txt": bytes(1 << 19)})))


def test_a_small_wheel_must_not_have_many_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloche.store.distributions.DIRECTORY_SIZE", 1 << 20)
    wheel = make_wheel(tmp_path, files={f"{number}/{'d/' * 20}x.py": "" for number in range(10)})

    with pytest.raises(SeedError, match="it has more than 100 directories"):
        read_wheel(str(wheel))


@pytest.mark.parametrize("where", range(10, 1400, 97))
def test_a_wheel_with_a_corrupted_byte_is_refused_or_unpacks_to_the_same_files(
    where: int, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    wheel = make_wheel(tmp_path)
    intact = build_compiled_image(read_wheel(str(wheel)), interpreter, store)
    content = bytearray(wheel.read_bytes())
    content[where % len(content)] ^= 0xFF
    wheel.write_bytes(content)

    try:
        image = build_compiled_image(read_wheel(str(wheel)), interpreter, store)
    except SeedError:
        return
    assert snapshot(f"{image.root}/purelib") == snapshot(f"{intact.root}/purelib")


def images_in(store: Store) -> list[str]:
    """Return every image in a store, finished or not, relative to its directory of images."""
    return [
        os.path.join(abi, name)
        for directory in store.readable_directories("images")
        for abi in os.listdir(directory)
        for name in os.listdir(os.path.join(directory, abi))
    ]


def has_only_uncompiled_image(store: Store) -> bool:
    """Return whether a store holds exactly one intact image, and that one has no bytecode."""
    (name,) = images_in(store)
    image = load_image(os.path.join(store.root, "images", name))
    return image is not None and image.bytecode == "missing"


# Interpreters that fail to compile


@pytest.mark.skipif(os.name == "nt", reason="the fake interpreter is a shell script")
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo broken >&2; exit 3", "exited with code 3: broken"),
        ("read -r line", "exited with code 0: no error message"),
        ("echo noise; sleep 60", "unexpected output 'noise'"),
        ("kill -9 $$", "exited with code -9"),
    ],
)
def test_a_warning_names_the_interpreter_that_cannot_compile(
    script: str, reason: str, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)

    image = build_compiled_image(
        read_wheel(str(make_wheel(tmp_path))), replace(interpreter, executable=str(program)), store
    )

    assert image.bytecode == "missing"
    (warning,) = store.warnings
    assert warning.startswith(
        f"spam is installed without bytecode: `{program}` could not compile modules to bytecode: "
    )
    assert reason in warning
    assert has_only_uncompiled_image(store)


def test_a_warning_says_that_the_interpreter_does_not_exist(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    image = build_compiled_image(
        read_wheel(str(make_wheel(tmp_path))), replace(interpreter, executable=str(tmp_path / "gone")), store
    )

    assert image.bytecode == "missing"
    assert "cannot be run" in store.warnings[0]
    assert has_only_uncompiled_image(store)


@pytest.mark.skipif(os.name == "nt", reason="the fake interpreter is a shell script")
def test_an_interpreter_that_hangs_is_killed(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are the programs that it has started."""
    monkeypatch.setattr(compiling, "TIMEOUT_SECONDS", 0.2)
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)

    build_compiled_image(read_wheel(str(make_wheel(tmp_path))), replace(interpreter, executable=str(program)), store)

    assert "timed out after 0 s" in store.warnings[0]


# Damage

VICTIM = "purelib/spam/deep/er/module.py"


def rewrite(path: str, content: bytes, *, same_time: bool = False) -> None:
    found = os.stat(path)
    os.chmod(path, 0o644)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, stat.S_IMODE(found.st_mode))
    if same_time:
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def replace_by_link(path: str) -> None:
    os.rename(path, f"{path}.real")
    os.symlink(f"{path}.real", path)


DAMAGE: dict[str, Callable[[str], object]] = {
    "missing": lambda root: os.unlink(f"{root}/{VICTIM}"),
    "directory missing": lambda root: shutil.rmtree(f"{root}/purelib/spam/deep"),
    "tree missing": lambda root: shutil.rmtree(f"{root}/purelib"),
    "emptied": lambda root: rewrite(f"{root}/{VICTIM}", b""),
    "emptied, time kept": lambda root: rewrite(f"{root}/{VICTIM}", b"", same_time=True),
    "truncated": lambda root: os.truncate(f"{root}/{VICTIM}", 3),
    "modified": lambda root: rewrite(f"{root}/{VICTIM}", b"x = 2\n"),
    "writable by everybody": lambda root: os.chmod(f"{root}/{VICTIM}", 0o666),
    "replaced by a directory": lambda root: (os.unlink(f"{root}/{VICTIM}"), os.mkdir(f"{root}/{VICTIM}")),
    "replaced by a link": lambda root: replace_by_link(f"{root}/{VICTIM}"),
    "tree replaced by a link": lambda root: replace_by_link(f"{root}/purelib"),
    "file list missing": lambda root: os.unlink(f"{root}/purelib.files"),
    "file list truncated": lambda root: os.truncate(f"{root}/purelib.files", 100),
    "list of its own files missing": lambda root: os.unlink(f"{root}/image.files"),
    "list of its own files emptied": lambda root: rewrite(f"{root}/image.files", b"", same_time=True),
    "list of its own files modified": lambda root: rewrite(f"{root}/image.files", b"cloche image 2\nx\nend\n"),
    "record truncated": lambda root: os.truncate(f"{root}/purelib.record", 10),
    "script modified": lambda root: rewrite(f"{root}/shebangs/tool", b"#!python\nevil()\n"),
    "description modified": lambda root: rewrite(f"{root}/image.json", b"{}"),
    "description missing": lambda root: os.unlink(f"{root}/image.json"),
    "file list and description missing": lambda root: [
        os.unlink(f"{root}/image.files"),
        os.unlink(f"{root}/image.json"),
    ],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_image_is_detected_and_built_again(
    damage: str, tmp_path: Path, interpreter: Interpreter, store: Store, image: Image
) -> None:
    intact = snapshot(image.root)
    DAMAGE[damage](image.root)

    assert check_image(image) is not None
    assert load_image(image.root) is None
    again = build_compiled_image(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, store)

    assert again == image
    assert check_image(again) is None
    assert snapshot(again.root) == intact
    assert len(images_in(store)) == 1


def test_an_image_behind_a_symbolic_link_is_not_used(image: Image, store: Store) -> None:
    for path in (image.root, os.path.dirname(image.root), os.path.join(store.root, "images")):
        assert check_image(image) is None
        replace_by_link(path)
        assert check_image(image) is not None, path
        os.unlink(path)
        os.rename(f"{path}.real", path)


def test_verify_detects_a_change_that_the_quick_check_misses(image: Image) -> None:
    rewrite(f"{image.root}/{VICTIM}", b"y = 1\n", same_time=True)

    assert check_image(image) is None
    assert verify_image(image.root) == [f"`{image.root}/{VICTIM}` was modified after it was created"]


def test_verify_detects_an_added_file(image: Image) -> None:
    with open(f"{image.root}/purelib/planted.py", "w"):
        pass

    assert verify_image(image.root) == [f"`{image.root}/purelib/planted.py` is not part of the image"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only the superuser can change owners")
@pytest.mark.parametrize("part", ["", ".."])
def test_the_superuser_uses_no_image_that_another_user_can_change(image: Image, store: Store, part: str) -> None:
    """Another user could alter a file and keep its size and time."""
    os.chown(os.path.join(image.root, part), 65533, 65533)

    assert "belongs to user 65533" in (check_image(image) or "")
    assert load_image(image.root) is None


def test_a_missing_image_counts_as_damaged(image: Image) -> None:
    shutil.rmtree(image.root)

    assert "damaged" in str(check_image(image))
    assert verify_image(image.root)


# Read-only


def test_a_read_only_store_is_used_and_never_written_to(
    tmp_path: Path, interpreter: Interpreter, store: Store, image: Image
) -> None:
    def everything() -> dict[str, tuple[int, int]]:
        paths = [os.path.join(parent, name) for parent, dirs, names in os.walk(store.root) for name in (*dirs, *names)]
        return {path: (os.lstat(path).st_mtime_ns, os.lstat(path).st_ctime_ns) for path in (store.root, *paths)}

    before = everything()
    with Store.open(host_with_home(tmp_path), store.root, "read-only") as reader:
        assert build_compiled_image(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, reader) == image
        other = build_compiled_image(read_wheel(str(make_wheel(tmp_path, name="eggs"))), interpreter, reader)
        assert not other.root.startswith(store.root)
        assert check_image(other) is None
    assert everything() == before
    assert check_image(other) is not None, "images that such a run creates are removed at its end"


def test_a_damaged_image_in_a_read_only_store_is_not_used_and_not_changed(
    tmp_path: Path, interpreter: Interpreter, store: Store, image: Image
) -> None:
    os.truncate(f"{image.root}/{VICTIM}", 1)
    before = snapshot(store.root)

    with Store.open(host_with_home(tmp_path), store.root, "read-only") as reader:
        again = build_compiled_image(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, reader)
        assert check_image(again) is None
        assert again.root != image.root
    assert snapshot(store.root) == before


# Several processes at once

BUILDER = """
import json, sys
from cloche.discovery import serialization
from cloche.store import Store
from cloche.store.distributions import read_wheel
from cloche.store.images import find_or_build_image
from cloche.testing.fakes import fake_host
interpreter = serialization.interpreter_from_dict(json.loads(sys.argv[1]))
with Store.open(fake_host(), sys.argv[2]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    image = find_or_build_image(read_wheel(sys.argv[3]), interpreter, store)
    assert not store.warnings, store.warnings
    print(image.root)
"""


def test_several_builders_at_once_build_one_image_without_errors(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    wheel = full_wheel(tmp_path / "wheels")
    command = [
        sys.executable,
        "-c",
        BUILDER,
        json.dumps(serialization.interpreter_to_dict(interpreter)),
        store.root,
        str(wheel),
    ]
    builders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for builder in builders:
        assert builder.stdout is not None
        builder.stdout.readline()
    roots = {builder.communicate("go\n", timeout=60)[0] for builder in builders}

    assert [builder.returncode for builder in builders] == [0] * 4
    assert len(roots) == 1
    assert len(images_in(store)) == 1
    assert verify_image(roots.pop().strip()) == []


@pytest.mark.skipif(os.name == "nt", reason="the limit is set by a POSIX shell")
def test_sixteen_file_descriptors_are_enough(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    files = {f"spam/module{number}.py": MODULE for number in range(40)}
    wheel = make_wheel(tmp_path / "wheels", files=files, entry_points="")
    described = json.dumps(serialization.interpreter_to_dict(interpreter))
    limited = ["/bin/sh", "-c", 'ulimit -n 16 && exec "$@"', "sh"]
    command = [*limited, sys.executable, "-c", BUILDER, described, store.root, str(wheel)]

    for _ in range(2):  # the first run unpacks, the second compiles
        done = subprocess.run(command, input="go\n", capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert verify_image(done.stdout.splitlines()[-1]) == []


@pytest.mark.skipif(os.name == "nt", reason="the limit is set by a POSIX shell")
def test_the_hint_names_the_limit_of_the_size_of_a_file(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    wheel = make_wheel(tmp_path / "wheels", files={"spam.py": "x = 1\n" * 100_000})
    described = json.dumps(serialization.interpreter_to_dict(interpreter))
    limited = ["/bin/sh", "-c", 'ulimit -f 100 && exec "$@"', "sh"]
    command = [*limited, sys.executable, "-c", BUILDER, described, store.root, str(wheel)]

    done = subprocess.run(command, input="go\n", capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "file too large" in done.stderr
    assert cache_remedy(OSError(errno.EFBIG, "")).startswith("raise the limit of the size of a file")
    assert cache_remedy(OSError(errno.ENOSPC, "")).startswith("free some space")


def test_the_next_builder_removes_the_leftovers_of_a_killed_one(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))
    directory = os.path.join(store.writable_directory("images"), abi_name(interpreter))
    os.makedirs(os.path.join(directory, f"{image_name(distribution)}.0badcafe{UNFINISHED}", "purelib"))
    os.makedirs(os.path.join(directory, "another-1.0-0.0badcafe.new"))

    build_compiled_image(distribution, interpreter, store)

    assert sorted(os.listdir(directory)) == sorted(["another-1.0-0.0badcafe.new", image_name(distribution)])


def test_a_builder_without_the_lock_removes_no_files_of_another_builder(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))
    name = image_name(distribution)
    directory = os.path.join(store.writable_directory("images"), abi_name(interpreter))
    os.makedirs(os.path.join(directory, f"{name}.0badcafe{UNFINISHED}"))
    lock = store.lock
    monkeypatch.setattr(store, "lock", lambda name: lock(name, 0.1))

    with lock(f"{abi_name(interpreter)}-{name}"):
        build_compiled_image(distribution, interpreter, store)

    assert f"{name}.0badcafe{UNFINISHED}" in os.listdir(directory)
    assert "still locked by another process" in store.warnings[0]


@pytest.mark.skipif(os.name == "nt", reason="only POSIX has this limit")
def test_a_full_disk_is_a_seed_error(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python does not notice that its own files are truncated
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    wheel = make_wheel(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(SeedError) as raised:
            build_compiled_image(read_wheel(str(wheel)), interpreter, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot create the image of" in raised.value.message
    assert images_in(store) == []


# When images are compiled


def test_compiling_can_be_requested_and_forbidden(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path)))
    for _ in range(2):
        image = find_or_build_image(distribution, interpreter, store, policy="never")
        assert image.bytecode == "missing"
        store.mark_installed([image])
    assert store.compiled == []
    assert find_or_build_image(distribution, interpreter, store, policy="now").bytecode == "complete"
    assert store.compiled == ["spam"]


def test_one_flush_serves_all_threads_that_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    began, released = threading.Event(), threading.Event()
    flushes = []

    def flush(descriptor: int) -> bool:
        flushes.append(descriptor)
        began.set()
        return released.wait(10)

    monkeypatch.setattr(image_writer, "_flush_file_system", flush)
    shared = image_writer.SharedFlush()
    threads = [threading.Thread(target=shared.run, args=(number,)) for number in range(5)]
    threads[0].start()
    assert began.wait(10)
    for thread in threads[1:]:
        thread.start()
    while shared._asked < 5:
        time.sleep(0.001)
    released.set()
    for thread in threads:
        thread.join()

    assert len(flushes) == 2  # what the others wrote after the first one had begun needs another


def test_a_flush_that_is_not_supported_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_writer, "_flush_file_system", lambda _: False)

    assert not image_writer.SharedFlush().run(0)


def test_the_cache_is_listed_once_however_many_distributions_are_looked_up(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = find_or_build_image(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, store)
    listed: list[str] = []
    monkeypatch.setattr(listing, "list_names", lambda directory: listed.append(directory) or os.listdir(directory))

    found = listing.ImageListing(interpreter, store)

    assert found.images_of(built.distribution, built.version) == [built]
    assert found.images_of(built.distribution, "9") == []
    assert len(listed) == len(set(listed))


def test_leftovers_are_listed_once_however_many_images_are_built(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    listdir = os.listdir
    directory = os.path.join(store.writable_directory("images"), abi_name(interpreter))
    monkeypatch.setattr(os, "listdir", lambda path=".": listed.append(os.fspath(path)) or listdir(path))

    for name in ("eggs", "ham"):
        find_or_build_image(read_wheel(str(simple_wheel(tmp_path, name))), interpreter, store)

    assert listed.count(directory) == 1
