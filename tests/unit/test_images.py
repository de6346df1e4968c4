"""Images: what a wheel becomes, which wheels become nothing, and that a damaged image is never used."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from cloche.api import find
from cloche.apply.file_list import read_file_list
from cloche.discovery import record
from cloche.errors import SeedError
from cloche.model.value import replace
from cloche.store import Store, bytecode, images
from cloche.store.check import check
from cloche.store.distributions import read_installed, read_wheel
from cloche.store.images import load, verify
from cloche.store.images import obtain as obtain_once
from cloche.store.seeds import SeedStore
from tests.distributions import MODULE, host_at, install, make_wheel
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.store import Access
    from cloche.store.distributions import Distribution


def obtain(distribution: Distribution, interpreter: Interpreter, store: Store) -> Image:
    """Return the image that runs after the first use: with byte-code."""
    image = obtain_once(distribution, interpreter, store)
    store.mark_installed([image])
    return obtain_once(distribution, interpreter, store) if store.is_persistent_path(image.root) else image


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    """The base of the Python that runs the tests."""
    return find()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(host_at(tmp_path / "home"), str(tmp_path / "store")) as store:
        yield store


@pytest.fixture
def image(tmp_path: Path, interpreter: Interpreter, store: Store) -> Image:
    """The image of a small wheel with a package, a script, data and a header."""
    return obtain(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, store)


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


def listed(image: Image, tree: str) -> list[str]:
    return [*read_file_list(f"{image.root}/{tree}.manifest").paths]


# What a wheel becomes


def test_every_tree_of_a_wheel_is_unpacked_and_listed(image: Image) -> None:
    tag = sys.implementation.cache_tag
    assert sorted(os.listdir(image.root)) == sorted(
        ["image.json", "manifest", "shebangs"]
        + [
            f"{tree}{suffix}"
            for tree in ("purelib", "platlib", "scripts", "data", "headers")
            for suffix in ("", ".manifest", ".record")
        ]
    )
    assert sorted(listed(image, "purelib")) == sorted(
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
    assert listed(image, "scripts") == ["run.sh"]
    assert os.listdir(f"{image.root}/shebangs") == ["tool"]
    assert listed(image, "data") == ["share/man/man1/spam.1"]
    assert listed(image, "headers") == ["spam.h"]
    with open(f"{image.root}/purelib/spam-1.0.dist-info/INSTALLER") as file:
        assert file.read() == "cloche\n"
    files = [os.path.join(parent, name) for parent, _, names in os.walk(image.root) for name in names]
    trees = [
        path for path in files if os.path.relpath(path, image.root).partition(os.sep)[1] and "shebangs" not in path
    ]
    assert (image.files, image.size) == (len(trees), sum(map(os.path.getsize, trees)))
    assert verify(image.root) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows does not remove read-only files")
def test_its_files_are_read_only_whatever_the_umask(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    before = os.umask(0o077)
    try:
        image = obtain(read_wheel(str(full_wheel(tmp_path))), interpreter, store)
    finally:
        os.umask(before)

    for parent, _, names in os.walk(image.root):
        for name in names:
            mode = stat.S_IMODE(os.stat(os.path.join(parent, name)).st_mode)
            assert mode == (0o555 if name in ("tool", "run.sh") else 0o444), name
    shutil.rmtree(image.root)  # which is no obstacle to removing them


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bit")
def test_what_is_executable_in_the_wheel_stays_so(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    path = make_wheel(tmp_path, files={"spam/helper": "#!/bin/sh\n"})
    with zipfile.ZipFile(path) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in entries:
            info.external_attr = (0o100755 if info.filename == "spam/helper" else 0o100644) << 16
            archive.writestr(info, content)

    image = obtain(read_wheel(str(path)), interpreter, store)

    assert stat.S_IMODE(os.stat(f"{image.root}/purelib/spam/helper").st_mode) == 0o555


def test_its_byte_code_is_taken_for_valid_by_the_target(image: Image, interpreter: Interpreter) -> None:
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


def test_nothing_of_the_wheel_is_run_while_it_is_compiled(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    marker = tmp_path / "ran"
    plant = f"open({str(marker)!r}, 'w').close()\n"
    files = {
        "planted.pth": f"import sys; {plant}",
        **dict.fromkeys(["sitecustomize.py", "usercustomize.py", "marshal.py", "hashlib.py", "os.py"], plant),
    }

    obtain(read_wheel(str(make_wheel(tmp_path / "wheels", files=files))), interpreter, store)

    assert not marker.exists()


@pytest.mark.parametrize(
    "variable", ["PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "SOURCE_DATE_EPOCH", "PYTHONOPTIMIZE"]
)
def test_what_the_user_has_set_for_python_does_not_change_an_image(
    variable: str, tmp_path: Path, interpreter: Interpreter, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = read_wheel(str(full_wheel(tmp_path / "wheels")))  # `zipfile` heeds one of them since 3.14
    monkeypatch.setenv(variable, "1")
    with Store.open(host_at(tmp_path, **{variable: "1"}), str(tmp_path / "other")) as other:
        again = obtain(wheel, interpreter, other)

    assert listed(again, "purelib") == listed(image, "purelib")
    assert snapshot(again.root) == snapshot(image.root)


def test_equal_wheels_make_equal_images_times_included(tmp_path: Path, interpreter: Interpreter, image: Image) -> None:
    with Store.open(host_at(tmp_path), str(tmp_path / "other")) as other:
        again = obtain(read_wheel(str(full_wheel(tmp_path / "more wheels"))), interpreter, other)
        newer = obtain(read_wheel(str(full_wheel(tmp_path / "wheels", "1.1"))), interpreter, other)

        def times(image: Image) -> set[int]:
            paths = (os.path.join(parent, name) for parent, _, names in os.walk(image.root) for name in names)
            return {os.stat(path).st_mtime_ns for path in paths}

        [time] = times(image)
        assert times(again) == {time}
        assert times(newer) != {time}, "byte-code of one must not be taken for that of the other"
        assert time % (2 * 10**9) == 0, "file systems that count in two seconds can hold it"
        assert os.path.basename(again.root) == os.path.basename(image.root)


def test_an_image_is_built_once(tmp_path: Path, interpreter: Interpreter, store: Store, image: Image) -> None:
    before = snapshot(store.root)
    told: list[str] = []
    store.progress = told.append

    assert obtain(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, store) == image
    assert snapshot(store.root) == before
    assert told == []


def test_it_is_compiled_when_it_is_used_a_second_time(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    told: list[str] = []
    store.progress = told.append
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))

    first = obtain_once(distribution, interpreter, store)
    assert first.bytecode == "missing"
    assert not [path for path in snapshot(first.root) if path.endswith(".pyc")]
    with Store.open(store.host, store.root) as planning:
        assert obtain_once(distribution, interpreter, planning) == first, "no environment has got it yet"
    store.mark_installed([first])
    with Store.open(store.host, store.root) as later:
        later.progress = told.append
        second = obtain_once(distribution, interpreter, later)
    assert (second.root, second.bytecode) == (first.root, "complete")
    assert second.files > first.files
    assert verify(second.root) == []
    assert told == [f"unpacking spam 1.0 for {interpreter.name}", f"compiling spam 1.0 for {interpreter.name}"]


@pytest.mark.parametrize("access", ["read-only", "none"])
def test_what_will_not_be_there_after_the_run_is_not_compiled(
    access: Access, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))
    first = obtain_once(distribution, interpreter, store)
    store.mark_installed([first])
    with Store.open(store.host, store.root, access) as later:
        later.mark_installed([first])
        again = obtain_once(distribution, interpreter, later)
        assert again.bytecode == "missing"
        assert (again.root == first.root) is (access == "read-only")


def test_who_had_to_wait_for_the_first_builder_takes_what_it_has_built(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))
    lock = store.lock
    told: list[str] = []
    store.progress = told.append

    def lock_later(name: str) -> AbstractContextManager[str | None]:
        with Store.open(store.host, store.root) as other:
            other.mark_installed([obtain_once(distribution, interpreter, other)])
        return lock(name)

    monkeypatch.setattr(store, "lock", lock_later)
    assert obtain_once(distribution, interpreter, store).bytecode == "missing"
    assert told == []


def test_a_seeder_of_somebody_else_asks_the_store_for_the_image_of_a_wheel(
    tmp_path: Path, interpreter: Interpreter, store: Store, image: Image
) -> None:
    assert SeedStore(store).image_of(str(full_wheel(tmp_path / "wheels")), interpreter) == image


def test_each_byte_code_has_its_own_image(tmp_path: Path, interpreter: Interpreter, store: Store, image: Image) -> None:
    other = replace(interpreter, cache_tag="cpython-399", magic="00000d0a")

    again = obtain(read_wheel(str(full_wheel(tmp_path / "wheels"))), other, store)

    assert again.root != image.root


def test_an_abi_that_is_no_file_name_is_none(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    hostile = replace(interpreter, cache_tag="../../../planted")
    image = obtain(read_wheel(str(make_wheel(tmp_path / "w", files={"spam.txt": "no module"}))), hostile, store)

    assert os.path.dirname(os.path.dirname(image.root)) == store.writable_directory("images")


# What is installed


def test_byte_code_that_lies_beside_what_is_installed_is_taken_over(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = install(make_wheel(tmp_path), tmp_path / "site")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tmp_path / "site")], check=True)
    monkeypatch.setattr(bytecode.Compiler, "_start", None)  # nothing is left to compile

    image = obtain(read_installed(str(tmp_path / "site"), info.name), interpreter, store)

    assert f"__pycache__/spam.{sys.implementation.cache_tag}.pyc" in listed(image, "purelib")
    program = "import sys; sys.path.insert(0, sys.argv[1]); import spam; spam.main()"
    command = [interpreter.executable, "-I", "-S", "-v", "-c", program, f"{image.root}/purelib"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "spam\n"
    assert "spam.py" in done.stderr
    assert f"{sys.implementation.cache_tag}.pyc matches" in done.stderr


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pyc: pyc.write_bytes(b"\0\0\0\0" + pyc.read_bytes()[4:]),
        lambda pyc: pyc.write_bytes(pyc.read_bytes()[:8] + b"\0\0\0\0" + pyc.read_bytes()[12:]),
        lambda pyc: pyc.write_bytes(pyc.read_bytes()[:4] + b"\1" + pyc.read_bytes()[5:]),
        lambda pyc: pyc.write_bytes(pyc.read_bytes()[:10]),
        lambda pyc: pyc.unlink(),
    ],
    ids=["another magic", "another time", "by hash", "cut short", "missing"],
)
def test_byte_code_that_may_be_of_something_else_is_made_anew(
    spoil: Callable[[Path], object], tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    info = install(make_wheel(tmp_path), tmp_path / "site")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tmp_path / "site")], check=True)
    spoil(tmp_path / "site" / "__pycache__" / f"spam.{sys.implementation.cache_tag}.pyc")

    image = obtain(read_installed(str(tmp_path / "site"), info.name), interpreter, store)

    with open(f"{image.root}/purelib/__pycache__/spam.{sys.implementation.cache_tag}.pyc", "rb") as file:
        header = file.read(16)
    stamp = int(os.stat(f"{image.root}/purelib/spam.py").st_mtime)
    assert header == importlib.util.MAGIC_NUMBER + bytes(4) + stamp.to_bytes(4, "little") + len(MODULE).to_bytes(
        4, "little"
    )


def test_what_was_changed_after_it_was_installed_is_refused(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    info = install(make_wheel(tmp_path), tmp_path / "site")
    (tmp_path / "site" / "spam.py").write_text("patched\n")

    with pytest.raises(SeedError, match=r"`spam\.py` is not what its RECORD says"):
        obtain(read_installed(str(tmp_path / "site"), info.name), interpreter, store)
    assert left_over(store) == []


def test_what_virtualenv_has_laid_down_is_as_good_as_what_pip_has(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    """Its RECORD lists a marker of its own, directories, and byte-code that is not there, all without a hash."""
    info = install(make_wheel(tmp_path), tmp_path / "site")
    record = info / "RECORD"
    strange = [
        f"{info.name.replace('.dist-info', '.virtualenv')},,",
        "spam/__pycache__,,",
        "spam/gone.cpython-311.pyc,,",
    ]
    record.write_text("\n".join([record.read_text().rstrip("\n"), *strange, ""]))

    image = obtain(read_installed(str(tmp_path / "site"), info.name), interpreter, store)

    assert "spam.py" in listed(image, "purelib")
    assert not any("virtualenv" in name for name in listed(image, "purelib"))


# Wheels that become nothing


def entry(name: str, kind: int = stat.S_IFREG) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("placeholder")
    info.filename = info.orig_filename = name
    info.external_attr = (kind | 0o644) << 16
    return info


HOSTILE: dict[str, tuple[dict[str, object], str]] = {
    "above": ({"unlisted": ["../planted.py"]}, "`../planted.py` leads out of its directory"),
    "deep above": ({"unlisted": ["spam/../../planted.py"]}, "`spam/../../planted.py` leads out"),
    "absolute": ({"unlisted": ["/planted.py"]}, "`/planted.py` leads out"),
    "two slashes": ({"unlisted": ["spam//planted.py"]}, "`spam//planted.py` leads out"),
    "a dot": ({"unlisted": ["./planted.py"]}, "`./planted.py` leads out"),
    "a drive": ({"unlisted": ["C:planted.py"]}, "`C:planted.py` has a character"),
    "a stream": ({"unlisted": ["spam.py:hidden"]}, "`spam.py:hidden` has a character"),
    "backslashes": ({"unlisted": [entry("..\\planted.py")]}, "has a character"),
    "a newline": ({"unlisted": ["a\nb.py"]}, "`a\\nb.py` has a character"),
    "a nul": ({"unlisted": [entry("planted.py\0.txt")]}, "has a character"),
    "a line separator": ({"unlisted": ["a\u2028b.py"]}, "has a character"),
    "a trailing dot": ({"unlisted": ["planted.py."]}, "is another name on Windows"),
    "a link": ({"unlisted": [entry("link", stat.S_IFLNK)]}, "`link` is not a file"),
    "a device": ({"unlisted": [entry("null", stat.S_IFCHR)]}, "`null` is not a file"),
    "a pipe": ({"unlisted": [entry("pipe", stat.S_IFIFO)]}, "`pipe` is not a file"),
    "not in RECORD": ({"unlisted": ["planted.py"]}, "RECORD does not list `planted.py`"),
    "a wrong hash": ({"record": {"spam.py": "sha256=AAAA,3"}}, "`spam.py` is not what its RECORD says"),
    "an empty hash": ({"record": {"spam.py": "sha256=,3"}}, "RECORD has no hash of `spam.py`"),
    "no hash": ({"record": {"spam.py": ","}}, "RECORD has no hash of `spam.py`"),
    "a weak hash": (
        {"record": {"spam.py": "md5=0TMnkhCZtrIjdTtJk6x3vw,3"}},
        "RECORD has no hash of `spam.py`, or a weak",
    ),
    "a missing file": ({"record": {"gone.py": "sha256=AAAA,3"}}, "`gone.py` is missing"),
    "a path in RECORD": ({"record": {"../gone.py": "sha256=AAAA,3"}}, "`../gone.py` leads out"),
    "another case": ({"files": {"spam.py": "1", "SPAM.py": "2"}}, "are one file on some systems"),
    "other accents": ({"files": {"\u00e9.py": "1", "e\u0301.py": "2"}}, "are one file on some systems"),
    "a file as directory": ({"files": {"spam": "1", "spam/x.py": "2"}}, "is a file and the directory of"),
    "two ways to one file": (
        {"files": {"spam.py": "1", "spam-1.0.data/purelib/spam.py": "2"}},
        "are one file on some systems",
    ),
    "two trees that are one": (
        {"files": {"spam.py": "1", "spam-1.0.data/platlib/spam.py": "2"}},
        "are one file on some systems",
    ),
    "an unknown tree": ({"files": {"spam-1.0.data/elsewhere/x": "1"}}, "`spam-1.0.data/elsewhere/x` belongs nowhere"),
    "a tree as file": ({"files": {"spam-1.0.data/scripts": "1"}}, "`spam-1.0.data/scripts` belongs nowhere"),
    "two metadata directories": ({"files": {"eggs-1.0.dist-info/METADATA": ""}}, "it has 2 metadata directories"),
    "another name inside": ({"METADATA": "Name: eggs\nVersion: 1.0\n"}, "its metadata says `eggs`"),
    "another version inside": ({"METADATA": "Name: spam\nVersion: 2.0\n"}, "its metadata says `spam` 2.0"),
    "a name that is a path": ({"METADATA": "Name: ../x\nVersion: 1.0\n"}, "is no name and version"),
    "a version that is a path": ({"METADATA": "Name: spam\nVersion: ../1\n"}, "is no name and version"),
    "a wheel of the future": ({"WHEEL": "Wheel-Version: 2.0\n"}, "it has wheel version `2.0`"),
    "a script that is a path": ({"entry_points": "[console_scripts]\n../x = spam:main\n"}, "is none"),
    "a script without a name": ({"entry_points": "[console_scripts]\n = spam:main\n"}, "is none"),
    "a script that is code": ({"entry_points": "[gui_scripts]\nx = spam:main();evil\n"}, "is none"),
    "a script of no function": ({"entry_points": "[console_scripts]\nx = spam\n"}, "is none"),
    "a script twice": ({"entry_points": "[console_scripts]\nx = a:b\nX = c:d\n"}, "it declares a script twice"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_wheel_with_anything_that_no_wheel_may_have_is_refused_by_name(
    case: str, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    details, reason = HOSTILE[case]
    wheel = make_wheel(tmp_path / "wheels", **details)  # type: ignore[arg-type]
    before = snapshot(tmp_path / "wheels")

    with pytest.raises(SeedError) as raised:
        obtain(read_wheel(str(wheel)), interpreter, store)

    assert reason in raised.value.message
    assert str(wheel) in raised.value.message
    assert "\n" not in raised.value.message
    assert left_over(store) == []
    assert snapshot(tmp_path / "wheels") == before
    assert not list(tmp_path.rglob("planted*"))


def test_a_name_that_is_twice_in_the_archive_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        wheel = make_wheel(tmp_path, unlisted=["spam.py"])

    with pytest.raises(SeedError, match=r"`spam\.py` is in it twice"):
        read_wheel(str(wheel))


def test_an_encrypted_file_is_refused_by_name(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    content = bytearray(wheel.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flags of the first file, in the archive's directory
    wheel.write_bytes(content)

    with pytest.raises(SeedError, match=r"`spam\.py` is encrypted"):
        read_wheel(str(wheel))


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloche.store.distributions.LARGEST", 1 << 20)
    wheel = make_wheel(tmp_path, files={"bomb.txt": b"\0" * (2 << 20)})

    with pytest.raises(SeedError, match="it holds more than 1048576 bytes"):
        read_wheel(str(wheel))


@pytest.mark.parametrize("where", range(10, 1400, 97))
def test_a_wheel_with_a_broken_byte_is_refused_or_means_the_same(
    where: int, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    wheel = make_wheel(tmp_path)
    whole = obtain(read_wheel(str(wheel)), interpreter, store)
    content = bytearray(wheel.read_bytes())
    content[where % len(content)] ^= 0xFF
    wheel.write_bytes(content)

    try:
        image = obtain(read_wheel(str(wheel)), interpreter, store)
    except SeedError:
        return
    assert snapshot(f"{image.root}/purelib") == snapshot(f"{whole.root}/purelib")


def left_over(store: Store) -> list[str]:
    """Return every image in a store, and what was to become one."""
    return [
        os.path.join(abi, name)
        for room in store.readable_directories("images")
        for abi in os.listdir(room)
        for name in os.listdir(os.path.join(room, abi))
    ]


def only_the_first(store: Store) -> bool:
    """Return whether a store holds one whole image, that without byte-code."""
    (name,) = left_over(store)
    image = load(os.path.join(store.root, "images", name))
    return image is not None and image.bytecode == "missing"


# The target compiles, or does not


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo broken >&2; exit 3", "ended with 3 and said: broken"),
        ("cat > /dev/null", "ended with 0 and said: nothing"),
        ("kill -9 $$", "ended with -9"),
    ],
)
def test_an_interpreter_that_cannot_compile_is_named(
    script: str, reason: str, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)

    image = obtain(read_wheel(str(make_wheel(tmp_path))), replace(interpreter, executable=str(program)), store)

    assert image.bytecode == "missing"
    (warning,) = store.warnings
    assert warning.startswith(f"spam has no byte-code, because `{program}` was to byte-compile seeds and ")
    assert reason in warning
    assert only_the_first(store)


def test_an_interpreter_that_is_gone_is_named(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    image = obtain(
        read_wheel(str(make_wheel(tmp_path))), replace(interpreter, executable=str(tmp_path / "gone")), store
    )

    assert image.bytecode == "missing"
    assert "cannot be run" in store.warnings[0]
    assert only_the_first(store)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_an_interpreter_that_never_ends_is_given_up(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytecode, "PATIENCE", 0.2)
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)

    obtain(read_wheel(str(make_wheel(tmp_path))), replace(interpreter, executable=str(program)), store)

    assert "took more than 0 s" in store.warnings[0]


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
    "its directory missing": lambda root: shutil.rmtree(f"{root}/purelib/spam/deep"),
    "its tree missing": lambda root: shutil.rmtree(f"{root}/purelib"),
    "emptied": lambda root: rewrite(f"{root}/{VICTIM}", b""),
    "emptied with its time kept": lambda root: rewrite(f"{root}/{VICTIM}", b"", same_time=True),
    "cut short": lambda root: os.truncate(f"{root}/{VICTIM}", 3),
    "altered": lambda root: rewrite(f"{root}/{VICTIM}", b"x = 2\n"),
    "writable by everybody": lambda root: os.chmod(f"{root}/{VICTIM}", 0o666),
    "a directory": lambda root: (os.unlink(f"{root}/{VICTIM}"), os.mkdir(f"{root}/{VICTIM}")),
    "a link": lambda root: replace_by_link(f"{root}/{VICTIM}"),
    "its tree a link": lambda root: replace_by_link(f"{root}/purelib"),
    "a manifest missing": lambda root: os.unlink(f"{root}/purelib.manifest"),
    "a manifest cut short": lambda root: os.truncate(f"{root}/purelib.manifest", 100),
    "the seal missing": lambda root: os.unlink(f"{root}/manifest"),
    "the seal emptied": lambda root: rewrite(f"{root}/manifest", b"", same_time=True),
    "the seal altered": lambda root: rewrite(f"{root}/manifest", b"cloche image 2\nx\nend\n"),
    "the record cut short": lambda root: os.truncate(f"{root}/purelib.record", 10),
    "a script altered": lambda root: rewrite(f"{root}/shebangs/tool", b"#!python\nevil()\n"),
    "the description altered": lambda root: rewrite(f"{root}/image.json", b"{}"),
    "the description missing": lambda root: os.unlink(f"{root}/image.json"),
    "everything gone": lambda root: [os.unlink(f"{root}/manifest"), os.unlink(f"{root}/image.json")],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_image_is_noticed_and_made_again(
    damage: str, tmp_path: Path, interpreter: Interpreter, store: Store, image: Image
) -> None:
    whole = snapshot(image.root)
    DAMAGE[damage](image.root)

    assert check(image) is not None
    assert load(image.root) is None
    again = obtain(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, store)

    assert again == image
    assert check(again) is None
    assert snapshot(again.root) == whole
    assert len(left_over(store)) == 1


def test_an_image_that_a_link_leads_to_is_not_used(image: Image, store: Store) -> None:
    for path in (image.root, os.path.dirname(image.root), os.path.join(store.root, "images")):
        assert check(image) is None
        replace_by_link(path)
        assert check(image) is not None, path
        os.unlink(path)
        os.rename(f"{path}.real", path)


def test_what_the_cheap_look_cannot_see_the_full_one_does(image: Image) -> None:
    rewrite(f"{image.root}/{VICTIM}", b"y = 1\n", same_time=True)

    assert check(image) is None
    [wrong] = verify(image.root)
    assert wrong.startswith(f"`{image.root}/{VICTIM}` has other content")


def test_a_file_that_was_added_is_seen_by_the_full_look(image: Image) -> None:
    with open(f"{image.root}/purelib/planted.py", "w"):
        pass

    assert verify(image.root) == [f"`{image.root}/purelib/planted.py` does not belong there"]


def test_an_image_that_is_not_there_is_damaged(image: Image) -> None:
    shutil.rmtree(image.root)

    assert "damaged" in str(check(image))
    assert verify(image.root)


# Read-only


def test_a_read_only_store_serves_fully_and_is_not_written_to(
    tmp_path: Path, interpreter: Interpreter, store: Store, image: Image
) -> None:
    def everything() -> dict[str, tuple[int, int]]:
        paths = [os.path.join(parent, name) for parent, dirs, names in os.walk(store.root) for name in (*dirs, *names)]
        return {path: (os.lstat(path).st_mtime_ns, os.lstat(path).st_ctime_ns) for path in (store.root, *paths)}

    before = everything()
    with Store.open(host_at(tmp_path), store.root, "read-only") as reader:
        assert obtain(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, reader) == image
        other = obtain(read_wheel(str(make_wheel(tmp_path, name="eggs"))), interpreter, reader)
        assert not other.root.startswith(store.root)
        assert check(other) is None
    assert everything() == before
    assert check(other) is not None, "what such a run had to make is gone with it"


def test_a_damaged_image_in_a_read_only_store_is_left_alone_and_not_used(
    tmp_path: Path, interpreter: Interpreter, store: Store, image: Image
) -> None:
    os.truncate(f"{image.root}/{VICTIM}", 1)
    before = snapshot(store.root)

    with Store.open(host_at(tmp_path), store.root, "read-only") as reader:
        again = obtain(read_wheel(str(full_wheel(tmp_path / "wheels"))), interpreter, reader)
        assert check(again) is None
        assert again.root != image.root
    assert snapshot(store.root) == before


# Crowds

BUILDER = """
import json, sys
from cloche.discovery import record
from cloche.store import Store
from cloche.store.distributions import read_wheel
from cloche.store.images import obtain
from cloche.testing.fakes import fake_host
interpreter = record.load(json.loads(sys.argv[1]))
with Store.open(fake_host(), sys.argv[2]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    image = obtain(read_wheel(sys.argv[3]), interpreter, store)
    assert not store.warnings, store.warnings
    print(image.root)
"""


def test_several_builders_at_once_make_one_image_and_no_error(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    wheel = full_wheel(tmp_path / "wheels")
    command = [sys.executable, "-c", BUILDER, json.dumps(record.dump(interpreter)), store.root, str(wheel)]
    builders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for builder in builders:
        assert builder.stdout is not None
        builder.stdout.readline()
    roots = {builder.communicate("go\n", timeout=60)[0] for builder in builders}

    assert [builder.returncode for builder in builders] == [0] * 4
    assert len(roots) == 1
    assert len(left_over(store)) == 1
    assert verify(roots.pop().strip()) == []


@pytest.mark.skipif(os.name == "nt", reason="the limit is set by a shell of POSIX")
def test_sixteen_file_descriptors_are_enough(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    files = {f"spam/module{number}.py": MODULE for number in range(40)}
    wheel = make_wheel(tmp_path / "wheels", files=files, entry_points="")
    described = json.dumps(record.dump(interpreter))
    limited = ["/bin/sh", "-c", 'ulimit -n 16 && exec "$@"', "sh"]
    command = [*limited, sys.executable, "-c", BUILDER, described, store.root, str(wheel)]

    for _ in range(2):  # to unpack, and to compile
        done = subprocess.run(command, input="go\n", capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert verify(done.stdout.splitlines()[-1]) == []


def test_what_a_killed_builder_left_is_swept_by_the_next_one(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))
    room = os.path.join(store.writable_directory("images"), images.abi_name(interpreter))
    os.makedirs(os.path.join(room, f"{images.image_name(distribution)}.0badcafe{images.UNFINISHED}", "purelib"))
    os.makedirs(os.path.join(room, "another-1.0-0.0badcafe.new"))

    obtain(distribution, interpreter, store)

    assert sorted(os.listdir(room)) == sorted(["another-1.0-0.0badcafe.new", images.image_name(distribution)])


def test_without_the_lock_nothing_of_a_living_builder_is_swept(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution = read_wheel(str(full_wheel(tmp_path / "wheels")))
    name = images.image_name(distribution)
    room = os.path.join(store.writable_directory("images"), images.abi_name(interpreter))
    os.makedirs(os.path.join(room, f"{name}.0badcafe{images.UNFINISHED}"))
    lock = store.lock
    monkeypatch.setattr(store, "lock", lambda name: lock(name, 0.1))

    with lock(f"{images.abi_name(interpreter)}-{name}"):
        obtain(distribution, interpreter, store)

    assert f"{name}.0badcafe{images.UNFINISHED}" in os.listdir(room)
    assert f"process {os.getpid()}" in store.warnings[0]


@pytest.mark.skipif(os.name == "nt", reason="limits are those of POSIX")
def test_no_room_is_an_error_of_one_line(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    import resource

    wheel = make_wheel(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(SeedError) as raised:
            obtain(read_wheel(str(wheel)), interpreter, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be made in" in raised.value.message
    assert left_over(store) == []
